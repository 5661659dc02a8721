"""Sheets drawn by other machines while they are killed: `python -m tests.benchmarks.far_bench [--hosts]`.

Real PostgreSQL, a server process that hands out keys and draws nothing, and worker processes with a key and a role
each; every ten seconds one of them, at random, is killed -9 and started again. Prints one JSON document: how many
results there are, how many are double or lost. With `--hosts` each worker is in a network namespace of its own behind
a bridge and reaches PostgreSQL by TLS with a checked certificate; that needs root.
"""

import argparse
import ipaddress
import json
import os
import random
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import chown
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from clinic.domain.code import new_code
from clinic.domain.page import Page
from tests.benchmarks import pages
from tests.persistence.roles import psql
from tests.services import far
from tests.services.far import Far, Server

BRIDGE, NETWORK, PORT = "clinic-far", "10.77.0", 55432
SEEN = re.compile(r"\b[0-9A-Z]{9}\b")


def run(sheets: int, workers: int, every: float, longest: float, hosts: bool, light: bool) -> dict[str, Any]:
    """One round: so many unlike sheets over so many workers."""
    names = [f"far{number}" for number in range(workers)]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(far.server())
        clinic = far.make(folder, str(server.folder))
        stack.callback(clinic.close)
        for name in names:
            clinic.machine(name)
        if hosts:
            stack.enter_context(apart(clinic, server, names))
        codes = [new_code() for _ in range(sheets)]
        made = drawn_from(codes, light)
        stack.enter_context(clinic.server())
        running = {name: clinic.start(name) for name in names}
        stack.callback(lambda: [one.kill() or one.wait() for one in running.values()])
        for name in names:
            ready(clinic, name)
        batch, began = clinic.batch(made), time.monotonic()
        kills, last, half = 0, began, 0.0
        while (now := time.monotonic()) - began < longest:
            states = clinic.states(batch)
            if not states.keys() & {"waiting", "taken"}:
                break
            half = half or (now - began if states.get("done", 0) >= sheets / 2 else 0.0)
            if now - last >= every:
                victim = random.choice(names)  # noqa: S311
                running[victim].kill()
                running[victim].wait()
                running[victim] = clinic.start(victim)
                kills, last = kills + 1, now
            time.sleep(0.2)
        spent = time.monotonic() - began
        found = [code_of(one, set(codes)) for one in clinic.results(batch)]
    return {
        "sheets": sheets,
        "workers": workers,
        "hosts": hosts,
        "light": light,
        "killed": kills,
        "states": states,
        "distinct": len(set(found) - {""}),
        "double": len(found) - len(set(found)),
        "lost": sheets - len(found),
        "in_their_place": found == codes,
        "seconds": round(spent, 1),
        "half_after": round(half, 1),
        "a_second": round(sheets / 2 / half, 1) if half else None,
    }


def drawn_from(codes: list[str], light: bool) -> list[Page]:
    """Unlike sheets, each with its code: shipped worksheets of two sides with made-up answers, or a line each."""
    if light:
        return [far.page(code) for code in codes]
    shelf = pages.mix(filled=True)
    return [pages.page(shelf[n % len(shelf)], code=code, filled=True, short=True) for n, code in enumerate(codes)]


def code_of(content: bytes, codes: set[str]) -> str:
    """The code on a sheet, one of these; empty if it has none or several."""
    there = {one for one in SEEN.findall(far.text_of(content)) if one in codes}
    return there.pop() if len(there) == 1 else ""


def ready(clinic: Far, name: str) -> None:
    """Until the worker says so."""
    log, end = clinic.folder / f"{name}.log", time.monotonic() + 120
    while "Ready." not in log.read_text():
        if time.monotonic() > end:
            raise SystemExit(f"{name} did not start: {log.read_text()[-400:]}")
        time.sleep(0.2)


