"""What travels between the keyholder's process and the others: frames of JSON, at most 8 MiB. No pickle.

JSON has neither bytes nor ids nor days; what is none of its own kinds is an object with one letter as its name.
Rows and classes that may travel are listed here; anything else is refused on both sides.
"""

import base64
import json
import socket
import struct
from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from clinic.domain import errors
from clinic.persistence.keyview import Given, Head, NotYours, Who
from clinic.persistence.models import AccountKey, Audit, Base, KeyRing, PressKey
from clinic.persistence.sealing import Damaged

LIMIT: Final = 8 * 1024 * 1024  # bytes of a frame
SIZE: Final = struct.Struct(">I")

_CLASSES: Final[dict[str, type]] = {one.__name__: one for one in (Given, Head, Who)}
_ROWS: Final[dict[str, type[Base]]] = {one.__tablename__: one for one in (AccountKey, Audit, KeyRing, PressKey)}
# What a call may raise on the other side, by name. None of them carries more than its parameters.
_ERRORS: Final[dict[str, type[Exception]]] = {
    one.__name__: one
    for one in (
        Damaged, NotYours, errors.Denied, errors.Locked, errors.NotFound, errors.Refused, errors.SecondPerson,
        errors.SignIn, errors.StepUp, errors.Usage, errors.VaultLocked,
    )
}  # fmt: skip
_PARAMETER: Final = {"VaultLocked": "reason", "Usage": "problem"}


class Broken(ValueError):
    """A frame that is too long, is no JSON, or holds what may not travel."""


class Failed(RuntimeError):
    """The keyholder met an error of its own: the name of its class, never its message."""


def pack(value: Any) -> bytes:
    """A value as a frame. Raises Broken."""
    try:
        text = json.dumps(_out(value), separators=(",", ":"), allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as problem:
        raise Broken(type(problem).__name__) from None
    if len(text) > LIMIT:
        raise Broken("too long")
    return SIZE.pack(len(text)) + text


def unpack(text: bytes) -> Any:
    """The value of a frame, without its length. Raises Broken."""
    try:
        return _in(json.loads(text))
    except (ValueError, TypeError, KeyError, LookupError, RecursionError, AttributeError) as problem:
        raise Broken(type(problem).__name__) from None


def receive(channel: socket.socket) -> Any:
    """The value of the next frame. Raises OSError (the other side is gone, or too slow), Broken."""
    (size,) = SIZE.unpack(_exactly(channel, SIZE.size))
    if size > LIMIT:
        raise Broken("too long")
    return unpack(_exactly(channel, size))


def failure(error: Exception) -> dict[str, Any]:
    """An error as a reply: class and parameter of one that may travel, else the bare name of its class."""
    name = type(error).__name__
    if _ERRORS.get(name) is not type(error):
        return {"failed": name}
    return {"error": name, "with": getattr(error, "params", {}).get(_PARAMETER.get(name, ""), "")}


def result(reply: Any) -> Any:
    """What a reply holds, or the error it tells of, raised here. Raises Failed, Broken too."""
    if not isinstance(reply, dict):
        raise Broken("no reply")
    if "is" in reply:
        return reply["is"]
    name = str(reply.get("error", ""))
    if name not in _ERRORS:
        raise Failed(str(reply.get("failed", "unknown")))
    raise _ERRORS[name](str(reply.get("with", ""))) if name in _PARAMETER else _ERRORS[name]()


def _exactly(channel: socket.socket, size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        part = channel.recv(min(size - len(parts), 1 << 20))
        if not part:
            raise ConnectionResetError
        parts += part
    return bytes(parts)


def _out(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    for kinds, turned in _TURNED:
        if isinstance(value, kinds):
            return turned(value)
    raise TypeError


def _of_class(value: Any) -> dict[str, Any]:
    # Field by field: dataclasses.asdict would go into what is inside.
    held = {one.name: _out(getattr(value, one.name)) for one in fields(value)}
    return {"o": [type(value).__name__, held]}


def _of_row(value: Base) -> dict[str, Any]:
    held = {column.key: _out(getattr(value, column.key)) for column in value.__table__.columns}
    return {"r": [value.__tablename__, held]}


# In this order: a datetime is a date too.
_TURNED: Final[tuple[tuple[type | tuple[type, ...], Callable[[Any], Any]], ...]] = (
    (bytes, lambda value: {"b": base64.b64encode(value).decode()}),
    (UUID, lambda value: {"u": value.hex}),
    (datetime, lambda value: {"t": value.isoformat()}),
    (date, lambda value: {"d": value.isoformat()}),
    ((list, tuple), lambda value: [_out(one) for one in value]),
    (frozenset, lambda value: {"s": [_out(one) for one in value]}),
    (Mapping, lambda value: {"m": [[_out(key), _out(one)] for key, one in value.items()]}),
    (tuple(_CLASSES.values()), _of_class),
    (tuple(_ROWS.values()), _of_row),
)

_BACK: Final[dict[str, Callable[[Any], Any]]] = {
    "b": lambda held: base64.b64decode(held, validate=True),
    "u": UUID,
    "t": datetime.fromisoformat,
    "d": date.fromisoformat,
    "s": lambda held: frozenset(_in(held)),
    "m": lambda held: {_in(key): _in(one) for key, one in held},
    "o": lambda held: _CLASSES[held[0]](**{name: _in(one) for name, one in held[1].items()}),
    "r": lambda held: _ROWS[held[0]](**{name: _in(one) for name, one in held[1].items()}),
}


def _in(value: Any) -> Any:
    if type(value) is str:  # most of them
        return value
    if isinstance(value, list):
        return [_in(one) for one in value]
    if isinstance(value, dict):
        ((letter, held),) = value.items()
        return _BACK[letter](held)
    return value
