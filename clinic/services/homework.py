"""The homework loop of a case: its plans, what each partner said of them, the taps of a session, the next plan.

All of it is for the staff layer: it is read with the staff view and made of more than one partner's answers. What a
tap says is stored as a review about that partner, in a part that only their own paper can open; a next plan gets
words of its own plan and of the library, never a reason and never a word of a review.

Taps become draft reviews as they are made and are finished with the session note: until then a slip is mended by
tapping again, and a draft already lowers what may be printed (rule R9 does not wait for anybody to finish a note).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Final

from clinic.domain import homework as domain
from clinic.domain.answer import Answers, Checked, read_form
from clinic.domain.audience import About, Recipient
from clinic.domain.definition import Text
from clinic.domain.errors import Conflict, Invalid, NotFound
from clinic.domain.facts import PARTNERS, Partner
from clinic.domain.formulation import facts
from clinic.domain.homework import PLAN, REVIEW, STEPS, Proposal, Review, Task
from clinic.domain.library import Entry
from clinic.domain.rules import EVERY, Verdict, judge
from clinic.domain.ruling import Ruling, gate, level_on
from clinic.i18n.catalogue import Catalogue
from clinic.i18n.locales import SOURCE
from clinic.i18n.message import STATES
from clinic.persistence import audit
from clinic.persistence.store import Store
from clinic.services import records, spoken
from clinic.services import records_parts as parts
from clinic.services.cases import CasePage
from clinic.services.definitions import library
from clinic.services.readiness import LEAST
from clinic.services.shelf import on_shelf, tables_of
from clinic.services.unit_of_work import ident, unit_of_work

NEVER_HOMEWORK: Final = "forgiveness"  # CLINICAL_RULES A: a free choice of the hurt one, never homework
MOST: Final = len(STEPS)
LOOP: Final = frozenset({PLAN, REVIEW})
Form = Mapping[str, Sequence[str]]


# --------------------------------------------------------------------------- what there is
@dataclass(frozen=True)
class Plan:
    """One plan. `olds` are the ids it had before it was corrected: a review of one of them is a review of it."""

    id: str
    about: About
    day: date
    signed: bool
    tasks: tuple[Task, ...]
    case_id: str
    olds: frozenset[str] = frozenset()

    def of(self, partner: Partner) -> tuple[Task, ...]:
        """The steps that are this partner's, but those they did not want."""
        return tuple(one for one in self.tasks if partner in one.who and partner not in one.unwanted)

    @property
    def partners(self) -> tuple[Partner, ...]:
        """Who has a step in it."""
        return tuple(one for one in PARTNERS if self.of(one))


@dataclass(frozen=True)
class Loop:
    """All plans (finished ones oldest first) and reviews of a case; ids of reviews by plan and partner."""

    plans: tuple[Plan, ...]
    drafts: tuple[Plan, ...]
    reviews: tuple[Review, ...]
    finished: Mapping[tuple[str, Partner], str] = field(default_factory=dict)
    begun: Mapping[tuple[str, Partner], str] = field(default_factory=dict)

    def newest(self, about: About, before: date | None = None) -> Plan | None:
        """The newest finished plan of somebody, made before a day if one is given."""
        found = [one for one in self.plans if one.about == about and (before is None or one.day < before)]
        return found[-1] if found else None

    def running(self) -> tuple[Plan, ...]:
        """The newest plan of each: for both, of A, of B."""
        abouts: tuple[About, ...] = ("couple", *PARTNERS)
        return tuple(plan for about in abouts if (plan := self.newest(about)))

    def said(self, plan: Plan) -> tuple[Review, ...]:
        """What was said of a plan, finished reviews only."""
        return tuple(one for one in self.reviews if one.plan == plan.id)


def loop(store: Store, token: str, case_id: str) -> Loop:
    """The plans and reviews of a case. For the staff layer. Raises NotFound."""
    with unit_of_work(store, token) as session:
        audit.note(session, "case.staff_view", case=case_id)
        view = store.keyholder.open(token, ident(case_id), "staff")
        found = [one.view(view) for one in parts.all_opened(session, view, LOOP)]
    return of_records(found)


