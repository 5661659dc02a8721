"""One sheet of two sides, `our_cycle`, ours and by what others would use: `python -m tests.benchmarks.sheet_bench`.

Warm: programs that are there already. Cold: started for one page. Then what their files are like, and the memory.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from shutil import rmtree

from clinic.domain.code import new_code
from clinic.domain.page import SLOTS, Page
from clinic.press import fonts
from clinic.press.press import Press
from tests import verapdf
from tests.benchmarks import pages, peers, stamp_count
from tests.benchmarks.harness import Act, Bar, Figure, Missing, Row, Run, absent, children, main, pss, row

STAMPS = 20  # stamped one after the other in a round: one alone is too short to time
PACK = 200
WARM, COLD = peers.Warm.name, peers.Cold.name


def warm(how: Run) -> Iterator[Row]:
    """Ours against programs that stay: each has drawn this sheet before."""
    one = pages.page(code=SLOTS["code"], date=SLOTS["date"])
    words = _words()
    whole = one.with_words(words)
    html = peers.document(whole)
    with ExitStack() as stack:
        press = stack.enter_context(pages.press())
        works: dict[str, Act] = {
            "reused child": lambda: press.blank(whole),
            "fresh child": lambda: pages.fresh(press, whole),
        }
        why = stamping(press, one, works)
        there, gone = _there(stack, (peers.Warm, peers.Typst))
        works |= {peer.name: _drawing(peer, html) for peer in there}
        if chromium := next((peer for peer in there if isinstance(peer, peers.Warm)), None):
            works["Chromium, only print"] = chromium.again
        found, worked = how.costs(works, {"stamped": STAMPS})
    beside = _beside(found, WARM)
    yield row("sheet.full.reused_child", found["reused child"], peer=beside, bar=Bar("faster", ">=", 1 / 1.5))
    yield row("sheet.full.fresh_child", found["fresh child"], peer=beside, bar=Bar("faster", ">=", 0.5))
    for kind, least in (("reused_child", 1 / 1.5), ("fresh_child", 1 / 2)):
        figure = worked[kind.replace("_", " ")]
        yield row(f"sheet.processor.{kind}", figure, peer=_beside(worked, WARM), bar=Bar("faster", ">=", least))
    stamped = Bar("faster", ">=", 50)
    if why:
        yield absent("sheet.stamped", why, stamped)
    else:
        yield row("sheet.stamped", found["stamped"], peer=beside, bar=stamped)
        again = _beside(found, "Chromium, only print")
        yield row("sheet.stamped_against_print_only", found["stamped"], peer=again, note="Chromium keeps the page")
        yield row("sheet.processor.stamped", worked["stamped"], peer=_beside(worked, WARM), bar=stamped)
    yield from _others(found, there, gone, "sheet")


def stamping(press: Press, page: Page, works: dict[str, Act]) -> str:
    """Add the stamping of sheets to what is timed; why not, if it is not there."""
    try:
        stamp_count.check()
    except Missing as missing:
        return str(missing)
    press.given(page, _words())
    works["stamped"] = lambda: [press.given(page, _words()) for _ in range(STAMPS)]
    return ""


def pack(how: Run) -> Iterator[Row]:
    """200 sheets alike, stamped and joined: from the page to one file."""
    stamp_count.check()
    page = pages.page(code=SLOTS["code"], date=SLOTS["date"])
    with pages.press() as press:

        def whole() -> bytes:
            return press.joined([press.given_all(page, [_words() for _ in range(PACK)])])

        first = how.seconds(whole) * 1000
        content = whole()
        if pages.sides(content) != PACK * pages.SIDES:
            raise AssertionError("the pack has not the sides it should have")
        took = how.figures({"pack": whole})["pack"]
    note = f"the first, its page compiled and a child begun: {first:.0f} ms"
    yield row("pack.200_alike", took, bar=Bar("value", "<=", 1000), note=note)
    yield row("pack.200_alike.size", len(content) / 1024, "KB")
    yield from _verdict("pack.200_alike", content)


def cold(how: Run) -> Iterator[Row]:
    """From the command line to the file, each time a new process; the disk is warm for all."""
    html = peers.document(pages.page())
    with ExitStack() as stack, tempfile.TemporaryDirectory() as folder:
        works: dict[str, Act] = {
            "clinic print, kept": Printing(Path(folder), keep=True),
            "clinic print, new": Printing(Path(folder), keep=False),
        }
        there, gone = _there(stack, (peers.Cold, peers.Wkhtmltopdf, peers.WeasyPrint))
        works |= {peer.name: _drawing(peer, html) for peer in there}
        found = how.figures(works)
    beside = _beside(found, COLD)
    yield row("print.cold.in_disk_cache", found["clinic print, kept"], peer=beside, bar=Bar("faster", ">=", 4))
    yield row("print.cold.not_in_disk_cache", found["clinic print, new"], peer=beside, bar=Bar("faster", ">=", 1 / 1.3))
    yield from _others(found, there, gone, "print.cold")


def files(how: Run) -> Iterator[Row]:
    """Size, sides, memory and PDF/UA-1 of what each makes of the same page."""
    page = pages.page()
    html = peers.document(page)
    before = children()
    with pages.press() as press:
        content = press.blank(page)
        yield from _file("clinic", content, pss(*(children() - before)))
    for kind in peers.ALL:
        name = _slug(kind.name)
        if why := kind.missing():
            yield absent(f"file.{name}", why)
            continue
        with kind() as peer:
            yield from _file(name, peer.draw(html), peer.memory(html))


class Printing:
    """`clinic print` of the blank sheet in a cache folder of its own, which is emptied before or not."""

    def __init__(self, folder: Path, keep: bool) -> None:
        self._cache = folder / ("kept" if keep else "new")
        self._out, self._keep = folder / "sheet.pdf", keep
        self._cache.mkdir()
        (self._cache / "fonts").symlink_to(fonts.folder())

    def __call__(self) -> None:
        if not self._keep:
            rmtree(self._cache / "blanks", ignore_errors=True)
        command = [sys.executable, "-m", "clinic.cli", "print", pages.SHEET, "--out", str(self._out)]
        environment = {**os.environ, "CLINIC_CACHE_PATH": str(self._cache)}
        subprocess.run(command, check=True, capture_output=True, env=environment)


def ua1(content: bytes) -> list[str]:
    """The rules of PDF/UA-1 that a file breaks: by veraPDF, or by page-validation where Java is missing."""
    if verapdf.missing():
        from tests import pdf

        return pdf.ua1(content)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "page.pdf")
        path.write_bytes(content)
        return verapdf.check([path])[path]


def _words() -> dict[str, str]:
    return {"code": new_code(), "date": pages.DAY}


def _there(stack: ExitStack, kinds: tuple[type[peers.Peer], ...]) -> tuple[list[peers.Peer], list[tuple[str, str]]]:
    """The peers that could be started, and name and reason of the others."""
    there, gone = [], []
    for kind in kinds:
        if why := kind.missing():
            gone.append((kind.name, why))
        else:
            there.append(stack.enter_context(kind()))
    return there, gone


def _drawing(peer: peers.Peer, html: str) -> Callable[[], bytes]:
    return lambda: peer.draw(html)


def _beside(found: dict[str, Figure], name: str) -> tuple[str, Figure] | None:
    return (name, found[name]) if name in found else None


def _others(
    found: dict[str, Figure], there: list[peers.Peer], gone: list[tuple[str, str]], start: str
) -> Iterator[Row]:
    for peer in there:
        yield row(f"{start}.{_slug(peer.name)}", found[peer.name])
    for name, why in gone:
        yield absent(f"{start}.{_slug(name)}", why)


def _file(name: str, content: bytes, memory: float) -> Iterator[Row]:
    yield row(f"file.{name}.size", len(content) / 1024, "KB")
    yield row(f"file.{name}.sides", pages.sides(content), "count")
    yield row(f"file.{name}.memory", memory, "MB", note="PSS, all its processes")
    yield from _verdict(f"file.{name}", content)


def _verdict(name: str, content: bytes) -> Iterator[Row]:
    broken = ua1(content)
    by = "page-validation" if verapdf.missing() else "veraPDF"
    ours = name.startswith(("file.clinic", "pack."))
    words = f"fails PDF/UA-1 ({by}): {broken[0][:70]}" if broken else f"passes PDF/UA-1 ({by})"
    yield row(f"{name}.ua1_rules_broken", len(broken), "count", bar=Bar("value", "<=", 0) if ours else None, note=words)


def _slug(name: str) -> str:
    return "".join(one if one.isalnum() else "_" for one in name.lower()).replace("__", "_").strip("_")


if __name__ == "__main__":
    names = ("warm", "pack", "cold", "files")
    raise SystemExit(main({name: f"tests.benchmarks.sheet_bench:{name}" for name in names}))
