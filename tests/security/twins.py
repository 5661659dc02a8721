"""Twin cases: the same words of A and of both, in everything that is B's and the staff's they differ."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from clinic.domain.answer import Checked
from clinic.domain.audience import About, Recipient
from clinic.persistence.store import Store
from clinic.services import cases, choices, records
from clinic.services.cases import PartnerCard
from clinic.services.definitions import definitions
from tests.filling import filled

SECRET = "ZQtwinQZ"  # in every text of B and of the staff, with the name of the twin
Answers = dict[str, Any]


@dataclass(frozen=True)
class Twin:
    """How a case differs from its twin: what was seen of each, what was asked, what was decided."""

    name: str
    seen: Mapping[str, list[dict[str, Any]]] = field(default_factory=dict)  # a, b -> rows
    asked: Answers = field(default_factory=dict)
    today: tuple[str, ...] = ()
    alone: str = "yes"  # whether B was seen alone
    fear: str = "no"
    review: str = "done"
    decision: str = "full"
    sources: tuple[str, ...] = ()
    chosen: tuple[tuple[Recipient, str, str], ...] = ()  # on the map: for whom, which sheet, confirmed or declined


YES: Answers = {"a.intimate": "yes", "b.intimate": "yes"}


def row(id_: str, intensity: int, by: str = "counsellor") -> dict[str, Any]:
    """One signal."""
    return {"id": id_, "intensity": intensity, "seen_by": by}


CALM = {"b": [row("withdrawal", 1)]}
OPEN = Twin("open", CALM)
OTHER = Twin(
    "other",
    {"b": [row("outside_stress", 1), row("clinginess", 2)]},
    {"b.said_alone": "quite different"},
    chosen=(
        ("a", "the_wave", "declined"),
        ("b", "secure_base", "declined"),
        ("b", "the_wave", "confirmed"),
        ("joint", "our_cycle", "declined"),
        ("joint", "support_menu", "confirmed"),
    ),
)
# One for every cause that closes something (CLINICAL_RULES D).
CLOSED = (
    Twin("hold", CALM, decision="hold"),
    Twin("light", CALM, decision="light"),
    Twin("not_decided", CALM, decision="not_decided"),
    Twin("not_alone", CALM, alone="no"),
    Twin("red", CALM, fear="yes"),
    Twin("pressure", CALM, sources=("fear_or_pressure",)),
    Twin("R1", {"a": [row("jealousy", 3)], "b": [row("withdrawal", 3)]}),
    Twin("R2", {"b": [row("placating_sex", 1)]}),
    Twin("R3", {"b": [row("negative_self_talk", 3)]}),
    Twin("R4", {"b": [row("relationship_doubts", 3)]}),
    Twin("R5", {"b": [row("jealousy", 2)]}),
    Twin("R6", {"b": [row("validation_seeking", 3), row("anxiety_worry", 3)]}),
    Twin("R7", {"b": [row("performance_worry", 2)]}),
    Twin("R8", {"b": [row("clinginess", 2, "partner")]}),
    Twin("R9", CALM, review="worse"),
    Twin("R10", CALM, today=("drunk",)),
)
OF_A = ("partner_intake", "check_in", "whats_underneath", "the_wave")
OF_BOTH = ("intake", "our_cycle", "support_menu")


def make(store: Store, token: str, twin: Twin) -> str:
    """A case with the same list of records on the same days, whatever the twin."""
    card = {"a": PartnerCard(safe_paper="in a bag"), "b": PartnerCard(needs=SECRET + twin.name, safe_paper=twin.name)}
    case = cases.open_case(store, token, card)
    today = store.today()
    day, before = {"day": today.isoformat()}, today - timedelta(5)
    word = {"joint": "both said", "a": "A alone said", "b": SECRET + twin.name}

    def finish(definition: str, about: About, answers: Answers | None = None, held: date | None = None) -> None:
        made = answers
        if made is None:
            made = filled(definitions()[definition], about, lambda scope: word.get(scope, SECRET + twin.name))
        id_ = records.start(store, token, case, definition, about, held)
        records.finish(store, token, id_, 1, Checked(made, {}, {}))

    finish("consent_and_secrets_policy", "couple", held=before)
    for definition in OF_A:
        finish(definition, "a")
    for who, alone, fear in (("a", "yes", "no"), ("b", twin.alone, twin.fear)):
        screen = {"held": {"day": before.isoformat()}, "conditions": alone, "fear": fear}
        finish("safety_screening", who, screen, before)  # type: ignore[arg-type]
    seen = {f"{who}.observed": rows for who, rows in twin.seen.items()}
    basics = {"held": day, "present": ["partner_a"], "format": "dap", "today": list(twin.today), **YES}
    finish("session", "couple", {name: one for name, one in (basics | seen | twin.asked).items() if one})
    sources = {"b.sources": [{"id": one, "mark": 2} for one in twin.sources]} if twin.sources else {}
    reason = {"level_reason": SECRET + twin.name} if twin.decision != "not_decided" else {}
    finish("map", "couple", {"cycle": {"a_does": "both said"}, "decision": twin.decision, **reason, **sources})
    for definition in OF_BOTH:
        finish(definition, "couple")
    finish("homework_review", "b", {"first": twin.review})
    words = SECRET + twin.name
    for to, sheet, verdict in twin.chosen:
        choices.choose(store, token, case, to, sheet, verdict, words, words, words)
    return case