def of_records(found: Sequence[records.RecordView]) -> Loop:
    """The loop of a case's records, of all or of those in `LOOP`; plans in the order of `found`: as held and begun."""
    gone = {one.supersedes for one in found if one.signed and one.supersedes}
    now = [one for one in found if one.id not in gone]
    olds = _olds(found)
    plans = [_plan(one, olds) for one in now if one.definition.kind == "homework" and one.definition.id == PLAN]
    done = tuple(one for one in plans if one.signed)
    reviews: list[Review] = []
    ids: dict[bool, dict[tuple[str, Partner], str]] = {True: {}, False: {}}
    for one in now:
        partner = one.about
        if one.definition.id != REVIEW or partner == "couple":
            continue
        of = _reviewed(one, done, olds)
        ids[one.signed][of, partner] = one.id
        if one.signed:
            reviews += domain.reviews(one.definition, partner, one.answers, of, one.held_on)
    drafts = tuple(one for one in plans if not one.signed)
    return Loop(done, drafts, tuple(reviews), ids[True], ids[False])


def _plan(one: records.RecordView, olds: Mapping[str, str]) -> Plan:
    steps = domain.tasks(one.definition, one.about, one.answers, one.id, one.held_on)
    mine = frozenset(old for old, new in olds.items() if new == one.id)
    return Plan(one.id, one.about, one.held_on, one.signed, steps, one.case_id, mine)


def _olds(found: Iterable[records.RecordView]) -> dict[str, str]:
    """The newest id of each record that was corrected, by its old id."""
    step = {one.supersedes: one.id for one in found if one.signed and one.supersedes}
    last = {}
    for old in step:
        new, seen = step[old], {old}
        while new in step and new not in seen:
            seen.add(new)
            new = step[new]
        last[old] = new
    return last


def _reviewed(review: records.RecordView, plans: Sequence[Plan], olds: Mapping[str, str]) -> str:
    """The plan a review is of. One without a plan (a sheet keyed in by hand) is of their own newest, else of both's."""
    if review.of_record:
        return olds.get(review.of_record, review.of_record)
    for about in (review.about, "couple"):
        known = [one for one in plans if one.about == about and one.day <= review.held_on]
        before = [one for one in known if one.day < review.held_on]  # not the one that was made that very day
        if known:
            return (before or known)[-1].id
    return ""


# --------------------------------------------------------------------------- the taps of a session
@dataclass(frozen=True)
class Asked:
    """One plan that one partner is asked about: its steps, and what was tapped so far (form fields of the review).

    `rev` is the revision of the draft review those fields are from, 0 when there is none yet.
    """

    plan: Plan
    partner: Partner
    tasks: tuple[Task, ...]
    record: str = ""
    rev: int = 0
    given: Mapping[str, Sequence[str]] = field(default_factory=dict)
    saved: Mapping[str, Sequence[str]] = field(default_factory=dict)  # the same without what was only typed

    def value(self, path: str) -> str:
        """What a field of the review holds."""
        return next(iter(self.given.get(path, ())), "")


@dataclass(frozen=True)
class Panel:
    """All that one partner is asked, alone."""

    partner: Partner
    asked: tuple[Asked, ...]

    @property
    def heard(self) -> bool:
        """Whether every step has an answer."""
        return all(one.value(task.id) for one in self.asked for task in one.tasks)


def panels(store: Store, token: str, case_id: str, day: date) -> tuple[Panel, ...]:
    """Last week's homework for the session of a day: the newest plans from before it that are not reviewed yet."""
    known = loop(store, token, case_id)
    abouts: tuple[About, ...] = ("couple", *PARTNERS)
    plans = [plan for about in abouts if (plan := known.newest(about, before=day))]
    found = []
    for partner in PARTNERS:
        mine = sorted((one for one in plans if one.of(partner)), key=lambda one: one.about == "couple")
        asked = [
            _asked(store, token, known, plan, partner) for plan in mine if (plan.id, partner) not in known.finished
        ]
        if asked:
            found.append(Panel(partner, tuple(asked)))
    return tuple(found)


def _asked(store: Store, token: str, known: Loop, plan: Plan, partner: Partner) -> Asked:
    draft = known.begun.get((plan.id, partner), "")
    if not draft:
        return Asked(plan, partner, plan.of(partner))
    record, typed = records.resumed(store, token, draft)
    checked = Checked(record.answers, record.raw, {})
    saved = parts.typed(record.definition, record.about, checked)
    return Asked(plan, partner, plan.of(partner), draft, record.rev, typed or saved, saved)


