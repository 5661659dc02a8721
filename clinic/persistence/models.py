"""The tables. Every plain column is one that CONFIDENTIALITY ("Metadata") names; all else is sealed.

Ids are random (uuid4), days stand where a moment would tell too much. A part carries no audience and no scope:
its key id says it to whoever holds the key ring's index, and to nobody who holds only the file.
"""

from datetime import date, datetime
from uuid import UUID, uuid4

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from clinic.persistence.types import UTC


class Base(DeclarativeBase):
    """Constraints have names, so that a migration can find them again."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: UTC, bytes: LargeBinary}


class Instance(Base):
    """The one row about this clinic; `sealed` holds what nobody may change later, such as that it is a demo."""

    __tablename__ = "instance"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    sealed: Mapped[bytes]


class SystemKey(Base):
    """A key of the whole instance (`keyholder.SYSTEM_KEYS`), wrapped by the key-encryption key `kid`."""

    __tablename__ = "system_key"

    name: Mapped[str] = mapped_column(String(16), primary_key=True)
    id: Mapped[UUID] = mapped_column(unique=True, default=uuid4)
    kid: Mapped[int]
    wrapped: Mapped[bytes]


class Account(Base):
    """Somebody who signs in. `password` is an Argon2id hash over HMAC(pepper, password).

    `totp` is sealed under the account's own key, `totp_step` the last step whose code was used. `temporary`: another
    person set the password. `confirmed` is False after somebody else reset a factor: no case opens until the owner's
    recovery code or a second person confirms.
    """

    __tablename__ = "account"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    name: Mapped[str] = mapped_column(String(80), unique=True)
    display: Mapped[str] = mapped_column(String(120))
    role: Mapped[str] = mapped_column(String(16))
    password: Mapped[str] = mapped_column(String(255))
    active: Mapped[bool] = mapped_column(default=True)
    supervisor_id: Mapped[UUID | None] = mapped_column(ForeignKey("account.id"), index=True, default=None)
    totp: Mapped[bytes | None] = mapped_column(default=None)
    totp_step: Mapped[int] = mapped_column(default=0)
    temporary: Mapped[bool] = mapped_column(default=False)
    confirmed: Mapped[bool] = mapped_column(default=True)


class AccountKey(Base):
    """An account's own key, wrapped: for its TOTP secret and for what it typed while signed out."""

    __tablename__ = "account_key"

    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"), primary_key=True)
    id: Mapped[UUID] = mapped_column(unique=True, default=uuid4)
    kid: Mapped[int]
    wrapped: Mapped[bytes]


class Passkey(Base):
    """A passkey of an account: what the browser made public of it. `name` is the owner's word for it."""

    __tablename__ = "passkey"

    id: Mapped[bytes] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"), index=True)
    public_key: Mapped[bytes]
    sign_count: Mapped[int] = mapped_column(default=0)
    name: Mapped[str] = mapped_column(String(60))
    added_on: Mapped[date]


class RecoveryCode(Base):
    """A code that signs its owner in once: HMAC(pepper, code). The row goes when it is used."""

    __tablename__ = "recovery_code"

    hash: Mapped[bytes] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"), index=True)


class SignedIn(Base):
    """A session: the SHA-256 of its token, so that a copy of the database signs nobody in. `id` names it in lists.

    `stage`: password (the factor is still to come), enrol (there is no factor yet), full. `authed`: when its owner
    last proved who they are. `locked`: lock or cover. `couple_tag`: the couple view holds it to a case. A
    tag that only the keyholder makes: an id beside exact times would tell when this couple was here.
    """

    __tablename__ = "session"

    token_hash: Mapped[bytes] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(unique=True, default=uuid4)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"), index=True)
    created: Mapped[datetime]
    seen: Mapped[datetime]
    authed: Mapped[datetime]
    stage: Mapped[str] = mapped_column(String(8), default="full")
    locked: Mapped[bool] = mapped_column(default=False)
    couple_tag: Mapped[bytes | None] = mapped_column(default=None)
    kind: Mapped[str] = mapped_column(String(8), default="web")
    agent: Mapped[str] = mapped_column(String(60), default="")


