"""Memory of web process, zygote and child after many prints: `python -m tests.benchmarks.memory_bench`. Linux only.

Starts a demo of its own, signs in over HTTP, prints one filled sheet a hundred times and adds up the proportional
set size (PSS, MB) of the server and everything below it, looking while a sheet is being drawn.
"""

import http.cookiejar
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.harness import Bar, Row, Run, alone, pss_of, row

PRINTS = 100


class Visitor:
    """A browser without pictures: cookies, forms and their CSRF token."""

    def __init__(self, base: str) -> None:
        self.base = base
        jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self.opener = urllib.request.build_opener(jar)
        self.page = ""

    def get(self, path: str) -> str:
        self.page = self.opener.open(self.base + path).read().decode()
        return self.page

    def post(self, path: str, **fields: str) -> bytes:
        token = re.search(r'name="csrf_token" value="([^"]+)"', self.page).group(1)
        data = urllib.parse.urlencode({"csrf_token": token, **fields}).encode()
        return self.opener.open(self.base + path, data).read()


def bench(how: Run) -> Iterator[Row]:
    """The most that server, keyholder, zygote and children took together, and the server alone."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "clinic.cli", "--instance", f"{folder}/demo", "demo", "--port", str(port)]
        subprocess.run([*command, "--no-serve"], check=True, stdout=subprocess.DEVNULL)  # the second start is the usual
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            found = measure(server, f"http://localhost:{port}")
        finally:
            server.terminate()
            server.communicate()
    note = f"after {PRINTS} prints, {found['processes']:.0f} processes"
    yield row("web.memory", found["total"], "MB", note=note)
    yield row("web.memory.server", found["web"], "MB")
    yield row("web.layout_engine_in_server", found["engine"], "count", bar=Bar("value", "<=", 0))


def measure(server: "subprocess.Popen[str]", base: str) -> dict[str, float]:
    assert server.stdout
    for line in server.stdout:
        if "password" in line:
            password = line.split()[1]
            break
    for _ in range(100):
        try:
            visitor = Visitor(base)
            visitor.get("/sign-in")
            break
        except OSError:
            time.sleep(0.1)
    visitor.post("/sign-in", name="demo", password=password)
    case = re.search(r"/cases/([0-9a-f-]{36})\"[^>]*><bdi>K-1001", visitor.get("/")).group(1)
    visitor.get(f"/cases/{case}/print")
    paper = {"sheet": "our_cycle", "to": "joint", "locale": "en", "beside": "", "paper": "a4", "size": "normal"}
    most: dict[str, float] = {}
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            found = pss_of(server.pid)
            if sum(found.values()) > most.get("total", 0):
                most.update(total=sum(found.values()), web=found[server.pid], processes=len(found))
            time.sleep(0.02)

    watcher = threading.Thread(target=watch)
    watcher.start()
    for _ in range(PRINTS):
        page = visitor.post(f"/cases/{case}/print", **paper, ink="full", record="", do="pages").decode()
        seen = re.search(r'name="seen" value="([0-9a-f]+)"', page).group(1)
        pdf = visitor.post(f"/cases/{case}/print", **paper, ink="full", record="", do="print", seen=seen)
        assert pdf.startswith(b"%PDF"), pdf[:200]
    done.set()
    watcher.join()
    maps = Path(f"/proc/{server.pid}/maps").read_text()
    return {**most, "engine": float("libpango" in maps)}


if __name__ == "__main__":
    alone("web_memory", "tests.benchmarks.memory_bench:bench")
