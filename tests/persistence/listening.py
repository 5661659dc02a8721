"""A keyholder behind its socket, served by a thread of the test: what the process does, with a clock of the test."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clinic.persistence import keyholder_place as place
from clinic.persistence.keyholder import Keyholder
from clinic.persistence.keyholder_client import KeyholderClient
from clinic.persistence.keyholder_process import Holder, Opened
from clinic.persistence.keyholder_server import Server


@contextmanager
def listening(holder: Holder, where: Path) -> Iterator[Server]:
    """Serve a holder at a path until the end of the block."""
    with place.listen(where) as listener:
        server = Server(listener, holder.answer)
        thread = threading.Thread(target=server.serve)
        thread.start()
        try:
            yield server
        finally:
            server.stop()
            thread.join(10)


@contextmanager
def through_socket(keyholder: Keyholder, where: Path) -> Iterator[KeyholderClient]:
    """A client of a keyholder of this process, by way of a real socket."""
    with listening(Holder(Opened(keyholder, b"", unattended=True)), where):
        client = KeyholderClient(where)
        try:
            yield client
        finally:
            client.dispose()
