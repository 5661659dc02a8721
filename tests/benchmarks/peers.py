"""What others would print the same page with. Each peer: `missing()`, and a context in which `draw` returns a PDF.

All get the same HTML and CSS, the same fonts, and turn one string of HTML (typst: its code) into the bytes of a file.
"""

import asyncio
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from clinic.domain.page import Page
from clinic.press import fonts
from tests.benchmarks.harness import Missing, children, pss, tree

HERE = Path(__file__).parent
NICE = 10  # of the children of the press
LOOK = 0.01  # s between two looks at the memory of a program that is soon over
TYPST = """
import os, sys, typst
os.nice(10)
source, folder = sys.argv[1:]
made = typst.Compiler(source, font_paths=[folder], ignore_system_fonts=True)
for line in sys.stdin:
    content = made.compile(format="pdf", sys_inputs={"code": line.strip()}, pdf_standards=["ua-1"])
    sys.stdout.buffer.write(len(content).to_bytes(8, "big") + content)
    sys.stdout.buffer.flush()
"""


# wkhtmltopdf crashes where only our fonts are there: it gets them beside those of the system.
BESIDE = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">
<fontconfig><include>/etc/fonts/fonts.conf</include><dir>{folder}</dir></fontconfig>
"""


def document(page: Page) -> str:
    """A page as one file of HTML with its styles inside."""
    styles = "".join(f"<style>{text}</style>" for text in page.styles)
    return page.html.replace("</head>", styles + "</head>", 1)


def environment() -> dict[str, str]:
    """Ours, with the fonts of the sheets and no others."""
    return {**os.environ, "FONTCONFIG_FILE": str(fonts.config())}


def yielding(*roots: int) -> None:
    """Let a program yield to others as the children of our press do: on a busy machine it would seem faster."""
    for process in tree(roots):
        for task in Path(f"/proc/{process}/task").glob("*"):  # each thread has a niceness of its own
            with suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, int(task.name), NICE)


def chromium() -> str:
    """The program. Raises Missing."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not found:
        raise Missing("not installed: apt-get install chromium")
    return found


class Peer:
    """A program that stays: started once, asked often."""

    name = ""

    @classmethod
    def missing(cls) -> str:
        """What to do to get it; "" if it is here."""
        return ""

    def __enter__(self) -> "Peer":
        if why := self.missing():
            raise Missing(why)
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def draw(self, html: str) -> bytes:
        """The PDF of this document."""
        raise NotImplementedError

    def memory(self, html: str) -> float:
        """MB of all its processes, after a page."""
        raise NotImplementedError


class Warm(Peer):
    """Chromium, its pages kept, steered by Playwright: each document is set into a page and printed, with tags."""

    name = "Chromium, warm"

    def __init__(self, pages: int = 1) -> None:
        self._count = pages

    @classmethod
    def missing(cls) -> str:
        if not importlib.util.find_spec("playwright"):
            return "not installed: pip install playwright"
        try:
            chromium()
        except Missing as missing:
            return str(missing)
        return ""

    def start(self) -> None:
        self._before = children()
        self._loop = asyncio.Runner()
        self._loop.run(self._start())
        yielding(*(children() - self._before))

    async def _start(self) -> None:
        from playwright.async_api import async_playwright

        self._driver = await async_playwright().start()
        self._browser = await self._driver.chromium.launch(
            executable_path=chromium(), args=["--no-sandbox"], env=environment()
        )
        # A context each, so that each page has a process of its own.
        self._pages = [await (await self._browser.new_context()).new_page() for _ in range(self._count)]

    def stop(self) -> None:
        async def stop() -> None:
            await self._browser.close()
            await self._driver.stop()

        self._loop.run(stop())
        self._loop.close()

    def draw(self, html: str) -> bytes:
        return self._loop.run(self._draw(self._pages[0], html))

    def again(self) -> bytes:
        """The document that is already there, only printed once more."""
        return self._loop.run(self._print(self._pages[0]))

    def draw_all(self, documents: Sequence[str]) -> list[bytes]:
        """All of them, each page taking the next as soon as it is free."""
        left, done = list(documents)[::-1], []

        async def work(page: object) -> None:
            while left:
                done.append(await self._draw(page, left.pop()))

        async def all_() -> None:
            await asyncio.gather(*(work(page) for page in self._pages))

        self._loop.run(all_())
        return done

    async def _draw(self, page: object, html: str) -> bytes:
        await page.set_content(html)  # type: ignore[attr-defined]
        return await self._print(page)

    async def _print(self, page: object) -> bytes:
        return await page.pdf(  # type: ignore[attr-defined,no-any-return]
            tagged=True, prefer_css_page_size=True, print_background=True
        )

    def memory(self, html: str) -> float:
        self.draw(html)
        return pss(*(children() - self._before))


