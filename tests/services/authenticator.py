"""A passkey in software: what a security key does, with its counter and its user verification."""

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


@dataclass
class Authenticator:
    """One credential of one person. `verifies`: it asks for PIN or finger; `counts`: its counter goes up."""

    origin: str = "http://localhost:8000"
    verifies: bool = True
    counts: bool = True
    count: int = 0
    id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def create(self, options: str) -> str:
        """What `navigator.credentials.create()` gives for these options."""
        asked = json.loads(options)
        assert asked["authenticatorSelection"]["userVerification"] == "required"
        assert asked["authenticatorSelection"]["residentKey"] == "discouraged"
        numbers = self.key.public_key().public_numbers()
        cose = {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
        named = bytes(16) + len(self.id).to_bytes(2, "big") + self.id + cbor2.dumps(cose)
        data = self._data(asked["rp"]["id"], ATTESTED) + named
        attested = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        return self._reply(
            clientDataJSON=self._client("webauthn.create", asked["challenge"]), attestationObject=attested
        )

    def get(self, options: str) -> str:
        """What `navigator.credentials.get()` gives."""
        asked = json.loads(options)
        assert asked["userVerification"] == "required"
        assert _text(self.id) in [one["id"] for one in asked["allowCredentials"]]
        return self.sign(asked["rpId"], asked["challenge"])

    def sign(self, rp: str, challenge: str) -> str:
        """An assertion for any challenge."""
        self.count += self.counts
        client, data = self._client("webauthn.get", challenge), self._data(rp)
        signature = self.key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(SHA256()))
        return self._reply(clientDataJSON=client, authenticatorData=data, signature=signature)

    def _data(self, rp: str, more: int = 0) -> bytes:
        flags = PRESENT | more | (VERIFIED if self.verifies else 0)
        return hashlib.sha256(rp.encode()).digest() + bytes([flags]) + self.count.to_bytes(4, "big")

    def _client(self, type_: str, challenge: str) -> bytes:
        said = {"type": type_, "challenge": challenge, "origin": self.origin, "crossOrigin": False}
        return json.dumps(said).encode()

    def _reply(self, **response: bytes) -> str:
        said: dict[str, Any] = {"id": _text(self.id), "rawId": _text(self.id), "type": "public-key"}
        said |= {"response": {name: _text(value) for name, value in response.items()}, "clientExtensionResults": {}}
        return json.dumps(said)


def _text(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")