def fields(task: Task) -> tuple[str, str, str]:
    """The fields of a review that one step has: outcome, barrier, words."""
    return task.id, f"{task.id}_barrier", f"how_it_was.{task.id}.words"


def tap(store: Store, token: str, asked: Asked, form: Form, rev: int, tab: str, typing: bool = False) -> bool:
    """Store what was tapped of one plan as a draft review; whether it went in. `form` has the fields of `fields`.

    Nothing is begun before something was tapped. If somebody else tapped meanwhile, what this form says is kept as
    typing of that review, where its own page gives it back. `typing`: keep it only so, apart from the draft.
    """
    wanted = {path: [one for one in form.get(path, ()) if one] for task in asked.tasks for path in fields(task)}
    for task in asked.tasks:
        if wanted[task.id] == ["done"]:  # a barrier belongs to what did not go well
            wanted[f"{task.id}_barrier"] = []
    known = asked.given if typing else asked.saved
    before = {path: [one for one in known.get(path, ()) if one] for path in wanted}
    if wanted == before:
        return True
    record_id, base = asked.record, rev
    if not record_id:
        record_id = begin_review(store, token, asked.plan, asked.partner)
        base = 1
    record = records.read(store, token, record_id)
    if base == 0 and record.rev == 1 and not record.raw:
        base = 1  # begun by this very form while it was typed in
    whole = {**parts.typed(record.definition, record.about, Checked(record.answers, record.raw, {})), **wanted}
    whole = {path: texts for path, texts in whole.items() if texts}
    if typing:
        records.autosave(store, token, record_id, tab, base, whole)
        return True
    try:
        records.save_draft(store, token, record_id, base, read_form(record.definition, record.about, whole), tab)
    except Conflict:
        return False
    return True


def begin_review(store: Store, token: str, plan: Plan, partner: Partner) -> str:
    """Begin the review of a plan by one partner; its id. It begins with the steps in the plan's own words."""
    steps = [{"id": task.id, "task": task.step} for task in plan.of(partner)]
    return records.start(
        store, token, plan.case_id, REVIEW, partner, store.today(), of_record=plan.id, answers={"steps": steps}
    )


def finish_taps(store: Store, token: str, asked: Iterable[Asked]) -> bool:
    """Finish the reviews that hold an answer, with the session note; whether all of them could be."""
    whole = True
    for one in asked:
        if one.record and any(one.value(task.id) for task in one.tasks):
            record = records.read(store, token, one.record)
            try:
                records.finish(store, token, record.id, record.rev, Checked(record.answers, record.raw, {}))
            except (Conflict, Invalid):
                whole = False
    return whole


# --------------------------------------------------------------------------- the stock
@dataclass(frozen=True)
class Stock:
    """One activity or practice that a step can be made of.

    `not_for` is what speaks against it in general, for the counsellor. `barred` says why it may not be chosen now, for
    each of couple, a, b: ids of rules, `hold`, `level` (joint plans need light or full), `all`, `worse`; else nothing.
    """

    item: str
    title: Text
    words: Mapping[str, Text]
    not_for: tuple[Text, ...]
    barred: Mapping[About, tuple[str, ...]]


@dataclass(frozen=True)
class Shelf:
    """One strategy with its activities, or one step of reassuring with its practices."""

    title: Text
    stock: tuple[Stock, ...]


@dataclass(frozen=True)
class Next:
    """A plan whose steps ask for a next one: what each may become, with the reason. For the staff layer."""

    plan: Plan
    proposals: tuple[Proposal, ...]
    swaps: Mapping[str, tuple[Stock, ...]]  # other activities of the same strategy, by step


@dataclass(frozen=True)
class Planner:
    """All that the planner's page shows. `languages` of a plan by about; `closed`: abouts whose plan does not print."""

    nexts: tuple[Next, ...]
    shelves: tuple[Shelf, ...]
    languages: Mapping[About, str]
    closed: frozenset[About]

    def stock(self, item: str) -> Stock | None:
        """One activity or practice by its id."""
        return next((one for shelf in self.shelves for one in shelf.stock if one.item == item), None)


