"""What went out: a row for every sheet of a case, its code only as a tag, the rest sealed for its recipient."""

from dataclasses import dataclass
from datetime import date
from typing import Literal
from uuid import uuid4

from sqlalchemy import select

from clinic.domain.audience import RECIPIENTS, SHEETS, Recipient
from clinic.persistence.models import Print
from clinic.persistence.store import Store
from clinic.services.unit_of_work import ident, unit_of_work


@dataclass(frozen=True)
class PrintJob:
    """What to print and how. `recipient` None is a blank; `record` a signed record to print filled."""

    sheet: str
    recipient: Recipient | None = None
    locale: str = "en"
    beside: str = ""
    paper: Literal["a4", "letter"] = "a4"
    large: bool = False
    ink: Literal["full", "saver"] = "full"
    draft: bool = False
    record: str = ""

    @property
    def tags(self) -> tuple[str, ...]:
        """One language, or two side by side."""
        return (self.locale, self.beside) if self.beside and self.beside != self.locale else (self.locale,)


def note(store: Store, token: str, case_id: str, code: str, job: PrintJob) -> None:
    """Store that a sheet was printed, before its bytes are handed over. Raises Refused if the gate closed since."""
    if job.recipient is None:
        raise ValueError("a blank belongs to no case")
    scope = job.recipient
    with unit_of_work(store, write=True) as session:
        record = ident(job.record) if job.record else None
        view = store.keyholder.open(token, ident(case_id), SHEETS[scope], job.sheet, scope, record)
        print_id = uuid4()
        content = {
            "sheet": job.sheet,
            "locales": list(job.tags),
            "paper": job.paper,
            "large": job.large,
            "draft": job.draft,
            "record": job.record,
            "code": code,
            "day": store.today().isoformat(),
        }
        key_id, sealed = view.seal_print(print_id, scope, content)
        tag = store.keyholder.code_tag(code)
        session.add(Print(id=print_id, case_id=view.case_id, code_tag=tag, key_id=key_id, sealed=sealed))


def given(store: Store, token: str, case_id: str) -> list[tuple[Recipient, str, date]]:
    """What went out for a case so far: recipient, sheet, day. For the staff layer; the map reads it."""
    with unit_of_work(store) as session:
        view = store.keyholder.open(token, ident(case_id), "staff")
        found = []
        for row in session.scalars(select(Print).where(Print.case_id == view.case_id)):
            scope = view.scope_of(row.key_id)
            if scope in RECIPIENTS:
                content = view.open_print(row)
                found.append((scope, str(content["sheet"]), date.fromisoformat(content["day"])))
        return sorted(found, key=lambda one: one[2])
