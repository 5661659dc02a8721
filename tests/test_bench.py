"""`clinic bench`: what it prints and how it reckons. Nothing here is held to a time of this machine."""

import json
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from unittest.mock import create_autospec

import pypdfium2
import pytest
from click.testing import CliRunner

from clinic import resources
from clinic.cli import clinic as command
from clinic.press import fonts
from tests import verapdf
from tests.benchmarks import audit_bench, far_bench, far_rows, harness, pages, peers, sheet_bench, stamp_count
from tests.benchmarks.__main__ import BENCHMARKS
from tests.benchmarks.harness import Bar, Figure, Missing, Row, Run, row

CALLS = 200  # Python functions that one stamp may call; a render calls about 150,000
FASTER = 20  # times that a stamp beats a render in the same process, on any machine


@pytest.fixture(scope="module", autouse=True)
def _fonts() -> None:
    fonts.install()


class Hands:
    """A clock whose time only passes when somebody works."""

    def __init__(self) -> None:
        self.now, self.order = 0.0, [""]

    def __call__(self) -> float:
        return self.now

    def works(self, name: str, *seconds: float) -> harness.Act:
        left = iter(seconds)

        def act() -> None:
            self.order.append(name)
            self.now += next(left)

        return act


def test_a_figure_is_the_median_and_its_quartiles() -> None:
    assert Figure.of([5, 1, 2, 4, 3]) == Figure(3, 2, 4, 5)
    assert Figure.of([7]) == Figure(7, 7, 7, 1)


@pytest.mark.everything
def test_peers_take_turns_and_the_first_round_does_not_count() -> None:
    hands = Hands()
    works = {"ours": hands.works("ours", 9, 0.001, 0.003, 0.002), "theirs": hands.works("theirs", 9, 0.1, 0.1, 0.4)}
    found = Run(rounds=3, clock=hands).figures(works)
    assert found["ours"].median == pytest.approx(2)
    assert found["theirs"].median == pytest.approx(100)
    assert found["ours"].rounds == 3
    rounds = [set(hands.order[start : start + 2]) for start in (1, 3, 5, 7)]
    assert rounds == [{"ours", "theirs"}] * 4
    assert [hands.order[start] for start in (1, 3, 5, 7)] == ["theirs", "ours"] * 2, "who comes first changes"


def test_many_at_once_are_divided() -> None:
    hands = Hands()
    found = Run(rounds=1, clock=hands).figures({"ours": hands.works("ours", 1, 0.1)}, {"ours": 20})
    assert found["ours"].median == pytest.approx(5)


def test_the_processor_clock_counts_what_was_started_and_has_ended() -> None:
    spin = "import time\nwhile time.process_time() < 0.3: pass"
    before = harness.processor()
    with subprocess.Popen([sys.executable, "-c", f"{spin}\ninput()"], stdin=subprocess.PIPE) as there:
        while harness.processor() - before < 0.25:
            pass  # it counts while the other is still there
        there.communicate(b"\n")
    ended = harness.processor()
    assert ended - before > 0.3
    passed, worked = Run(rounds=1).costs({"nothing": lambda: subprocess.run([sys.executable, "-c", spin], check=True)})
    assert worked["nothing"].median >= 290
    assert passed["nothing"].median >= worked["nothing"].median / 2


def test_faster_is_how_many_times_the_peers_speed() -> None:
    time = row("a", Figure(2, 1, 3, 7), peer=("slow", Figure(100, 90, 110, 7)), bar=Bar("faster", ">=", 50))
    assert (time.faster, time.met, time.bar) == (50, True, ">= 50 ×")
    speed = row("b", Figure(9, 8, 10, 7), "1/s", ("quick", Figure(12, 11, 13, 7)), Bar("faster", ">=", 1))
    assert (speed.faster, speed.met) == (0.75, False)


def test_a_bar_without_its_peer_is_neither_met_nor_missed() -> None:
    assert row("a", 2.0, bar=Bar("faster", ">=", 50)).met is None
    assert row("a", 2.0, bar=Bar("value", "<=", 2)).met is True
    assert row("a", 2.1, bar=Bar("value", "<=", 2)).met is False


def good(how: Run) -> Iterator[Row]:
    yield row("good.one", Figure(1.23456, 1, 2, how.rounds), peer=("other", Figure(2, 2, 2, 1)))


def gone(how: Run) -> Iterator[Row]:
    raise Missing("not installed: apt-get install it")
    yield


