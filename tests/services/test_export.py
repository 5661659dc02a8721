"""Exports: each with its own keys, and nothing of anybody else in bytes, names or counts."""

import csv
import io
import json
import re

import pytest

from clinic.domain.answer import Checked
from clinic.domain.errors import Invalid, NotFound, SecondPerson, StepUp
from clinic.services import export, records
from clinic.services.definitions import definitions
from tests.persistence.making import Clinic
from tests.services.rights import CANARIES, MEETING, admin, agreed, finished, verbs, with_canaries


def words(made: export.Export) -> str:
    return made.data.decode("utf-8-sig")


def entries(made: export.Export) -> list[dict]:
    return json.loads(made.data)["entries"]


@pytest.mark.parametrize("format_", ["json", "csv"])
@pytest.mark.parametrize("who", ["a", "b", "joint"])
def test_an_export_holds_its_own_canaries_and_no_other(clinic: Clinic, who: str, format_: export.Format) -> None:
    with_canaries(clinic)
    if who == "joint":
        made = export.of_both(clinic.store, clinic.token, clinic.case, format_, basis="Court order 12/2026")
    else:
        made = export.of_person(clinic.store, clinic.token, clinic.case, who, format_)
    for scope, canary in CANARIES.items():
        assert (canary in words(made)) is (scope == who), scope
    assert CANARIES[who] + "Wish" in words(made)
    assert re.fullmatch(r"[0-9a-f]{8}\.(json|csv)", made.name)
    for id_ in (clinic.case, "K-", "anna", "Anna", "berta"):
        assert id_ not in words(made)


def test_the_other_partner_changes_nothing_in_an_export(clinic: Clinic) -> None:
    finished(clinic, "meeting", "couple", {"only_a": "Mine"})
    alone = export.of_person(clinic.store, clinic.token, clinic.case, "a")
    for number in range(3):
        finished(clinic, "wishes", "b", {"wish": f"Theirs {number}", "remark": "Noted"})
        finished(clinic, "meeting", "couple", {"only_b": "Theirs", "words": "Ours", "b.about": "Seen"})
    both = export.of_person(clinic.store, clinic.token, clinic.case, "a")
    plain = [re.sub(r'"entry": "[0-9a-f]+"', "", words(one)) for one in (alone, both)]
    assert plain[0] == plain[1]
    assert len(alone.data) == len(both.data)


def test_ids_in_a_file_are_fresh_each_time(clinic: Clinic) -> None:
    made = with_canaries(clinic)
    first, second = (export.of_person(clinic.store, clinic.token, clinic.case, "a") for _ in range(2))
    seen = {one["entry"] for file in (first, second) for one in entries(file)}
    assert len(seen) == len(entries(first)) * 2
    assert not any(id_ in words(first) for id_ in made.values())
    assert first.name != second.name


def test_the_newest_version_says_that_it_was_corrected_and_the_old_one_stays_on_record(clinic: Clinic) -> None:
    old = finished(clinic, "wishes", "a", {"wish": "Wrong word", "how_much": 3})
    new = records.correction(clinic.store, clinic.token, old, "CanaryReason")
    records.finish(clinic.store, clinic.token, new, 1, Checked({"wish": "Right word", "how_much": 3}, {}, {}))
    made = export.of_person(clinic.store, clinic.token, clinic.case, "a")
    (only,) = entries(made)
    assert only["corrected"] == {"times": 1, "first": clinic.store.today().isoformat()}
    assert [one["answer"] for one in only["answers"]] == ["Right word", 3]
    assert "CanaryReason" not in words(made)
    assert records.read(clinic.store, clinic.token, old).answers["wish"] == "Wrong word"
    request = agreed(clinic, "export_file")
    whole = entries(export.of_file(clinic.store, clinic.token, clinic.case, request))
    assert [one["answers"][0]["answer"] for one in whole] == ["Wrong word", "Right word"]
    assert whole[1]["corrects"] == whole[0]["entry"]
    assert whole[1]["reason"] == "CanaryReason"


def test_a_record_with_nothing_for_the_person_is_not_there_at_all(clinic: Clinic) -> None:
    finished(clinic, "meeting", "couple", {"words": "Both", "only_b": "B"})
    assert entries(export.of_person(clinic.store, clinic.token, clinic.case, "a")) == []


def test_tables_and_choices_are_in_words(clinic: Clinic) -> None:
    rows = [{"id": "r1", "step": "=1+1", "many": 2}, {"id": "r2", "step": "Walk"}]
    finished(clinic, "wishes", "a", {"wish": "@here", "list": rows})
    table = list(csv.reader(io.StringIO(words(export.of_person(clinic.store, clinic.token, clinic.case, "a", "csv")))))
    assert table[0] == list(export.COLUMNS)
    assert [row[3:] for row in table[1:]] == [
        ["I wish", "", "'@here"],
        ["Steps", "Step", "'=1+1"],
        ["Steps", "How many", "2"],
        ["Steps", "Step", "Walk"],
    ]


