"""What tests of exports, erasure and backups share: a case with a canary in every scope, and a second person."""

from typing import Any

from clinic.domain.answer import Checked
from clinic.persistence import slots, vault
from clinic.services import accounts, records, second_person
from clinic.services.unit_of_work import unit_of_work
from tests.persistence.making import PASSWORD, Clinic

# One word for each scope of a meeting about both, and of what was said alone.
CANARIES = {
    "joint": "CanaryJoint",
    "a": "CanaryOfA",
    "b": "CanaryOfB",
    "staff_couple": "CanaryStaffBoth",
    "staff_a": "CanaryStaffA",
    "staff_b": "CanaryStaffB",
    "process": "CanaryProcess",
}
MEETING = {
    "words": CANARIES["joint"],
    "only_a": CANARIES["a"],
    "only_b": CANARIES["b"],
    "ours": CANARIES["staff_couple"],
    "a.about": CANARIES["staff_a"],
    "b.about": CANARIES["staff_b"],
}


def finished(clinic: Clinic, definition: str, about: Any, answers: dict[str, Any], case: str = "") -> str:
    """A signed record."""
    id_ = records.start(clinic.store, clinic.token, case or clinic.case, definition, about)
    records.finish(clinic.store, clinic.token, id_, 1, Checked(answers, {}, {}))
    return id_


def with_canaries(clinic: Clinic) -> dict[str, str]:
    """Records with every canary; their ids."""
    found = {"meeting": finished(clinic, "meeting", "couple", MEETING)}
    for about in ("a", "b"):
        wish = {"wish": CANARIES[about] + "Wish", "remark": CANARIES[f"staff_{about}"] + "Remark"}
        found[about] = finished(clinic, "wishes", about, wish)
    found["joint"] = finished(clinic, "wishes", "couple", {"wish": CANARIES["joint"] + "Wish"})
    found["diary"] = finished(clinic, "diary", "couple", {"thought": CANARIES["process"]})
    return found


def admin(clinic: Clinic, name: str = "doris") -> str:
    """The token of somebody who may confirm."""
    accounts.create_account(clinic.store, name, PASSWORD, display=name.title(), role="admin")
    return accounts.sign_in(clinic.store, name, PASSWORD)


def agreed(clinic: Clinic, kind: str, case: str = "", by: str = "", **ids: str) -> str:
    """A request of the case's counsellor that a second person confirmed."""
    id_ = second_person.ask(clinic.store, clinic.token, kind, case or clinic.case, "They asked for it.", **ids)
    second_person.confirm(clinic.store, by or admin(clinic), id_)
    return id_


def verbs(clinic: Clinic) -> list[str]:
    """The verbs of the audit, in order."""
    from sqlalchemy import select

    from clinic.persistence.models import Audit

    with unit_of_work(clinic.store, unscoped="verify") as session:
        return [one["verb"] for one in clinic.store.keyholder.audit_read(session.scalars(select(Audit)).all())]


# Made up, with its check characters.
RECOVERY = slots.new_recovery_key()


def with_recovery(clinic: Clinic) -> None:
    """Give the instance a recovery key, so that backups can be made."""
    mine = clinic.store.settings
    vault.change_slot(mine.instance, slots.by_key_file(mine.key_file), slots.by_recovery_key(RECOVERY))