def bad(how: Run) -> Iterator[Row]:
    yield row("bad.first", 1.0)
    raise ValueError("secret\nsecond line")


HERE = {name: f"{__name__}:{name}" for name in ("good", "gone", "bad")}


def test_what_is_missing_says_so_and_what_breaks_does_not_stop_the_rest() -> None:
    said: list[str] = []
    report = harness.run({"gone": HERE["gone"], "bad": HERE["bad"], "good": HERE["good"]}, Run(2), said.append)
    rows = {one.name: one for one in report.rows}
    assert said == ["gone", "bad", "good"]
    assert rows["gone"].value is None
    assert rows["gone"].note == "not installed: apt-get install it"
    assert rows["bad"].note == "broken: ValueError: secret second line"
    assert rows["bad.first"].value == 1
    assert rows["good.one"].rounds == 2
    assert report.broken == ["bad"]


def test_a_part_that_is_not_there_yet_is_no_figure() -> None:
    places = {"part": f"{__name__}:never", "file": "tests.benchmarks.never:bench", "package": "tests.never.bench:a"}
    report = harness.run(places, Run(1))
    assert [one.note for one in report.rows] == [
        f"not there: {__name__}:never", "not there: tests.benchmarks.never", "not there: tests.never",
    ]  # fmt: skip
    assert all(one.value is None for one in report.rows)
    assert report.broken == []