class Program(Peer):
    """A program that starts, draws one file and ends."""

    def start(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="clinic-bench-")
        self._source, self._out = (Path(self._folder.name) / name for name in ("page.html", "page.pdf"))

    def stop(self) -> None:
        self._folder.cleanup()

    def command(self) -> list[str]:
        """What draws `self._source` into `self._out`."""
        raise NotImplementedError

    def draw(self, html: str) -> bytes:
        self._source.write_text(html, "utf-8")
        self._out.unlink(missing_ok=True)
        subprocess.run(self.command(), env=self.environment(), check=True, capture_output=True)
        return self._out.read_bytes()

    def memory(self, html: str) -> float:
        self._source.write_text(html, "utf-8")
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return highest(subprocess.Popen(self.command(), env=self.environment(), **quiet))

    def environment(self) -> dict[str, str]:
        """What it runs with."""
        return environment()


class Cold(Program):
    """Chromium, started for one page."""

    name = "Chromium, cold"

    @classmethod
    def missing(cls) -> str:
        with suppress(Missing):
            return "" if chromium() else ""
        return "not installed: apt-get install chromium"

    def command(self) -> list[str]:
        flags = ["--headless", "--no-sandbox", "--no-pdf-header-footer", f"--user-data-dir={self._folder.name}/profile"]
        return [chromium(), *flags, f"--print-to-pdf={self._out}", self._source.as_uri()]


class Wkhtmltopdf(Program):
    """wkhtmltopdf with the page's size and margins on its command line: it reads no @page."""

    name = "wkhtmltopdf"

    @classmethod
    def missing(cls) -> str:
        return "" if shutil.which("wkhtmltopdf") else "not installed: apt-get install wkhtmltopdf"

    def command(self) -> list[str]:
        paper = ["-s", "A4", "-T", "17mm", "-R", "20mm", "-B", "19mm", "-L", "25mm", "--quiet"]
        return ["wkhtmltopdf", *paper, str(self._source), str(self._out)]

    def environment(self) -> dict[str, str]:
        config = Path(self._folder.name, "fonts.conf")
        config.write_text(BESIDE.format(folder=fonts.folder()), "utf-8")
        # Debian's build then wants no screen.
        return {**os.environ, "FONTCONFIG_FILE": str(config), "QT_QPA_PLATFORM": "offscreen"}


class WeasyPrint(Program):
    """WeasyPrint's own command, PDF/UA-1 asked for, started for one page."""

    name = "WeasyPrint's CLI"

    @classmethod
    def missing(cls) -> str:
        return "" if importlib.util.find_spec("weasyprint") else "not installed: pip install weasyprint"

    def command(self) -> list[str]:
        options = ["--pdf-variant", "pdf/ua-1", "--quiet"]
        return [sys.executable, "-m", "weasyprint", *options, str(self._source), str(self._out)]


class Typst(Peer):
    """typst, kept in a process: the sheet as `our_cycle.typ`, set by hand; each time with another code in its footer.

    It keeps what it laid out the last time, so this is its best case.
    """

    name = "typst, warm"
    _codes = 0

    @classmethod
    def missing(cls) -> str:
        return "" if importlib.util.find_spec("typst") else "not installed: pip install typst"

    def start(self) -> None:
        command = [sys.executable, "-c", TYPST, str(HERE / "our_cycle.typ"), str(fonts.folder())]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()

    def draw(self, html: str = "") -> bytes:
        self._codes += 1
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(b"%09d\n" % self._codes)
        self._process.stdin.flush()
        size = self._process.stdout.read(8)
        if len(size) < 8:
            raise RuntimeError("typst ended")
        return self._process.stdout.read(int.from_bytes(size, "big"))

    def memory(self, html: str = "") -> float:
        self.draw()
        return pss(self._process.pid)


ALL: tuple[type[Peer], ...] = (Warm, Cold, Wkhtmltopdf, Typst, WeasyPrint)


def highest(process: "subprocess.Popen[bytes]") -> float:
    """The most MB that a program and what it started took until it ended."""
    most = 0.0
    ended = threading.Event()
    while not ended.wait(LOOK):
        most = max(most, pss(process.pid))
        if process.poll() is not None:
            ended.set()
    return most
