"""Cases: whose they are, what their pages show."""

from uuid import UUID

import pytest
from sqlalchemy.orm import Session

from clinic.domain.answer import Checked
from clinic.domain.errors import Conflict, Denied, Invalid, NotFound, SignIn
from clinic.persistence.models import Case
from clinic.services import cases, records
from clinic.services.cases import PartnerCard
from tests.persistence.making import Clinic

CARDS = {"a": PartnerCard(language="es", size="large"), "b": PartnerCard(language="fa", beside="en")}


def test_the_caseload_is_ones_own(clinic: Clinic) -> None:
    mine = cases.caseload(clinic.store, clinic.token)
    assert [one.id for one in mine] == [clinic.case]
    assert mine[0].partners["b"].language == "ar"
    assert [one.id for one in cases.caseload(clinic.store, clinic.other)] == [clinic.foreign]


def test_no_list_shows_what_is_not_for_lists(clinic: Clinic) -> None:
    for page in (*cases.caseload(clinic.store, clinic.token), cases.case_page(clinic.store, clinic.token, clinic.case)):
        assert not page.ruling
        assert not any(one.variant or one.safe_paper or one.needs for one in page.partners.values())
    staff = cases.case_page(clinic.store, clinic.token, clinic.case, "staff")
    assert staff.ruling == {"signed": 0, "drafts": 0}
    assert (staff.partners["a"].variant, staff.partners["b"].safe_paper) == ("f", "no")


@pytest.mark.parametrize("case", ["0d5f2f1c-5a0c-4b53-9d0a-1f6f3a1c9b77", "", "x", "../1", "FOREIGN"])
def test_unknown_foreign_and_broken_ids_answer_alike(clinic: Clinic, case: str) -> None:
    id_ = clinic.foreign if case == "FOREIGN" else case
    for attempt in (
        lambda: cases.case_page(clinic.store, clinic.token, id_),
        lambda: cases.case_page(clinic.store, clinic.token, id_, "staff"),
        lambda: cases.update_card(clinic.store, clinic.token, id_, 1, CARDS),
        lambda: cases.archive(clinic.store, clinic.token, id_),
        lambda: records.start(clinic.store, clinic.token, id_, "meeting", "couple"),
        lambda: records.listing(clinic.store, clinic.token, id_),
        lambda: records.opened(clinic.store, clinic.token, id_),
        lambda: records.for_recipient(clinic.store, clinic.token, id_, "a", "wishes"),
    ):
        with pytest.raises(NotFound) as refused:
            attempt()
        assert refused.value.params == {}


def test_codes_are_neutral_and_unique(clinic: Clinic) -> None:
    for _ in range(20):
        cases.open_case(clinic.store, clinic.token, CARDS)
    codes = [one.code for one in cases.caseload(clinic.store, clinic.token)]
    assert len(set(codes)) == 21
    assert all(code.startswith("K-") and code[2:].isdigit() and len(code) == 6 for code in codes)


def test_a_code_is_named_in_a_demo_only(clinic: Clinic) -> None:
    with pytest.raises(Denied):
        cases.open_case(clinic.store, clinic.token, CARDS, code="K-1001")


def test_nobody_opens_a_case(clinic: Clinic) -> None:
    with pytest.raises(SignIn):
        cases.open_case(clinic.store, "", CARDS)
    with pytest.raises(Invalid):
        cases.open_case(clinic.store, clinic.token, {"a": PartnerCard()})


def test_the_card_is_saved_once(clinic: Clinic) -> None:
    page = cases.case_page(clinic.store, clinic.token, clinic.case, "staff")
    assert cases.update_card(clinic.store, clinic.token, clinic.case, page.rev, CARDS) == page.rev + 1
    with pytest.raises(Conflict):
        cases.update_card(clinic.store, clinic.token, clinic.case, page.rev, CARDS)
    saved = cases.case_page(clinic.store, clinic.token, clinic.case, "staff")
    assert saved.partners == CARDS
    assert saved.ruling == page.ruling


def test_paper_of_each(clinic: Clinic) -> None:
    case = cases.open_case(clinic.store, clinic.token, CARDS)
    page = cases.case_page(clinic.store, clinic.token, case)
    assert page.paper_of("a") == {"locale": "es", "beside": "", "paper": "a4", "size": "large"}
    assert page.paper_of("b") == {"locale": "fa", "beside": "en", "paper": "a4", "size": "normal"}
    assert page.paper_of("joint") == {"locale": "es", "beside": "fa", "paper": "a4", "size": "large"}


def test_archived_cases_stand_apart(clinic: Clinic) -> None:
    cases.archive(clinic.store, clinic.token, clinic.case)
    assert cases.caseload(clinic.store, clinic.token) == []
    assert [one.id for one in cases.caseload(clinic.store, clinic.token, archived=True)] == [clinic.case]


def test_drafts_are_counted(clinic: Clinic) -> None:
    one = records.start(clinic.store, clinic.token, clinic.case, "meeting", "couple")
    records.start(clinic.store, clinic.token, clinic.case, "wishes", "a")
    records.finish(clinic.store, clinic.token, one, 1, Checked({}, {}, {}))
    assert cases.caseload(clinic.store, clinic.token)[0].unfinished == 1


def test_a_case_that_changed_hands_is_closed_to_the_first(clinic: Clinic) -> None:
    with Session(clinic.raw) as session:
        case, other = session.get_one(Case, UUID(clinic.case)), session.get_one(Case, UUID(clinic.foreign))
        case.counsellor_id = other.counsellor_id
        session.commit()
    with pytest.raises(NotFound):
        cases.case_page(clinic.store, clinic.token, clinic.case)
    assert cases.case_page(clinic.store, clinic.other, clinic.case).id == clinic.case


@pytest.mark.everything
def test_a_caseload_of_more_than_a_list_opens(clinic: Clinic) -> None:
    for _ in range(130):
        cases.open_case(clinic.store, clinic.token, CARDS)
    assert len(cases.caseload(clinic.store, clinic.token)) == 131