def test_the_document_for_tracking(capsys: pytest.CaptureFixture[str]) -> None:
    assert harness.main({"good": HERE["good"], "gone": HERE["gone"]}, ["--json", "--rounds", "3"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert set(document) == {"format", "made", "machine", "versions", "load", "broken", "rows"}
    assert document["format"] == harness.FORMAT
    assert set(document["machine"]) == {"cores", "memory_mb", "system", "processor"}, "nothing that names the machine"
    assert {"python", "weasyprint"} <= set(document["versions"])
    assert len(document["load"]) == 2
    one, two = document["rows"]
    fields = ["name", "value", "unit", "low", "high", "rounds", "peer", "peer_value", "faster", "bar", "met", "note"]
    assert list(one) == fields
    assert (one["name"], one["value"], one["rounds"]) == ("good.one", 1.235, 3)
    assert two["value"] is None


def test_the_table_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert harness.main(HERE, ["--only", "good", "--only", "bad"]) == 1, "a benchmark broke"
    out = capsys.readouterr().out
    assert "good.one" in out
    assert "1.62 ×" in out
    assert "load" in out
    assert "gone" not in out


def test_an_unknown_name_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        harness.main(HERE, ["--only", "nothing"])
    assert stopped.value.code == 2
    assert "'nothing'" in capsys.readouterr().err


@pytest.mark.parametrize("place", BENCHMARKS.values())
def test_every_benchmark_is_there(place: str) -> None:
    assert callable(harness._found(place))


def test_names_of_rows_are_told_apart() -> None:
    names = sorted(sheet_bench._slug(kind.name) for kind in peers.ALL)
    assert all(one != other for one, other in pairwise(names))
    assert names == ["chromium_cold", "chromium_warm", "typst_warm", "weasyprint_s_cli", "wkhtmltopdf"]


# ---------------------------------------------------------------- peers
@pytest.mark.parametrize("kind", [kind for kind in peers.ALL if kind not in (peers.Typst, peers.WeasyPrint)])
def test_a_peer_that_is_not_installed_says_how(kind: type[peers.Peer], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert kind.missing().startswith("not installed: ")
    with pytest.raises(Missing, match="install"):
        kind().__enter__()


@pytest.mark.parametrize("kind", [peers.Typst, peers.WeasyPrint, peers.Warm])
def test_a_package_that_is_not_installed_says_how(kind: type[peers.Peer], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert kind.missing().startswith("not installed: pip install ")


def test_rows_of_a_missing_peer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "ALL", (peers.Wkhtmltopdf,))
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(sheet_bench, "ua1", lambda content: [])
    rows = {one.name: one for one in sheet_bench.files(Run(1))}
    assert rows["file.wkhtmltopdf"].note == "not installed: apt-get install wkhtmltopdf"
    assert rows["file.wkhtmltopdf"].value is None
    assert rows["file.clinic.sides"].value == 2


def test_the_page_for_peers_is_ours() -> None:
    page = pages.page(code="ABCD2345X")
    whole = peers.document(page)
    assert whole.count("<style>") == len(page.styles)
    assert all(text in whole for text in page.styles)
    assert "ABCD2345X" in whole


@pytest.mark.everything
@pytest.mark.parametrize("kind", peers.ALL)
def test_a_peer_draws_the_same_words_on_two_sides(kind: type[peers.Peer]) -> None:
    if kind is peers.Wkhtmltopdf and kind.missing():
        pytest.xfail("wkhtmltopdf is no part of the set-up: apt-get install wkhtmltopdf")
    with kind() as peer:
        content = peer.draw(peers.document(pages.page()))
    with pypdfium2.PdfDocument(content) as document:
        words = "".join(page.get_textpage().get_text_bounded() for page in document)
        assert len(document) == pages.SIDES
    for sentence in ("Our loop", "Choose one small moment", "and it goes round again", "Agree on one small step"):
        assert sentence in words


# ---------------------------------------------------------------- verdicts and counts
@pytest.fixture(scope="module")
def sheet() -> bytes:
    with pages.press() as press:
        return press.blank(pages.page())


def test_a_sheet_of_ours_passes_and_a_bad_file_fails(sheet: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verapdf, "missing", lambda: "Java")
    assert sheet_bench.ua1(sheet) == []
    assert sheet_bench.ua1(without_marks(sheet)) != []


@pytest.mark.everything
def test_verapdf_says_the_same(sheet: bytes) -> None:
    assert verapdf.missing() == ""
    assert sheet_bench.ua1(sheet) == []
    assert sheet_bench.ua1(without_marks(sheet)) != []


def without_marks(content: bytes) -> bytes:
    """The same file, no longer said to be tagged."""
    import io

    import pikepdf

    with pikepdf.open(io.BytesIO(content)) as file:
        del file.Root.MarkInfo
        del file.Root.StructTreeRoot
        out = io.BytesIO()
        file.save(out)
    return out.getvalue()


@pytest.mark.everything
def test_a_stamp_costs_next_to_nothing_beside_a_render() -> None:
    found = stamp_count.check()
    assert 0 < found["calls"] <= CALLS
    assert found["render"] > 100 * found["calls"], "the counter counts"
    assert found["ratio"] >= FASTER


# ---------------------------------------------------------------- the command
def test_without_a_checkout_one_plain_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "checkout", lambda: None)
    run = CliRunner().invoke(command, ["bench"])
    assert "in the checkout" in str(run.exception)
    assert run.exception.exit == 2


def test_the_command_hands_its_options_on(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[list[str]] = []
    monkeypatch.setattr(subprocess, "call", lambda words, cwd: given.append([*words, str(cwd)]) or 0)
    run = CliRunner().invoke(command, ["bench", "--json", "--only", "warm", "--rounds", "3", "cold"])
    assert run.exit_code == 0
    options = ["--json", "--rounds", "3", "--only", "warm", "cold"]
    assert given == [[sys.executable, "-m", "tests.benchmarks", *options, str(resources.checkout())]]


def test_the_command_prints_one_document() -> None:
    words = [sys.executable, "-m", "clinic.cli", "bench", "--json", "far"]
    run = subprocess.run(words, cwd=resources.checkout(), capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    document = json.loads(run.stdout)
    assert [(one["name"], one["value"]) for one in document["rows"]] == [("far", None)]
    assert document["rows"][0]["note"].startswith("only with --long")


def test_other_machines_are_started_as_their_benchmark_takes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {"distinct": 500, "double": 0, "lost": 0, "killed": 3, "states": {"done": 500}, "seconds": 60.0}
    drawn = create_autospec(far_bench.run, return_value=found)
    monkeypatch.setattr(far_bench, "run", drawn)
    rows = list(far_rows.bench(Run(1, long=True)))
    assert all(one.met for one in rows if one.bar)
    assert [one.args[1] for one in drawn.call_args_list] == list(far_rows.WORKERS)
    assert not any(one.kwargs["hosts"] for one in drawn.call_args_list), "that needs root"


def test_the_price_of_the_audit_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_bench, "TIMES", 1)
    report = harness.run({"audit": BENCHMARKS["audit"]}, Run(1))
    assert not report.broken
    assert [one.name for one in report.rows] == ["audit.commit", "audit.query"]


def test_each_file_is_a_door_of_its_own() -> None:
    modules = {place.partition(":")[0] for place in BENCHMARKS.values()}
    for path in (resources.checkout() / f"{module.replace('.', '/')}.py" for module in modules):
        assert 'if __name__ == "__main__":' in path.read_text("utf-8"), path.name