def planner(store: Store, token: str, case: CasePage) -> Planner:
    """What may be planned for a case now, and what speaks against it. `case` as its staff layer opened it."""
    known = loop(store, token, case.id)
    opened = records.opened(store, token, case.id)
    verdict = judge(facts(opened, tables_of(store), store.today()), tables_of(store))
    ruling = Ruling.from_data(case.ruling)
    level = level_on(ruling, store.today())
    shelves = _shelves(_Bars(verdict, level, _harmed(known)))
    abouts: tuple[About, ...] = ("couple", *PARTNERS)
    due = (one for one in known.running() if one.tasks and (one.day < store.today() or known.said(one)))
    nexts = tuple(_next(plan, known, shelves) for plan in due)
    closed = frozenset(one for one in abouts if not gate(ruling, store.today(), PLAN, _reader(one)))
    return Planner(nexts, shelves, {one: language(store, case, one) for one in abouts}, closed)


def language(store: Store, case: CasePage, about: About) -> str:
    """The language of a plan's words: the reader's, or English while the stock may not print in it.

    Words of the stock stand on the plan as answers, beside which no mark says that they are a draft.
    """
    tag = case.paper_of(_reader(about))["locale"]
    book = spoken.book(store, tag)
    words = [text for entry in _entries() for name, text in entry.texts.items() if name in CLIENTS]
    enough = LEAST[store.settings.print_when]
    return tag if STATES.index(book.lowest(words)) >= STATES.index(enough) else SOURCE


CLIENTS: Final = frozenset({"why", "step", "how_long", "minimum", "harder", "stop", "what", "say"})


def _entries() -> list[Entry]:
    strategies = (one for one in library().entries["strategies"] if one.id != NEVER_HOMEWORK)
    return [*(part for one in strategies for part in one.parts), *library().entries["practices"]]


def _reader(about: About) -> Recipient:
    return "joint" if about == "couple" else about


@dataclass(frozen=True)
class _Bars:
    """What speaks against a piece of the stock: level, open rules, and what made things worse before."""

    verdict: Verdict
    level: str
    harmed: Mapping[str, frozenset[Partner]]

    def of(self, item: str, rules: Sequence[str]) -> dict[About, tuple[str, ...]]:
        waiting = [one.rule for one in self.verdict.open]
        mine = domain.barred(rules, self.level, waiting)
        found: dict[About, tuple[str, ...]] = {}
        abouts: tuple[About, ...] = ("couple", *PARTNERS)
        for about in abouts:
            who = PARTNERS if about == "couple" else (about,)
            why = list(mine)
            why += ["level"] if about == "couple" and self.level not in ("light", "full") else []
            why += ["all"] if EVERY in self.verdict.closed[_reader(about)] else []
            why += ["worse"] if self.harmed.get(item, frozenset()) & set(who) else []
            if why:
                found[about] = tuple(dict.fromkeys(why))
        return found


def _harmed(known: Loop) -> dict[str, frozenset[Partner]]:
    """What made things worse, or did not feel right or safe: by piece of the stock, for whom."""
    items = {(plan.id, task.id): task.item for plan in known.plans for task in plan.tasks}
    found: dict[str, set[Partner]] = {}
    for one in known.reviews:
        item = items.get((one.plan, one.task), "")
        if item and (one.outcome == "worse" or one.barrier == "unsafe"):
            found.setdefault(item, set()).add(one.about)
    return {item: frozenset(who) for item, who in found.items()}


def _shelves(bars: _Bars) -> tuple[Shelf, ...]:
    found = []
    for strategy in library().entries["strategies"]:
        if strategy.id != NEVER_HOMEWORK:
            stock = tuple(_activity(strategy, part, bars) for part in strategy.parts)
            found.append(Shelf(strategy.title, stock))
    for step in library().entries["steps"]:
        mine = [one for one in library().entries["practices"] if one.tags.get("step") == step.id]
        if mine:
            found.append(Shelf(step.title, tuple(_practice(step, one, bars) for one in mine)))
    return tuple(found)


def _activity(strategy: Entry, part: Entry, bars: _Bars) -> Stock:
    item, rules = f"{strategy.id}.{part.id}", [*strategy.tags.get("rules", ()), *part.tags.get("rules", ())]
    not_for = (strategy.texts["not_when"], part.texts["not_for"])
    words = {name: part.texts[name] for name in ("step", "why", "how_long", "minimum", "harder", "stop")}
    return Stock(item, part.title, words, not_for, bars.of(item, rules))


