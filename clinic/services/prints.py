"""What went out: a row for every sheet of a case, its code only as a tag, the rest sealed for its recipient."""

from uuid import uuid4

from clinic.persistence.models import Print
from clinic.persistence.store import Store
from clinic.services.print_sheet import PrintJob
from clinic.services.unit_of_work import ident, unit_of_work


def note(store: Store, token: str, case_id: str, code: str, job: PrintJob) -> None:
    """Store that a sheet was printed, before its bytes are handed over. Raises Refused if the gate closed since."""
    if job.recipient is None:
        raise ValueError("a blank belongs to no case")
    scope = job.recipient
    with unit_of_work(store, write=True) as session:
        record = ident(job.record) if job.record else None
        view = store.keyholder.open(
            token, ident(case_id), f"sheet:{scope}", job.sheet, scope, record  # type: ignore[arg-type]
        )
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