@pytest.mark.parametrize("cell", ["=1", "+1", "-1", "@a", "\tx", "\rx", " =1", "\n=1"])
def test_no_cell_is_a_formula(cell: str) -> None:
    assert export.guarded(cell) == f"'{cell}"
    assert export.guarded("a" + cell) == "a" + cell


def test_every_shipped_form_can_be_exported_in_its_language(clinic: Clinic) -> None:
    """Words come from the catalogue; the English stands in where there is none."""
    clinic.shelf.there["consent_and_secrets_policy"] = form = definitions()["consent_and_secrets_policy"]
    clinic.store.remember([form])
    day = {one.id: "2026-03-02" for one in form.blocks["day"].fields}
    answers = {"local_duties": "Said", "policy": "no_secrets", "agreed_a": "agree", "agreed_b": "agree", "day": day}
    finished(clinic, form.id, "couple", answers)
    english, spanish = (
        json.loads(export.of_both(clinic.store, clinic.token, clinic.case, locale=tag).data) for tag in ("en", "es")
    )
    assert english["entries"][0]["form"] == "Our agreement"
    assert (english["language"], spanish["language"]) == ("en", "es")
    said = [one["answer"] for one in english["entries"][0]["answers"]]
    assert "No secrets" in said


# --------------------------------------------------------------------------- who may
def test_the_joint_export_needs_both_signatures_or_a_named_basis(clinic: Clinic) -> None:
    finished(clinic, "meeting", "couple", MEETING)
    for basis in ("", "  ", "short"):
        with pytest.raises(Invalid) as why:
            export.of_both(clinic.store, clinic.token, clinic.case, basis=basis)
        assert why.value.fields == {"basis": "required"}
    assert not export.both_signed(clinic.store, clinic.token, clinic.case)
    made = export.of_both(clinic.store, clinic.token, clinic.case, basis="Article 15, both asked")
    assert "Article 15" not in words(made)
    assert verbs(clinic)[-1] == "export.joint"


def test_exports_need_a_fresh_proof(clinic: Clinic) -> None:
    clinic.clock.pass_(minutes=6)
    for attempt in (
        lambda: export.of_person(clinic.store, clinic.token, clinic.case, "a"),
        lambda: export.of_both(clinic.store, clinic.token, clinic.case, basis="Article 15, both asked"),
    ):
        with pytest.raises(StepUp):
            attempt()
    assert verbs(clinic)[-1] == "denied"


def test_a_foreign_case_and_an_unknown_one_answer_alike(clinic: Clinic) -> None:
    for case in (clinic.foreign, "00000000-0000-4000-8000-000000000000", "nonsense"):
        with pytest.raises(NotFound):
            export.of_person(clinic.store, clinic.token, case, "a")


def test_the_whole_file_needs_another_person_each_time(clinic: Clinic) -> None:
    with_canaries(clinic)
    with pytest.raises((SecondPerson, NotFound)):
        export.of_file(clinic.store, clinic.token, clinic.case, "00000000-0000-4000-8000-000000000000")
    request = agreed(clinic, "export_file", by=(doris := admin(clinic)))
    text = words(export.of_file(clinic.store, clinic.token, clinic.case, request))
    assert all(canary in text for canary in CANARIES.values())
    with pytest.raises(SecondPerson):
        export.of_file(clinic.store, clinic.token, clinic.case, request)
    erase = agreed(clinic, "erase", by=doris, partner="a")
    with pytest.raises(SecondPerson):
        export.of_file(clinic.store, clinic.token, clinic.case, erase)


def test_staff_notes_about_one_are_a_separate_act(clinic: Clinic) -> None:
    with_canaries(clinic)
    request = agreed(clinic, "staff_export", partner="a")
    with pytest.raises(SecondPerson):
        export.of_staff(clinic.store, clinic.token, clinic.case, "b", request)
    made = export.of_staff(clinic.store, clinic.token, clinic.case, "a", request)
    found = {scope for scope, canary in CANARIES.items() if canary in words(made)}
    assert found == {"staff_a"}
    assert verbs(clinic)[-1] == "export.staff_a"


def test_every_export_is_in_the_audit(clinic: Clinic) -> None:
    with_canaries(clinic)
    export.of_person(clinic.store, clinic.token, clinic.case, "b", "csv")
    assert verbs(clinic)[-1] == "export.b"
