"""`clinic keyholder`: the keyholder as a service of its own, started before the web processes.

This process only looks after it: it holds no key itself, says when the other one listens, and ends with it.
"""

import os
import signal
import socket
import sys
from types import FrameType

from clinic.config import Settings
from clinic.domain.errors import ClinicError, Usage
from clinic.persistence import keyholder_client
from clinic.persistence.keyholder_client import Child, KeyholderClient

LOOK = 3600.0  # s; a signal ends the wait


def run(settings: Settings) -> None:
    """Start it and stay until it ends or somebody ends us.

    Key file and systemd credential are used where there are any, else it asks at the terminal, else it waits, locked,
    for `clinic unlock`. Raises Usage (one runs already), VaultLocked; ClinicError when it was killed.
    """
    if keyholder_client.running(settings):
        raise Usage("A keyholder of these records runs already.")
    signal.signal(signal.SIGTERM, _over)
    child = Child(settings)
    try:
        child.start(prompt=sys.stdin.isatty())
        if not keyholder_client.running(settings):
            raise Usage("A keyholder of these records runs already.")
        _ready(keyholder_client.only(settings))
        while not child.wait(LOOK):
            pass
    finally:
        child.stop()
    raise ClinicError("The keyholder was ended.")


def _over(number: int, frame: FrameType | None) -> None:
    raise SystemExit(0)


def _ready(keyholder: KeyholderClient) -> None:
    """Tell a person, and systemd, that it listens."""
    opened = keyholder.opened()
    keyholder.dispose()
    print("The keyholder runs." if opened else "The records are locked. Open them: clinic unlock", flush=True)
    if where := os.environ.get("NOTIFY_SOCKET"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            address = "\0" + where[1:] if where.startswith("@") else where
            channel.connect(address)
            channel.send(f"READY=1\nSTATUS={'open' if opened else 'locked'}".encode())
