"""How it goes, for the staff layer: each partner's aims over time, what both said of one step, and what stands shared.

All of it is made of more than one audience, so it stays in the staff layer; nothing of it is stored.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from clinic.domain import course, formulation
from clinic.domain.facts import Partner
from clinic.domain.homework import Gap, gaps
from clinic.persistence import audit
from clinic.persistence.store import Store
from clinic.services import records_parts as parts
from clinic.services import release, rulings
from clinic.services.homework import LOOP, of_records
from clinic.services.release import Offer, Stands
from clinic.services.unit_of_work import ident, unit_of_work


@dataclass(frozen=True)
class CoursePage:
    """`courses` by partner and aim; `offers` what of it may be let go; `gaps` steps that both rated; `stands` shared.

    `open`: whether anything may be shared today.
    """

    courses: Mapping[Partner, Mapping[str, course.Course]] = field(repr=False)
    offers: Mapping[tuple[Partner, str], Offer] = field(repr=False)
    gaps: tuple[Gap, ...] = field(repr=False)
    stands: tuple[Stands, ...] = field(repr=False)
    open: bool


def of_case(store: Store, token: str, case_id: str) -> CoursePage:
    """From every finished record that no correction has taken the place of. Raises NotFound."""
    with unit_of_work(store, token) as session:
        audit.note(session, "case.staff_view", case=case_id)
        view = store.keyholder.open(token, ident(case_id), "staff")
        every = parts.all_opened(session, view)
        opened: list[formulation.Opened] = []
        for one in release.in_force(every):
            if one.row.signed:
                answers, _ = parts.opened_parts(view, one.head, one.parts.values())
                opened.append(rulings.opened(one.definition, one.head, True, answers))
        loop = of_records([one.view(view) for one in every if one.head.definition in LOOP])
        return CoursePage(
            course.courses(opened),
            {(one.owner, one.aim): one for one in release.aims_of(view, every)},
            gaps([task for plan in loop.plans for task in plan.tasks], loop.reviews),
            tuple(reversed(release.stands(view, every))),
            release.together(store, release.card_of(session, view)),
        )
