"""Every error a person can see: one base, a message id, parameters that never hold an answer."""

from collections.abc import Mapping

# English is the source; the web translates by message id (context `error.<id>`).
MESSAGES = {
    "definition": "{file}{place}: {problem}",
    "invalid": "Some answers need another look.",
    "not_found": "There is nothing here that you can open.",
    "denied": "Your role may not do this.",
    "sign_in": "Please sign in.",
    "locked": "This screen is locked. What you typed is kept.",
    "step_up": "Prove once more that it is you, then go on.",
    "second_person": "A second person has to agree first.",
    "conflict": "Somebody saved this form since you opened it. Nothing is lost: choose what to keep.",
    "refused": "This sheet cannot be printed now. The reason is in the staff layer.",
    "unseen": "Something changed since you looked. Read again what leaves the room, then print.",
    "pack_full": "A pack holds at most {most} sheets, and this one is too big. Make two packs. Nothing was printed.",
    "packs_waiting": "You have {most} packs already. Print or delete one under Day, Packs. Nothing was printed.",
    "pack_empty": "Nothing is chosen. Tick at least one sheet.",
    "refused_locale": "{sheet} is not ready in {locale}: {reason}",
    "refused_blank": "{sheet} has no blank paper version.",
    "refused_recipient": "{sheet} does not print for this recipient.",
    "guarded": "This sentence is changed in its file only.",
    "own_words": "Somebody else has to review what you wrote.",
    "refused_glyph": "No font on this machine has the character {character} (in {block}). Change it, then print.",
    "fonts_missing": "The fonts for {locale} are not installed. Run: {command}",
    "too_large": "This is more than can be sent at once (4 MB). Nothing was stored.",
    "too_many": "Too many tries. Wait a minute, then try again.",
    "press": "The page could not be drawn ({kind}).",
    "vault_locked": "The records are locked: {reason}",
    "store_full": "The disk is full. Nothing was stored.",
    "busy": "The store is busy. Try again in a moment.",
    "stale_page": "This page is older than your sign-in. Go back, reload it, and send it again.",
    "bad_request": "The browser sent something this page does not understand.",
    "upload": "This file is not taken.",
    "unexpected": "Something went wrong here. What you saved is safe. Incident {incident}.",
    "usage": "{problem}",
}


class ClinicError(Exception):
    """Base of all errors shown to people.

    `message_id` names a sentence of `MESSAGES`; `params` fill its placeholders and never hold an answer.
    `http` and `exit` are the status and exit code of DECISIONS D8.
    """

    http, exit = 500, 1

    def __init__(self, message_id: str, **params: object) -> None:
        super().__init__(message_id)
        self.message_id, self.params = message_id, params

    def __str__(self) -> str:
        text = MESSAGES.get(self.message_id, self.message_id)
        for name, value in self.params.items():
            text = text.replace("{" + name + "}", str(value))
        return text


class DefinitionError(ClinicError):
    """A definition file that breaks the grammar; names file, section and block."""

    http = 422

    def __init__(self, problem: str, file: str, section: str = "", block: str = "") -> None:
        where = [f"section {section}" if section else "", f"block {block}" if block else ""]
        place = "".join(f", {part}" for part in where if part)
        super().__init__("definition", file=file, place=place, problem=problem)
        self.problem, self.file, self.section, self.block = problem, file, section, block


class Invalid(ClinicError):
    """Answers that cannot be accepted: `fields` maps a field path to a message id (never to the answer)."""

    http = 422

    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__("invalid")
        self.fields = dict(fields)


class NotFound(ClinicError):
    """Unknown or foreign: both answer alike."""

    http = 404

    def __init__(self) -> None:
        super().__init__("not_found")


class Denied(ClinicError):
    """A role that may never do this."""

    http = 403

    def __init__(self) -> None:
        super().__init__("denied")


class SignIn(ClinicError):
    """No valid session."""

    http = 401

    def __init__(self) -> None:
        super().__init__("sign_in")


class Locked(ClinicError):
    """A live session behind lock, cover or the couple view: nothing is shown until its owner proves who they are."""

    http = 423

    def __init__(self) -> None:
        super().__init__("locked")


class StepUp(ClinicError):
    """An act that needs a fresh proof of identity, at most five minutes old."""

    http = 401

    def __init__(self) -> None:
        super().__init__("step_up")


class SecondPerson(ClinicError):
    """An act that somebody else has to confirm first."""

    http = 403

    def __init__(self) -> None:
        super().__init__("second_person")


class Conflict(ClinicError):
    """The record moved on since the form was opened."""

    http = 409

    def __init__(self) -> None:
        super().__init__("conflict")


class Refused(ClinicError):
    """A print that may not happen now. With a case: one constant line, whatever the cause."""

    http = 409

    def __init__(self, message_id: str = "refused", **params: object) -> None:
        super().__init__(message_id, **params)


class Unprintable(ClinicError):
    """A character that no font has, with the block where it stands."""

    http = 422

    def __init__(self, character: str, block: str) -> None:
        super().__init__("refused_glyph", character=f"U+{ord(character):04X}", block=block)


class TooMany(ClinicError):
    """The throttle."""

    http = 429

    def __init__(self) -> None:
        super().__init__("too_many")


class VaultLocked(ClinicError):
    """No key, a wrong key, or a key file that others can read."""

    http = 503

    def __init__(self, reason: str) -> None:
        super().__init__("vault_locked", reason=reason)


class Usage(ClinicError):
    """Wrong arguments on the command line."""

    exit = 2

    def __init__(self, problem: str) -> None:
        super().__init__("usage", problem=problem)
