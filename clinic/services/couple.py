"""What both partners may look at together: the joint answers of finished records, and nothing that tells of others."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from sqlalchemy import select

from clinic.domain import release
from clinic.domain.answer import shown
from clinic.domain.definition import SILENT, Definition, Placed, Text
from clinic.persistence import audit, texts
from clinic.persistence.models import Case, Part
from clinic.persistence.store import Store
from clinic.services import records, wordings
from clinic.services import records_parts as parts
from clinic.services import release as releases
from clinic.services.unit_of_work import ident, unit_of_work

# Their title names what the counsellor does: the section that both may read speaks for itself.
STAFF_KINDS: Final = frozenset({"session", "map", "screening", "note"})
CYCLE: Final = "cycle"
READ_WHOLE: Final = frozenset({"agreement"})  # its sentences are shown too, not only the answers


@dataclass(frozen=True)
class Shared:
    """One joint page: its title, day, blocks and answers. `locale`: the language of a wording that was sealed."""

    title: Text
    day: date
    blocks: tuple[tuple[Placed, Any], ...] = field(repr=False)
    locale: str = ""


@dataclass(frozen=True)
class CoupleView:
    """The couple view of a case: pages of one title together, the newest first."""

    id: str
    code: str
    groups: tuple[tuple[Shared, ...], ...] = field(repr=False)
    released: release.Shared = field(repr=False)  # what each gave to both


def couple_view(store: Store, token: str, case_id: str) -> CoupleView:
    """Made with the joint key alone. Raises NotFound."""
    with unit_of_work(store, token, couple=ident(case_id)) as session:
        view = store.keyholder.open(token, ident(case_id), "couple")
        audit.note(session, "case.couple_view", case=view.case_id)
        found: list[Shared] = []
        newest = sorted(records.standing(view.heads), key=lambda one: (one.held_on, one.created), reverse=True)
        for head in newest:
            mine = select(Part).where(Part.record_id == head.record, Part.key_id.in_(view.key_ids))
            rows = session.scalars(mine).all()
            answers, _ = parts.opened_parts(view, head, rows)
            if not answers:  # a part is there for every record, answered or not: it says nothing
                continue
            if head.definition == release.RELEASED:
                continue
            wording = wordings.of_parts(view, head, rows)
            definition = wording.of(texts.read(session, head.sha))
            day = date.fromisoformat(head.held_on)
            placed = [one for one in shown(definition, head.about, answers) if one.scope == "joint"]
            found += _shared(definition, placed, answers, day, wording.locale)
        code = session.get_one(Case, view.case_id).code
        given = release.shared(release.values(releases.read(session, view)))
        return CoupleView(str(view.case_id), code, _groups(found), given)


def _shared(
    definition: Definition, placed: Iterable[Placed], answers: dict[str, Any], day: date, locale: str
) -> list[Shared]:
    whole = definition.kind in READ_WHOLE
    found: dict[str, tuple[Text, list[tuple[Placed, Any]]]] = {}
    for one in placed:
        if one.name in answers or (whole and one.block.kind in SILENT and one.block.kind != "signature"):
            staff = definition.kind in STAFF_KINDS
            title = one.section.title if staff else definition.title
            group = one.section.id if staff else ""
            found.setdefault(group, (title, []))[1].append((one, answers.get(one.name)))
    return [Shared(title, day, tuple(_one_loop(blocks)), locale) for title, blocks in found.values()]


def _one_loop(blocks: list[tuple[Placed, Any]]) -> Iterator[tuple[Placed, Any]]:
    """A cycle asked for in several questions is drawn once, where the first stands; a diagram draws itself."""
    asked = [one for one in blocks if one[0].block.feeds == CYCLE and one[0].block.kind != "diagram"]
    loop = {node: words for _, answer in asked for node, words in answer.items()}
    drawn = False
    for placed, answer in blocks:
        if placed.block.feeds != CYCLE or placed.block.kind == "diagram":
            yield placed, answer
        elif not drawn:
            drawn = True
            yield placed, loop


def _groups(found: list[Shared]) -> tuple[tuple[Shared, ...], ...]:
    """Pages of one title together, in the order in which they came."""
    groups: dict[str, list[Shared]] = {}
    for one in found:
        groups.setdefault(one.title.key if one.title.key != "said" else one.title.en, []).append(one)
    return tuple(tuple(one) for one in groups.values())