# --------------------------------------------------------------------------- hosts
@contextmanager
def apart(clinic: Far, server: Server, names: list[str]) -> Iterator[None]:
    """Each machine behind a bridge, PostgreSQL on the bridge with TLS, for roles with a password."""
    if os.geteuid() != 0:
        raise SystemExit("--hosts makes network namespaces and needs root.")
    ours = f"{NETWORK}.1"
    with ExitStack() as stack:
        ip("link", "add", BRIDGE, "type", "bridge")
        stack.callback(ip, "link", "del", BRIDGE)
        ip("addr", "add", f"{ours}/24", "dev", BRIDGE)
        ip("link", "set", BRIDGE, "up")
        for number, name in enumerate(names, 2):
            ip("netns", "add", name)
            stack.callback(ip, "netns", "del", name)
            ip("link", "add", f"{name}-out", "type", "veth", "peer", "name", "in0", "netns", name)
            ip("link", "set", f"{name}-out", "master", BRIDGE, "up")
            ip("-n", name, "addr", "add", f"{NETWORK}.{number}/24", "dev", "in0")
            ip("-n", name, "link", "set", "in0", "up")
        made = certificates(ours)
        data = server.folder / "data"
        for file, text in (("server.crt", made.server), ("server.key", made.key)):
            (data / file).write_text(text)
            (data / file).chmod(0o600)
            chown(data / file, "nobody")
        with (data / "pg_hba.conf").open("a") as rules:
            rules.write(f"hostssl all +clinic_worker {NETWORK}.0/24 scram-sha-256\n")
        server.cut()
        server.start(f"-c listen_addresses={ours} -c port={PORT} -c ssl=on")
        clinic.raw.dispose()
        clinic.store.engine.dispose()
        authority, passwords = clinic.folder / "ca.pem", clinic.folder / "passwords"
        authority.write_text(made.authority)
        secret = os.urandom(16).hex()
        passwords.write_text(f"{ours}:{PORT}:*:*:{secret}\n")
        passwords.chmod(0o600)
        for name, one in clinic.accepted.items():
            psql_at(clinic, f"ALTER ROLE {one.role} PASSWORD '{secret}';")
            clinic.hosts[name] = ["ip", "netns", "exec", name]
        asked = f"sslmode=verify-full&sslrootcert={authority}&passfile={passwords}"
        clinic.address = lambda role: f"postgresql://{role}@{ours}:{PORT}/{clinic.db.name}?{asked}"
        yield


def psql_at(clinic: Far, script: str) -> None:
    os.environ["PGPORT"] = str(PORT)  # the socket has the number of the port too
    psql(clinic.db.folder, script)


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


@dataclass(frozen=True)
class Certificates:
    """As PEM: an authority, and what the server shows."""

    authority: str
    server: str
    key: str


def certificates(address: str) -> Certificates:
    """An authority for a day, and a certificate of this address."""
    now, keys = datetime.now(UTC), [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, one)]) for one in ("Bench authority", address)]
    made = []
    for place, own in ((0, True), (1, False)):
        builder = x509.CertificateBuilder().subject_name(names[place]).issuer_name(names[0])
        builder = builder.public_key(keys[place].public_key()).serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(days=1))
        builder = builder.add_extension(x509.BasicConstraints(ca=own, path_length=None), critical=True)
        if not own:
            said = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
            builder = builder.add_extension(said, critical=False)
        made.append(builder.sign(keys[0], hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode())
    private = keys[1].private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Certificates(made[0], made[1], private.decode())


def main() -> None:
    """From the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sheets", type=int, default=500)
    parser.add_argument("--workers", default="2,4", help="numbers of workers, one round each")
    parser.add_argument("--every", type=float, default=10, help="seconds between two kills")
    parser.add_argument("--longest", type=float, default=900, help="seconds for a round")
    parser.add_argument("--hosts", action="store_true", help="each worker in a network namespace (root)")
    parser.add_argument("--light", action="store_true", help="a line on each sheet: what is counted needs no more")
    asked = parser.parse_args()
    rounds = [
        run(asked.sheets, int(one), asked.every, asked.longest, asked.hosts, asked.light)
        for one in asked.workers.split(",")
    ]
    print(json.dumps(rounds, indent=2))


if __name__ == "__main__":
    main()