def _practice(step: Entry, one: Entry, bars: _Bars) -> Stock:
    words = {"step": one.texts["what"], "say": one.texts["say"], "why": step.texts["why"]}
    limit = (one.texts["limit"],) if "limit" in one.texts else ()
    return Stock(one.id, one.title, words, limit, bars.of(one.id, one.tags.get("rules", ())))


def _next(plan: Plan, known: Loop, shelves: Sequence[Shelf]) -> Next:
    said = known.said(plan)
    proposals = tuple(domain.proposal(task, said) for task in plan.tasks)
    return Next(plan, proposals, {task.id: _swaps(task, shelves) for task in plan.tasks})


def _swaps(task: Task, shelves: Sequence[Shelf]) -> tuple[Stock, ...]:
    """Other pieces of the same shelf that may be chosen now."""
    mine = [shelf for shelf in shelves if any(one.item == task.item for one in shelf.stock)]
    return tuple(one for shelf in mine for one in shelf.stock if one.item != task.item and task.about not in one.barred)


# --------------------------------------------------------------------------- beginning a plan
def begin(store: Store, token: str, case: CasePage, about: About, items: Sequence[str]) -> str:
    """Begin a plan from the stock; the id of its draft. Raises Invalid: more than two, unknown, or barred for them."""
    made = planner(store, token, case)
    chosen = [_allowed(made, item, about) for item in dict.fromkeys(items)]
    if len(chosen) > MOST:
        raise Invalid({"items": "too_many"})
    book = spoken.book(store, made.languages[about])
    return _start(store, token, case.id, about, [_fresh(one, about, book, store.today()) for one in chosen])


def begin_next(
    store: Store, token: str, case: CasePage, plan_id: str, acts: Mapping[str, str], swaps: Mapping[str, str]
) -> str:
    """Begin the plan that follows another; the id of its draft. `acts` and `swaps` by step, as somebody chose them.

    Its words are those of the plan it follows and of the library. No reason and no word of a review goes along. Raises
    NotFound: not a running plan of this case; Invalid: an act that is not offered, or nothing chosen.
    """
    made = planner(store, token, case)
    found = next((one for one in made.nexts if one.plan.id == plan_id), None)
    if found is None:
        raise NotFound
    about, steps = found.plan.about, []
    book = spoken.book(store, made.languages[about])
    for one in found.proposals:
        act = acts.get(one.task.id, "")
        if not act:
            raise Invalid({one.task.id: "required"})
        if act not in one.choices:
            raise Invalid({one.task.id: "not_an_option"})
        if act == "swap" and swaps.get(one.task.id):
            steps.append(_fresh(_allowed(made, swaps[one.task.id], about), about, book, store.today()))
        elif (task := domain.following(one.task, act)) is not None:
            steps.append(task)
    return _start(store, token, case.id, about, steps)


def _allowed(made: Planner, item: str, about: About) -> Stock:
    found = made.stock(item)
    if found is None or about in found.barred:
        raise Invalid({"items": "not_an_option"})
    return found


def _fresh(one: Stock, about: About, book: Catalogue, today: date) -> Task:
    """A piece of the stock as a step, in the language of a catalogue."""
    said = {name: book.text(text) for name, text in one.words.items()}
    who: tuple[Partner, ...] = PARTNERS if about == "couple" else (about,)
    step = " ".join(said[name] for name in ("step", "say") if name in said)
    empty = Task(
        STEPS[0],
        "",
        about,
        who,
        step,
        said["why"],
        "",
        "",
        "",
        "",
        "",
        one.item,
        (),
        "",
        None,
        today,
        1,
        {},
        frozenset(),
    )
    return replace(
        empty,
        minimum=said.get("minimum", ""),
        harder=said.get("harder", ""),
        stop=said.get("stop", ""),
        long=said.get("how_long", ""),
    )


def _start(store: Store, token: str, case_id: str, about: About, steps: Sequence[Task]) -> str:
    definition = on_shelf(store, PLAN)
    answers: Answers = domain.answers_of(steps[:MOST], store.today())
    own = {placed.name for placed in definition.placed(about)}
    fits: dict[str, Any] = {name: answer for name, answer in answers.items() if name in own}
    return records.start(store, token, case_id, PLAN, about, answers=fits)
