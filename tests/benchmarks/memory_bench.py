"""Memory of web process, zygote and child after many prints: `python -m tests.benchmarks.memory_bench`. Linux only.

Starts a demo of its own, signs in over HTTP, prints one filled sheet a hundred times and adds up the proportional
set size (PSS, MB) of the server and everything below it, looking while a sheet is being drawn.
"""

import argparse
import http.cookiejar
import json
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request
from pathlib import Path


def pss(pid: int) -> dict[int, float]:
    """PSS in MB of a process and everything it started, by process."""
    found, queue = {}, [pid]
    while queue:
        one = queue.pop()
        try:
            text = Path(f"/proc/{one}/smaps_rollup").read_text()
            found[one] = int(re.search(r"^Pss:\s+(\d+)", text, re.M).group(1)) / 1024
            for task in Path(f"/proc/{one}/task").iterdir():
                queue += [int(child) for child in (task / "children").read_text().split()]
        except (OSError, AttributeError):
            continue
    return found


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


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--prints", type=int, default=100)
    prints = arguments.parse_args().prints
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "clinic.cli", "--instance", f"{folder}/demo", "demo", "--port", str(port)]
        subprocess.run([*command, "--no-serve"], check=True, stdout=subprocess.DEVNULL)  # the second start is the usual
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            print(json.dumps(measure(server, f"http://localhost:{port}", prints)))
        finally:
            server.terminate()
            server.wait()


def measure(server: subprocess.Popen, base: str, prints: int) -> dict[str, float]:
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
            found = pss(server.pid)
            if sum(found.values()) > most.get("total", 0):
                most.update(total=round(sum(found.values()), 1), web=round(found[server.pid], 1), processes=len(found))
            time.sleep(0.02)

    watcher = threading.Thread(target=watch)
    watcher.start()
    for _ in range(prints):
        page = visitor.post(f"/cases/{case}/print", **paper, ink="full", record="", do="look").decode()
        seen = re.search(r'name="seen" value="([0-9a-f]+)"', page).group(1)
        pdf = visitor.post(f"/cases/{case}/print", **paper, ink="full", record="", do="print", seen=seen)
        assert pdf.startswith(b"%PDF"), pdf[:200]
    done.set()
    watcher.join()
    maps = Path(f"/proc/{server.pid}/maps").read_text()
    return {"prints": prints, **most, "pango_in_web": float("libpango" in maps)}


if __name__ == "__main__":
    main()
