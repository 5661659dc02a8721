"""Who may work on which language: given by an admin, for each account and language apart."""

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from clinic.domain import roles
from clinic.domain.errors import Invalid, NotFound
from clinic.i18n.locales import NAMES, SOURCE
from clinic.persistence import audit
from clinic.persistence.keyholder import Who
from clinic.persistence.models import Account, TranslationRight
from clinic.persistence.store import Store
from clinic.services import second_person, team
from clinic.services.unit_of_work import ident, unit_of_work


def may(session: Session, account: UUID, role: str, tag: str, reviews: bool = False) -> bool:
    """Whether an account in this role works on a language, or reviews in it."""
    row = session.get(TranslationRight, (account, tag))
    return roles.rights(role).translates and row is not None and (row.reviews or not reviews)


def rights(store: Store, token: str) -> Mapping[str, bool]:
    """The languages that this account works on, and whether it reviews there too. Raises SignIn, Locked."""
    who = store.keyholder.who(token)
    with unit_of_work(store, token) as session:
        return held(session, who)


def held(session: Session, who: Who) -> Mapping[str, bool]:
    """The same in an open unit."""
    return _of(session, who.account) if roles.rights(who.role).translates else {}


def rights_of(store: Store, token: str, account_id: str) -> Mapping[str, bool]:
    """The same of any account, for an admin. Raises Denied, NotFound."""
    one = team.member(store, token, account_id)
    with unit_of_work(store, token) as session:
        return _of(session, ident(one.id))


def grant(store: Store, token: str, account_id: str, tag: str, reviews: bool = False) -> None:
    """Let an account work on a language, or change whether it reviews. Raises StepUp, Denied, NotFound, Invalid."""
    change(store, token, account_id, {tag: reviews})


def revoke(store: Store, token: str, account_id: str, tag: str) -> None:
    """Take a language away from an account; what it wrote stays. Raises StepUp, Denied."""
    change(store, token, account_id, {tag: None})


def change(store: Store, token: str, account_id: str, wanted: Mapping[str, bool | None]) -> None:
    """Several languages at once: whether the account reviews there, None to take it away. What it has stays as it is.

    Raises StepUp, Denied, NotFound, Invalid (no language, or a role that translates nothing).
    """
    who = team.admin_now(store, token)
    if not wanted.keys() <= NAMES.keys() - {SOURCE}:
        raise Invalid({"locale": "not_an_option"})
    with unit_of_work(store, token, write=True) as session:
        second_person.must_be_confirmed(session, who)
        account = session.get(Account, ident(account_id))
        if account is None:
            raise NotFound
        if not roles.rights(account.role).translates and any(one is not None for one in wanted.values()):
            raise Invalid({"locale": "not_an_option"})
        have = _of(session, account.id)
        for tag, reviews in wanted.items():
            if reviews is None and tag in have:
                audit.note(session, "translation.revoked", account=account.id, locale=tag)
                session.delete(session.get_one(TranslationRight, (account.id, tag)))
            elif reviews is not None and have.get(tag) is not reviews:
                kind = "reviews" if reviews else "translates"
                audit.note(session, "translation.granted", account=account.id, locale=tag, kind=kind)
                session.merge(TranslationRight(account_id=account.id, locale=tag, reviews=reviews))


def _of(session: Session, account: UUID) -> dict[str, bool]:
    columns = (TranslationRight.locale, TranslationRight.reviews)
    found = session.execute(select(*columns).where(TranslationRight.account_id == account)).all()
    return {tag: reviews for tag, reviews in sorted(found) if tag in NAMES}
