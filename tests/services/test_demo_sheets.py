"""Each of the 22 sheets on a made-up couple of the demo whose level allows it: given, filled in, and printed."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from clinic import config, resources
from clinic.domain.answer import Checked
from clinic.domain.audience import about_of, readable
from clinic.domain.errors import Refused
from clinic.persistence.store import Store
from clinic.press.press import Press
from clinic.services import accounts, cases, demo, print_sheet, records
from clinic.services.definitions import definition
from clinic.services.prints import PrintJob
from tests import layout, pdf
from tests.filling import filled

pytestmark = pytest.mark.everything  # about a minute: every sheet is given, filled in and printed

# K-1001: comfort that has to come again and again. K-1002: tired, between two countries and two sets of rules.
# K-1003: nothing decided yet, so nobody gets more than the first two sheets and the page of helpers.
COUPLES = {
    "signals_checkin": "K-1003",
    "whats_underneath": "K-1003",
    "when_to_get_more_help": "K-1003",
    "our_cycle": "K-1001",
    "reassurance_or_relief": "K-1001",
    "the_wave": "K-1001",
    "secure_base": "K-1001",
    "own_worth": "K-1001",
    "say_it_specifically": "K-1001",
    "five_steps": "K-1001",
    "pitfall_swaps": "K-1001",
    "homework_plan": "K-1001",
    "homework_review": "K-1001",
    "session_summary": "K-1001",
    "repair_and_forgive": "K-1001",
    "closeness_without_sex": "K-1002",
    "talking_about_sex": "K-1002",
    "two_beliefs": "K-1002",
    "support_menu": "K-1002",
    "circle_of_support": "K-1002",
    "boundaries_and_goals": "K-1002",
    "strategy_planner": "K-1002",
}
ABOUT_SEX = ("closeness_without_sex", "talking_about_sex")
WORDS = {"joint": "Both of us wrote this.", "a": "Only one of us wrote this.", "b": "The other one wrote this."}


@dataclass(frozen=True)
class Desk:
    store: Store
    press: Press
    token: str
    cases: dict[str, str]

    def finish(self, case: str, sheet: str, about: Any, answers: dict[str, Any]) -> None:
        record = records.start(self.store, self.token, case, sheet, about)
        records.finish(self.store, self.token, record, 1, Checked(answers, {}, {}))

    def asked(self, case: str, answer: str) -> None:
        """A meeting at which each was asked alone about pages on closeness and sex: B says yes."""
        held = {"held": {"day": self.store.today().isoformat()}, "present": ["partner_a", "partner_b"], "format": "dap"}
        self.finish(case, "session", "couple", held | {"a.intimate": answer, "b.intimate": "yes"})

    def opened(self, case: str, sheet: str, to: Any) -> print_sheet.Opened:
        return print_sheet.opened(self.store, self.token, case, PrintJob(sheet, to), "reviewed")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    settings = config.load(tmp_path_factory.mktemp("house") / "demo", {})
    password = demo.prepare(settings)
    store, press = Store.open(settings), Press()
    token = accounts.sign_in(store, demo.ACCOUNT, password)
    press.start()
    yield Desk(store, press, token, {case.code: case.id for case in cases.caseload(store, token)})
    press.stop()
    store.close()


def test_every_sheet_has_its_couple() -> None:
    assert set(COUPLES) == {path.stem for path in (resources.forms() / "worksheets").glob("*.toml")}


@pytest.mark.parametrize(("sheet", "code"), COUPLES.items(), ids=COUPLES)
def test_a_couple_gets_it_and_fills_it_in(desk: Desk, sheet: str, code: str) -> None:
    case, form = desk.cases[code], definition(sheet)
    if sheet in ABOUT_SEX:
        with pytest.raises(Refused):  # nobody has asked them yet
            desk.opened(case, sheet, form.recipients[0])
        desk.asked(case, "yes")
    for to in form.recipients:
        about = about_of(to)
        assert desk.opened(case, sheet, to).sheet.parts
        answers = filled(form, about, lambda scope: WORDS.get(scope, "Staff wrote."))
        for name in [name for name in answers if form.blocks[name].feeds == "observations"]:
            answers[name] = dict.fromkeys(answers[name], 0)  # the highest numbers would stop what comes next
        desk.finish(case, sheet, about, answers)
    to = form.recipients[-1]
    found = desk.opened(case, sheet, to)
    assert found.record
    with desk.press.child() as child:
        content = desk.press.pdf(print_sheet.laid_out(found, "K7QM2XTPA"), child)
    said = " ".join(pdf.text(content).split())
    others = [words for who, words in WORDS.items() if who not in readable(to)]
    assert WORDS[to] in said or not any(part.kind == "prompt" for part in found.sheet.parts)
    assert not any(words in said for words in [*others, "Staff wrote."])
    assert pdf.ua1(content) == []
    assert layout.faults(layout.sides(content)) == []
    if sheet in ABOUT_SEX:
        desk.asked(case, "no")
        with pytest.raises(Refused):  # a “no” of one closes it again
            desk.opened(case, "closeness_without_sex", "joint")
