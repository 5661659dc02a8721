"""The demo: what it makes, that it leaves real records alone, and that its prints say what they should."""

import tomllib
from pathlib import Path

import pytest

from clinic import config
from clinic.domain.answer import leaves, row_ids, spread
from clinic.domain.errors import Denied, Usage
from clinic.persistence.store import Store, create
from clinic.services import accounts, cases, demo, overlay, records, supervision
from clinic.services.definitions import definition, definitions
from tests import pdf, verapdf

WORDS = {
    "Our cycle": ["Writes and asks when the evening gets late", "One message at six"],
    "Say it": ["Me ayuda un mensaje corto"],
    "Signals": ["أحتاج"],
    "Plan": ["Tea together", "خطة"],
    "Intake, for both": ["Nine years, married for five."],
    "Intake, blank": ["About the two of you"],
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[config.Settings, str, list[str]]:
    settings = config.demo(tmp_path_factory.mktemp("house") / "demo", {})
    password = demo.prepare(settings)
    return settings, password, demo.prints(settings, password)


def test_its_answers_fit_their_forms() -> None:
    for couple in tomllib.loads(demo.COUPLES.read_text("utf-8"))["couple"]:
        for record in couple["record"]:
            placed = {one.name: one.block for one in definition(record["definition"]).placed(record["about"])}
            for name, answer in record["answers"].items():
                assert name in placed, f"{record['definition']}: no block {name}"
                known = {leaf.path: leaf for leaf in leaves(placed[name], row_ids(placed[name], answer))}
                for path, value in spread(placed[name], answer).items():
                    assert path in known, f"{record['definition']}: no {name}.{path}"
                    options = {option.id for option in known[path].options}
                    assert isinstance(value, list) is (known[path].type == "many"), (name, value)
                    assert not options or set(value if isinstance(value, list) else [value]) <= options, (name, value)


def test_three_couples_with_neutral_codes(made: tuple[config.Settings, str, list[str]]) -> None:
    settings, password, _ = made
    store = Store.open(settings)
    assert store.demo
    token = accounts.sign_in(store, demo.ACCOUNT, password)
    assert sorted(case.code for case in cases.caseload(store, token)) == ["K-1001", "K-1002", "K-1003"]
    store.close()


def test_its_clinic_prints_drafts_plainly_and_goes_on_doing_so(made: tuple[config.Settings, str, list[str]]) -> None:
    settings, _, _ = made
    assert settings.print_when == "complete"
    assert config.load(settings.instance, {}).print_when == config.demo(settings.instance, {}).print_when == "complete"
    assert config.demo(settings.instance, {"CLINIC_PRINT_WHEN": "approved"}).print_when == "approved"


def test_its_people_translate_and_review(made: tuple[config.Settings, str, list[str]]) -> None:
    settings, password, _ = made
    store = Store.open(settings)
    found = {
        name: overlay.rights(store, accounts.sign_in(store, name, password))
        for name in (demo.ACCOUNT, demo.SUPERVISOR, "translator", "admin")
    }
    assert found[demo.ACCOUNT] == {"es": True}
    assert found[demo.SUPERVISOR] == {"ar": True}
    assert found["translator"].items() >= {"es": False, "ar": False}.items()
    assert found["admin"] == {}
    store.close()


def test_everybody_else_signs_in_with_the_same_password(made: tuple[config.Settings, str, list[str]]) -> None:
    settings, password, _ = made
    store = Store.open(settings)
    tokens = {name: accounts.sign_in(store, name, password) for name, _, _ in demo.COLLEAGUES}
    roles = {name: accounts.actor(store, token).role for name, token in tokens.items()}
    assert set(roles.values()) == {"supervisor", "admin", "front_desk", "translator"}
    assert [one.counsellor for one in supervision.cases(store, tokens[demo.SUPERVISOR]).lines] == [
        "Demo counsellor"
    ] * 3
    assert [line.split()[0] for line in demo.people()] == [demo.ACCOUNT, *roles]
    store.close()


@pytest.mark.parametrize("start", WORDS)
def test_each_print_says_what_it_should(made: tuple[config.Settings, str, list[str]], start: str) -> None:
    settings, _, lines = made
    name = next(line.split("  ")[0] for line in lines if line.split("  ")[1].startswith(start))
    content = (settings.prints / name).read_bytes()
    text = " ".join(pdf.text_by_poppler(content).split())
    for word in WORDS[start]:
        assert word in text
    assert not [mark for mark in ("DRAFT", "BORRADOR", "مسودة") if mark in text]
    assert not pdf.ua1(content)
    assert pdf.metadata(content)["Title"] in ("Worksheet", "Hoja de trabajo", "Hoja", "ورقة عمل")


@pytest.mark.everything
def test_each_print_passes_verapdf(made: tuple[config.Settings, str, list[str]]) -> None:
    settings, _, lines = made
    faults = verapdf.check([settings.prints / line.split("  ")[0] for line in lines])
    assert {path.name: found for path, found in faults.items() if found} == {}


def test_a_second_start_prints_nothing_again(made: tuple[config.Settings, str, list[str]]) -> None:
    settings, _, lines = made
    before = {path: path.stat().st_mtime_ns for path in settings.prints.iterdir()}
    again = demo.prepare(settings)
    assert demo.prints(settings, again) == lines
    assert {path: path.stat().st_mtime_ns for path in settings.prints.iterdir()} == before


def test_a_demo_of_an_older_checkout_gets_the_new_texts(tmp_path: Path) -> None:
    settings = config.load(tmp_path / "demo", {})
    create(settings, [], demo=True)  # not one text of today is there
    store = Store.open(settings)
    accounts.create_account(store, demo.ACCOUNT, "only for this test 1")
    store.close()
    password = demo.prepare(settings)
    store = Store.open(settings)
    token = accounts.sign_in(store, demo.ACCOUNT, password)
    case = cases.open_case(store, token, {"a": cases.PartnerCard(), "b": cases.PartnerCard()})
    assert records.start(store, token, case, "session", "couple")
    store.close()


def test_it_leaves_real_records_alone(tmp_path: Path) -> None:
    settings = config.load(tmp_path / "real", {})
    create(settings, definitions().values())
    with pytest.raises(Usage, match="real records"):
        demo.prepare(settings)
    store = Store.open(settings)
    with pytest.raises(Denied):
        accounts.set_password(store, "anybody", "a long new password")
    store.close()
