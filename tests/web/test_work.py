"""The staff page of a case and the planner: what is done is folded, what fits is counted."""

import re

from flask.testing import FlaskClient

from tests.web.conftest import Clinic, finished, post, prepared


def folded(ana: FlaskClient, clinic: Clinic) -> list[str]:
    text = ana.get(f"/cases/{clinic.case}/work").text
    return re.findall(r'<details class="path-done"><summary><h3>([^<]*)</h3>', text)


def test_a_step_that_is_done_once_and_for_all_is_folded(clinic: Clinic, ana: FlaskClient) -> None:
    assert folded(ana, clinic) == [], "one of the two was seen alone: the step is not done"
    prepared(clinic)
    assert folded(ana, clinic) == ["Our agreement", "Talk with one partner"]
    begun = ana.get(f"/cases/{clinic.case}/work").text.split('id="path-title"')[1]
    assert "Session note" not in "".join(re.findall(r'<details class="path-done">.*?</details>', begun, re.S))


def test_older_records_are_folded_and_a_draft_never_is(clinic: Clinic, ana: FlaskClient) -> None:
    token = clinic.tokens["ana"]
    made = [finished(clinic.store, token, clinic.case, "check_in", "a", {}) for _ in range(3)]
    text = ana.get(f"/cases/{clinic.case}/work").text
    [old] = re.findall(r'<details class="more"><summary>Earlier.*?</details>', text, re.S)
    assert [one in old for one in made] == [True, True, False]
    assert made[2] in text
    assert clinic.draft in text
    assert clinic.draft not in old


def test_a_closed_shelf_says_how_much_of_it_fits(clinic: Clinic, ana: FlaskClient) -> None:
    """Nothing speaks against it: no rule, no level, no harm before."""

    def fits() -> list[tuple[int, int]]:
        text = re.sub("[\u2068\u2069]", "", ana.get(f"/cases/{clinic.case}/plan").text)
        return [(int(fit), int(every)) for fit, every in re.findall(r"(\d+) of (\d+) fit now", text)]

    before = fits()
    assert {fit for fit, _ in before} == {0}
    prepared(clinic)
    after = fits()
    assert [every for _, every in before] == [every for _, every in after]
    assert sum(fit for fit, _ in after) > 0


def test_where_it_goes_is_asked_with_what_leaves(clinic: Clinic, ana: FlaskClient) -> None:
    """Not before: a language that waits is chosen first."""
    prepared(clinic)
    waiting = post(ana, f"/cases/{clinic.case}/print", sheet="two_beliefs", to="b", do="open").text
    assert "Where does it go?" not in waiting
    marked = post(
        ana, f"/cases/{clinic.case}/print", sheet="two_beliefs", to="b", do="marked", locale="en", beside="es",
        paper="a4", size="normal", ink="full",
    )  # fmt: skip
    assert marked.status_code == 200
    assert marked.text.index('id="leaves"') < marked.text.index("Where does it go?")
