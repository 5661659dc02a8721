"""What the program says about itself: one JSON object a line, of fixed fields, and never a word of anybody.

Fields: time, level, event, endpoint, status, ms, request; of an error also its type and the line of code. Messages of
other libraries and of exceptions are left out: they may hold an address, a field or an answer.
"""

import json
import logging
import secrets
import sys
import threading
import time
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, TextIO

if TYPE_CHECKING:
    from flask import Flask, Response

OURS: Final = "clinic"
# Events that we name ourselves; for every other line the name of its library stands there.
EVENTS: Final = frozenset({"request", "error", "stopped"})
FIELDS: Final = ("endpoint", "status", "ms", "request", "error", "at")
NOWHERE: Final = "?"

log = logging.getLogger(OURS)


class Lines(logging.Formatter):
    """A log record as one JSON line. Its message and arguments are not looked at."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        event = getattr(record, "event", None)
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": event if event in EVENTS else record.name.split(".")[0],
        }
        line |= {name: getattr(record, name) for name in FIELDS if hasattr(record, name)}
        if record.exc_info and record.exc_info[0] is not None:
            line |= {"error": record.exc_info[0].__name__, "at": frame(record.exc_info[2])}
        return json.dumps(line)


def frame(trace: TracebackType | None) -> str:
    """Where an exception came from: file, line and function, by the innermost frame."""
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return NOWHERE
    code = trace.tb_frame.f_code
    return f"{code.co_filename.replace(chr(92), '/').rsplit('/', 1)[-1]}:{trace.tb_lineno} {code.co_name}"


def why(error: Exception) -> str:
    """One line about what stopped a program, without the message of the error."""
    from sqlalchemy.exc import OperationalError

    line = f"stopped by {type(error).__name__} at {frame(error.__traceback__)}"
    if isinstance(error, OperationalError) and error.statement is None:  # no statement failed, but what is around it
        return f"the database cannot be reached, opened or written; try: clinic doctor ({line})"
    return line


def handler(stream: TextIO | None = None) -> logging.Handler:
    """A handler that writes such lines, to standard error unless another stream is named."""
    found = logging.StreamHandler(stream)
    found.setFormatter(Lines())
    return found


def setup(stream: TextIO | None = None) -> None:
    """Send everything that this process logs through `Lines`, uncaught exceptions of all threads too."""
    root = logging.getLogger()
    root.handlers[:] = [handler(stream)]
    root.setLevel(logging.WARNING)
    log.setLevel(logging.INFO)
    logging.raiseExceptions = False  # else a fault in logging prints what it was about to log
    sys.excepthook = _stopped
    threading.excepthook = lambda found: _stopped(found.exc_type, found.exc_value, found.exc_traceback)
    sys.unraisablehook = lambda found: _stopped(found.exc_type, found.exc_value, found.exc_traceback)


def _stopped(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    if not issubclass(kind, KeyboardInterrupt):
        log.error("stopped", extra={"event": "stopped", "error": kind.__name__, "at": frame(trace)})


# --------------------------------------------------------------------------- requests
def attach(app: "Flask") -> None:
    """One line for each request: endpoint name, status, milliseconds and a random id, never the address."""
    from flask import g, request

    app.logger.handlers.clear()
    logging.lastResort = handler()
    logging.lastResort.setLevel(logging.WARNING)

    # Before everything else that looks at a request, so that each has its id.
    def begin(*_: object) -> None:
        g.request_id, g.began = secrets.token_hex(8), time.monotonic()

    app.url_value_preprocessors.setdefault(None, []).insert(0, begin)

    @app.after_request
    def done(response: "Response") -> "Response":
        spent = round(1000 * (time.monotonic() - g.get("began", time.monotonic())))
        facts = {"endpoint": request.endpoint or NOWHERE, "status": response.status_code, "ms": spent}
        log.info("request", extra={"event": "request", **facts, "request": request_id()})
        return response


def request_id() -> str:
    """The random id of this request; people may tell it, the log has it."""
    from flask import g

    found: str = g.get("request_id", "")
    if not found:
        found = g.request_id = secrets.token_hex(8)
    return found


def error(found: BaseException) -> str:
    """Log an error nobody expected, by type and line of code; the id of its request, to show to a person."""
    where, kind, id_ = frame(found.__traceback__), type(found).__name__, request_id()
    from flask import request

    facts = {"endpoint": request.endpoint or NOWHERE, "request": id_, "error": kind, "at": where}
    log.error("incident %s: %s at %s", id_, kind, where, extra={"event": "error", **facts})
    return id_
