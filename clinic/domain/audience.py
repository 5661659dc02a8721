"""Who an answer belongs to, under which key it is sealed, and which keys a purpose opens.

Two labels: *about* (couple, a, b) says whom a record concerns, *audience* says who may read an answer.
Together they give a *scope*, the name of a key: joint, a, b, staff_couple, staff_a, staff_b or process.
"""

from typing import Final, Literal

About = Literal["couple", "a", "b"]
Audience = Literal["joint", "a", "b", "staff", "recipient"]
Recipient = Literal["joint", "a", "b"]
Scope = Literal["head", "joint", "a", "b", "staff_couple", "staff_a", "staff_b", "process"]
Purpose = Literal[
    "list", "case", "staff", "couple", "sheet:joint", "sheet:a", "sheet:b",
    "export:a", "export:b", "export:joint", "export:staff_a", "export:staff_b", "export:file", "erase",
]  # fmt: skip

ABOUTS: Final[tuple[About, ...]] = ("couple", "a", "b")
RECIPIENTS: Final[tuple[Recipient, ...]] = ("joint", "a", "b")
# Every scope a case has a key for. `process` is one key per author, made when first needed.
CASE_SCOPES: Final[tuple[Scope, ...]] = ("head", "joint", "a", "b", "staff_couple", "staff_a", "staff_b")

# CONFIDENTIALITY, "Views": what each purpose may open; nothing else exists for it.
VIEWS: Final[dict[Purpose, frozenset[Scope]]] = {
    "list": frozenset({"head"}),
    "case": frozenset({"head", "joint"}),
    "staff": frozenset({*CASE_SCOPES, "process"}),
    "couple": frozenset({"joint"}),
    "sheet:joint": frozenset({"joint"}),
    "sheet:a": frozenset({"joint", "a"}),
    "sheet:b": frozenset({"joint", "b"}),
    "export:a": frozenset({"a"}),
    "export:b": frozenset({"b"}),
    "export:joint": frozenset({"joint"}),
    "export:staff_a": frozenset({"staff_a"}),
    "export:staff_b": frozenset({"staff_b"}),
    "export:file": frozenset({*CASE_SCOPES, "process"}),
    "erase": frozenset({*CASE_SCOPES, "process"}),
}

# These open nothing without a proof of identity of the last five minutes.
STEPPED_UP: Final[frozenset[Purpose]] = frozenset({one for one in VIEWS if one.startswith("export:")} | {"erase"})
# These open nothing before somebody else agreed to exactly this: the kind of request that says so.
TWO_PEOPLE: Final[dict[Purpose, str]] = {
    "export:file": "export_file",
    "export:staff_a": "staff_export",
    "export:staff_b": "staff_export",
    "erase": "erase",
}
# These get the heads of the records they reach from the keyholder, and the head key itself never.
REACHED: Final[frozenset[Purpose]] = frozenset(one for one, scopes in VIEWS.items() if "head" not in scopes)
# Nothing is ever sealed under these.
READ_ONLY: Final[frozenset[Purpose]] = frozenset(one for one in VIEWS if one in ("list", "couple") or "export:" in one)

# The purpose of a sheet, by its reader.
SHEETS: Final[dict[Recipient, Purpose]] = {"joint": "sheet:joint", "a": "sheet:a", "b": "sheet:b"}

# The one flow rule (DECISIONS D1): what an answer of one audience may decide or fill.
FLOWS: Final[dict[Audience, frozenset[Audience]]] = {
    "joint": frozenset({"joint", "a", "b", "staff", "recipient"}),
    "a": frozenset({"a", "staff"}),
    "b": frozenset({"b", "staff"}),
    "staff": frozenset({"staff"}),
    "recipient": frozenset({"recipient", "staff"}),
}


def scope_of(audience: Audience, about: About, private: bool = False) -> Scope:
    """The key an answer is sealed under: `recipient` and `staff` resolve by whom it is about."""
    if private:
        return "process"
    if audience == "recipient":
        return "joint" if about == "couple" else about
    if audience == "staff":
        return "staff_couple" if about == "couple" else "staff_a" if about == "a" else "staff_b"
    return audience


def about_of(recipient: Recipient) -> About:
    """Whom a sheet for this recipient is about."""
    return "couple" if recipient == "joint" else recipient


def readable(recipient: Recipient) -> frozenset[Scope]:
    """The scopes that may stand on this recipient's paper."""
    return VIEWS[SHEETS[recipient]]
