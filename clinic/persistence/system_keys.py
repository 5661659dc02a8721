"""The keys of a whole instance, one for each thing that is of no case: index, pepper, web, audit, office.

What they do needs no session and reads no row: tags, peppered passwords, lines of the audit, sealed office rows.
"""

import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, Final
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from clinic.domain.errors import Denied, Usage, VaultLocked
from clinic.persistence import sealing
from clinic.persistence.keyview import KeyView
from clinic.persistence.models import Audit, Instance, SystemKey
from clinic.persistence.vault import Vault, Wrapped

SYSTEM_KEYS: Final = ("facts", "index", "pepper", "web", "audit", "office")
AGREED: Final = "agreed_by"  # in the sealed words of a request: the account that agreed to it


class SystemKeys:
    """The open system keys of an instance. `facts` is what was sealed in when it was made."""

    def __init__(self, vault: Vault, engine: Engine) -> None:
        with Session(engine) as session:
            instance = session.get(Instance, vault.instance)
            rows = {row.name: row for row in session.scalars(select(SystemKey))}
        if instance is None:
            raise VaultLocked("the database belongs to another instance than the keys.")
        if not rows.keys() >= set(SYSTEM_KEYS):
            raise Usage("The keys are of another version of this program. Run: clinic upgrade")
        try:
            keys = {name: _open(vault, rows[name]) for name in SYSTEM_KEYS}
            self.facts: dict[str, Any] = sealing.unseal(
                AESGCM(keys["facts"]), instance.sealed, _facts_bound(vault.instance)
            )
        except sealing.Damaged:
            raise VaultLocked("the database does not fit the keys.") from None
        self._index, self._pepper, self._web = keys["index"], keys["pepper"], keys["web"]
        self._office = AESGCM(keys["office"])
        self._audit = AESGCM(sealing.derive(keys["audit"], vault.instance.bytes, "clinic/audit/seal/1"))
        self._chain = sealing.derive(keys["audit"], vault.instance.bytes, "clinic/audit/chain/1")

    # ------------------------------------------------------------------ index
    def record_tag(self, view: KeyView, definition_id: str) -> bytes:
        """What finds a case's records of one definition; differs in every case."""
        return self.case_tag(view.case_id, definition_id)

    def case_tag(self, case_id: UUID, definition_id: str) -> bytes:
        """`record_tag` without a view."""
        return self._tag("record", case_id, definition_id)[:8]

    def code_tag(self, code: str) -> bytes:
        """What finds a print by the code on its paper."""
        return self._tag("print", code)[:16]

    def code_tags(self, codes: Sequence[str]) -> list[bytes]:
        """The same for many."""
        return [self.code_tag(one) for one in codes]

    def couple_tag(self, session_id: UUID, case_id: UUID) -> bytes:
        """What holds a session to the couple view of a case; tells the case to nobody else, and differs each time."""
        return self._tag("couple", session_id, case_id)[:16]

    def throttle_tag(self, *fields: str) -> bytes:
        """The throttle's key for an account and address, or an address."""
        return self._tag("throttle", *fields)[:16]

    def web_secret(self) -> bytes:
        """What the web signs its cookies with. It opens nothing."""
        return self._web

    # ------------------------------------------------------------------ signing in
    def peppered(self, password: str) -> str:
        """HMAC(pepper, password): what Argon2id is computed over."""
        return hmac.new(self._pepper, password.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()

    def code_hash(self, code: str) -> bytes:
        """What is stored of a recovery code."""
        return hmac.digest(self._pepper, sealing.bind("code", code), hashlib.sha256)

    # ------------------------------------------------------------------ audit
    def audit_seal(self, seq: int, day: date, previous_mac: bytes, payload: Mapping[str, Any]) -> tuple[bytes, bytes]:
        """A line of the audit chain: its sealed payload, and the MAC over it and over the line before.

        The first line follows an empty MAC. A payload holds ids, a `verb`, hashes; `who` did it, `case` is the id
        of the case it was about.
        """
        sealed = sealing.seal(self._audit, dict(payload), _audit_bound(seq, day))
        return sealed, self._mac(seq, day, sealed, previous_mac)

    def audit_seal_all(
        self, seq: int, day: date, previous_mac: bytes, payloads: Sequence[Mapping[str, Any]]
    ) -> list[tuple[bytes, bytes]]:
        """The same for lines that follow one another, the first of them line `seq`."""
        made: list[tuple[bytes, bytes]] = []
        for number, payload in enumerate(payloads, start=seq):
            made.append(self.audit_seal(number, day, previous_mac, payload))
            previous_mac = made[-1][1]
        return made

    def audit_read(self, rows: Sequence[Audit]) -> list[dict[str, Any]]:
        """All payloads with `seq` and `day`, for `verify`: only where the keyholder is in this process."""
        return [self._payload(row) | {"seq": row.seq, "day": row.day} for row in rows]

    def audit_check(self, rows: Sequence[Audit], previous_mac: bytes) -> str | None:
        """What is wrong with these lines, in order, after the line with this MAC; None if nothing is."""
        expected = rows[0].seq if rows else 0
        if rows and not previous_mac and expected != 1:
            return f"The audit begins with line {expected}: earlier lines are gone."
        for row in rows:
            if row.seq != expected:
                return f"Line {expected} of the audit is not there."
            if not hmac.compare_digest(row.mac, self._mac(row.seq, row.day, row.sealed, previous_mac)):
                return f"Line {row.seq} of the audit was changed, or a line before it."
            expected, previous_mac = row.seq + 1, row.mac
        return None

    # ------------------------------------------------------------------ office
    def office_seal(self, id_: UUID, content: Mapping[str, Any]) -> bytes:
        """Sealed content of the row with this id: a notice, a request, a grant.

        A request needs `by` (who asks), `ends_on`, `kind` and `case` (an id, or empty), of kind `staff_export` also
        `partner` (a or b); a grant `case`, `account` and `until` (ISO moment). Denied: what says that somebody agreed;
        only `Keyholder.agree` writes that.
        """
        if AGREED in content:
            raise Denied
        return self._office_sealed(id_, content)

    def office_open(self, id_: UUID, sealed: bytes) -> dict[str, Any]:
        """The inverse of `office_seal`. Raises Damaged."""
        return dict(sealing.unseal(self._office, sealed, sealing.bind("office", 1, id_)))

    # ------------------------------------------------------------------ inside
    def _office_sealed(self, id_: UUID, content: Mapping[str, Any]) -> bytes:
        return sealing.seal(self._office, dict(content), sealing.bind("office", 1, id_))

    def _payload(self, row: Audit) -> dict[str, Any]:
        return dict(sealing.unseal(self._audit, row.sealed, _audit_bound(row.seq, row.day)))

    def _mac(self, seq: int, day: date, sealed: bytes, previous: bytes) -> bytes:
        bound = sealing.bind("chain", 1, seq, day.isoformat(), previous.hex())
        return hmac.digest(self._chain, bound + hashlib.sha256(sealed).digest(), hashlib.sha256)

    def _ring_tag(self, case_id: UUID, named: str) -> bytes:
        return self._tag("ring", case_id, named)[:16]

    def _tag(self, *fields: str | UUID) -> bytes:
        return hmac.digest(self._index, sealing.bind(*fields), hashlib.sha256)


def system_rows(vault: Vault, facts: Mapping[str, Any]) -> list[SystemKey | Instance]:
    """The keys of a new instance and its sealed facts, to be stored."""
    rows: list[SystemKey | Instance] = []
    for name in SYSTEM_KEYS:
        row, key = _new_system(vault, name)
        rows.append(row)
        if name == "facts":
            sealed = sealing.seal(AESGCM(key), dict(facts), _facts_bound(vault.instance))
            rows.append(Instance(id=vault.instance, sealed=sealed))
    return rows


def lacking_system_rows(vault: Vault, there: Iterable[str]) -> list[SystemKey]:
    """The keys that an instance of an older version lacks, to be stored by `upgrade`; `there`: those it has."""
    known = set(there)  # once: it may be an iterator
    return [_new_system(vault, name)[0] for name in SYSTEM_KEYS if name not in known]


def _new_system(vault: Vault, name: str) -> tuple[SystemKey, bytes]:
    key = AESGCM.generate_key(256)
    wrapped = vault.wrap(key, name, vault.instance)
    return SystemKey(name=name, id=wrapped.id, kid=wrapped.kid, wrapped=wrapped.sealed), key


def _open(vault: Vault, row: SystemKey) -> bytes:
    return vault.unwrap_bytes(Wrapped(row.id, row.kid, row.wrapped), row.name, vault.instance)


def _facts_bound(instance: UUID) -> bytes:
    return sealing.bind("facts", 1, instance)


def _audit_bound(seq: int, day: date) -> bytes:
    return sealing.bind("audit", 1, seq, day.isoformat())