class Throttle(Base):
    """Failed sign-ins by HMAC of account and address, or of the address alone."""

    __tablename__ = "throttle"

    key: Mapped[bytes] = mapped_column(primary_key=True)
    fails: Mapped[int]
    until: Mapped[datetime]


class Notice(Base):
    """Something an account must see at its next sign-in; sealed with the key `office`."""

    __tablename__ = "notice"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"), index=True)
    seen: Mapped[bool] = mapped_column(default=False)
    sealed: Mapped[bytes]


class Request(Base):
    """An act that needs a second person: what it is, of which case and why is sealed with the key `office`."""

    __tablename__ = "request"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    asked_by: Mapped[UUID] = mapped_column(ForeignKey("account.id"), index=True)
    confirmed_by: Mapped[UUID | None] = mapped_column(ForeignKey("account.id"), default=None)
    done: Mapped[bool] = mapped_column(default=False)
    ends_on: Mapped[date]
    sealed: Mapped[bytes]


class Audit(Base):
    """One line of the audit chain. `mac` covers sequence, day, sealed payload and the MAC before it."""

    __tablename__ = "audit"

    seq: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    day: Mapped[date] = mapped_column(index=True)
    sealed: Mapped[bytes]
    mac: Mapped[bytes]


class Case(Base):
    """A couple. `card` is the sealed case card: languages, paper, safe contact, ruling.

    The index is the order of every list of cases (`services.paging`).
    """

    __tablename__ = "case"
    __table_args__ = (Index(None, "counsellor_id", "archived", "touched_on", "id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    code: Mapped[str] = mapped_column(String(12), unique=True)
    counsellor_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"))
    archived: Mapped[bool] = mapped_column(default=False)
    touched_on: Mapped[date]
    rev: Mapped[int] = mapped_column(default=1)
    card: Mapped[bytes]


class Grant(Base):
    """Leave to read a case that is not one's own, until the end of a day at the latest (break-glass).

    Reason and exact end are sealed under the case's head key.
    """

    __tablename__ = "grant"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    case_id: Mapped[UUID] = mapped_column(ForeignKey("case.id"), index=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"), index=True)
    ends_on: Mapped[date]
    sealed: Mapped[bytes]


class Appointment(Base):
    """When a couple comes. `start` is plain (CONFIDENTIALITY, "Metadata"); how long and who comes is sealed.

    Sealed under the case's head key, bound to this row and this start: one that was moved by hand does not open.
    """

    __tablename__ = "appointment"
    __table_args__ = (Index(None, "case_id", "start"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    case_id: Mapped[UUID] = mapped_column(ForeignKey("case.id"))
    start: Mapped[datetime] = mapped_column(index=True)
    sealed: Mapped[bytes]


class KeyRing(Base):
    """A data key of a case, wrapped. `tag` = HMAC(index, case, scope): the scope itself is not written.

    An erased key keeps its row, so that nothing else changes, with kid 0 and nothing wrapped.
    """

    __tablename__ = "key_ring"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    case_id: Mapped[UUID] = mapped_column(ForeignKey("case.id"), index=True)
    tag: Mapped[bytes] = mapped_column(unique=True)
    kid: Mapped[int]
    wrapped: Mapped[bytes]


class DefinitionText(Base):
    """The canonical text of a definition; a record renders from the one it was sealed under, for ever.

    No other table names a definition and none refers here: that would tell which form a case has.
    """

    __tablename__ = "definition_text"
    __table_args__ = (Index(None, "id", "version"),)

    sha: Mapped[str] = mapped_column(String(64), primary_key=True)
    id: Mapped[str] = mapped_column(String(48))
    version: Mapped[int]
    json: Mapped[str]


class Record(Base):
    """A filled definition. `tag` = HMAC(index, case, definition)[:8]; `head` is sealed, `signed` freezes the parts."""

    __tablename__ = "record"
    __table_args__ = (Index(None, "case_id", "tag"), CheckConstraint("rev >= 1", name="rev"))

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    case_id: Mapped[UUID] = mapped_column(ForeignKey("case.id"))
    rev: Mapped[int] = mapped_column(default=1)
    touched_on: Mapped[date]
    tag: Mapped[bytes]
    signed: Mapped[bool] = mapped_column(default=False)
    head: Mapped[bytes]


class Part(Base):
    """The answers of a record that one key opens: sealed `{"answers": …, "raw": …}`, padded."""

    __tablename__ = "part"

    record_id: Mapped[UUID] = mapped_column(ForeignKey("record.id"), primary_key=True)
    key_id: Mapped[UUID] = mapped_column(ForeignKey("key_ring.id"), primary_key=True, index=True)
    sealed: Mapped[bytes]


class Autosave(Base):
    """What somebody typed in one tab and has not saved, sealed like a part; never a revision."""

    __tablename__ = "autosave"

    record_id: Mapped[UUID] = mapped_column(ForeignKey("record.id"), primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"), primary_key=True)
    tab: Mapped[str] = mapped_column(String(40), primary_key=True)
    key_id: Mapped[UUID] = mapped_column(ForeignKey("key_ring.id"), primary_key=True)
    base_rev: Mapped[int]
    sealed: Mapped[bytes]


class Print(Base):
    """A sheet that went out: HMAC of the code on its paper; what it was and for whom is sealed."""

    __tablename__ = "print"
    __table_args__ = (UniqueConstraint("code_tag"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    case_id: Mapped[UUID] = mapped_column(ForeignKey("case.id"), index=True)
    code_tag: Mapped[bytes]
    key_id: Mapped[UUID] = mapped_column(ForeignKey("key_ring.id"))
    sealed: Mapped[bytes]


# --------------------------------------------------------------------------- translations: no client's word is in them
class Translation(Base):
    """What a language has for a message beside its PO file. `forms` is JSON, as in `i18n.message.Entry`.

    `rev` counts the edits of this message, `v` is the count of its language when this one was made. `author_id` wrote
    the words (None: they stood in the file), `account_id` did what was done last. `cleared`: the file speaks again.
    """

    __tablename__ = "translation"
    __table_args__ = (Index(None, "locale", "v"),)

    locale: Mapped[str] = mapped_column(String(12), primary_key=True)
    domain: Mapped[str] = mapped_column(String(8), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    source: Mapped[str]
    forms: Mapped[str]
    state: Mapped[str] = mapped_column(String(12))
    rev: Mapped[int]
    v: Mapped[int]
    author_id: Mapped[UUID | None] = mapped_column(ForeignKey("account.id"))
    account_id: Mapped[UUID | None] = mapped_column(ForeignKey("account.id"))
    at: Mapped[datetime]
    cleared: Mapped[bool] = mapped_column(default=False)


class TranslationVersion(Base):
    """How often a language was edited here: what every process asks before it speaks."""

    __tablename__ = "translation_version"

    locale: Mapped[str] = mapped_column(String(12), primary_key=True)
    v: Mapped[int]


class TranslationPast(Base):
    """What a message said after each edit; revision 0 is what stood in the file. `why`: an id of a reason, or empty."""

    __tablename__ = "translation_past"
    __table_args__ = (Index(None, "locale", "domain", "key"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    locale: Mapped[str] = mapped_column(String(12))
    domain: Mapped[str] = mapped_column(String(8))
    key: Mapped[str]
    rev: Mapped[int]
    source: Mapped[str]
    forms: Mapped[str]
    state: Mapped[str] = mapped_column(String(12))
    account_id: Mapped[UUID | None] = mapped_column(ForeignKey("account.id"))
    at: Mapped[datetime]
    why: Mapped[str] = mapped_column(String(12), default="")


class TranslationComment(Base):
    """What a translator says about a message."""

    __tablename__ = "translation_comment"
    __table_args__ = (Index(None, "locale", "domain", "key"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    locale: Mapped[str] = mapped_column(String(12))
    domain: Mapped[str] = mapped_column(String(8))
    key: Mapped[str]
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"))
    at: Mapped[datetime]
    text: Mapped[str] = mapped_column(String(1000))


class TranslationWaiver(Base):
    """A warning that somebody set aside, with a reason; it holds for these very words only."""

    __tablename__ = "translation_waiver"

    locale: Mapped[str] = mapped_column(String(12), primary_key=True)
    domain: Mapped[str] = mapped_column(String(8), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    check: Mapped[str] = mapped_column(String(24), primary_key=True)
    forms_sha: Mapped[str] = mapped_column(String(64), primary_key=True)
    reason: Mapped[str] = mapped_column(String(1000))
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"))
    at: Mapped[datetime]


class TranslationRight(Base):
    """Who may work on a language; `reviews`: also on what others wrote."""

    __tablename__ = "translation_right"

    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"), primary_key=True)
    locale: Mapped[str] = mapped_column(String(12), primary_key=True)
    reviews: Mapped[bool] = mapped_column(default=False)


class TranslationProof(Base):
    """A printed proof of a handout in a language; `fingerprint` is a hash of all that was on it."""

    __tablename__ = "translation_proof"

    locale: Mapped[str] = mapped_column(String(12), primary_key=True)
    definition: Mapped[str] = mapped_column(String(48), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64), primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"), primary_key=True)
    at: Mapped[datetime]


# --------------------------------------------------------------------------- the press: packs wait for a day at most
class PressBatch(Base):
    """A pack that an account asked for. `sealed`: its slip, under the account's own key; only there it names cases.

    `state`: open, then picked. At `ends` it goes with all its items and their keys: a day after it was made, or ten
    minutes after it was collected.
    """

    __tablename__ = "press_batch"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"), index=True)
    ends: Mapped[datetime]
    state: Mapped[str] = mapped_column(String(8), default="open")
    sealed: Mapped[bytes]


class PressItem(Base):
    """One sheet of a batch, its page and then its PDF sealed under a key of its own; how it is claimed: press_queue.py.

    `n` is its place among the batch's items, `pile` the same for sheets that one child may draw. `handed`: its key,
    sealed for the other machine that claimed it.
    """

    __tablename__ = "press_item"
    __table_args__ = (UniqueConstraint("batch_id", "n"), Index(None, "state", "n"))

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    batch_id: Mapped[UUID] = mapped_column(ForeignKey("press_batch.id", ondelete="CASCADE"))
    n: Mapped[int]
    pile: Mapped[int]
    state: Mapped[str] = mapped_column(String(8), default="waiting")
    tries: Mapped[int] = mapped_column(default=0)
    token: Mapped[UUID | None] = mapped_column(default=None)
    until: Mapped[datetime | None] = mapped_column(default=None)
    worker_id: Mapped[UUID | None] = mapped_column(ForeignKey("press_worker.id"), default=None)
    handed: Mapped[bytes | None] = mapped_column(default=None)
    sealed: Mapped[bytes]
    result: Mapped[bytes | None] = mapped_column(default=None)


class PressKey(Base):
    """The key of one item, wrapped by the key-encryption key `kid`; dies with the item. No worker sees this table."""

    __tablename__ = "press_key"

    item_id: Mapped[UUID] = mapped_column(ForeignKey("press_item.id", ondelete="CASCADE"), primary_key=True)
    kid: Mapped[int]
    wrapped: Mapped[bytes]


class PressWorker(Base):
    """Another machine that draws, if `sealed` (key `office`) says the same of it. `role`: its name in PostgreSQL."""

    __tablename__ = "press_worker"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    name: Mapped[str] = mapped_column(String(80), unique=True)
    role: Mapped[str] = mapped_column(String(63), default="")
    public_key: Mapped[bytes]
    sealed: Mapped[bytes]
    revoked: Mapped[bool] = mapped_column(default=False)
    seen: Mapped[datetime | None] = mapped_column(default=None)


class PressHanded(Base):
    """An item whose key another machine was given: what was in its hands if it is stolen. Kept for 90 days."""

    __tablename__ = "press_handed"

    worker_id: Mapped[UUID] = mapped_column(ForeignKey("press_worker.id"), primary_key=True)
    item_id: Mapped[UUID] = mapped_column(primary_key=True)
    day: Mapped[date]
