"""For every test: no network beyond this machine, and what `--everything` means."""

import ipaddress
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings

# How long an example takes is a matter of the machine; benchmarks measure, tests do not.
settings.register_profile("calm", deadline=None)
settings.load_profile("calm")


# Lines for the end of the run: what a reader of the log must know although nothing failed.
SAID = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[SAID] = []


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):  # a process of pytest-xdist: its lines go to the one that reports
        session.config.workeroutput["said"] = session.config.stash[SAID]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    node.config.stash[SAID] += getattr(node, "workeroutput", {}).get("said", [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for line in config.stash[SAID]:
        terminalreporter.write_line(line)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--everything", action="store_true", help="run what is marked so; a skip fails")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect what is marked `everything`, not skip it: a skip always means that something is amiss."""
    if config.getoption("--everything"):
        return
    left_out = [item for item in items if item.get_closest_marker("everything")]
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=left_out)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    report: Any = yield
    return _skip_is_failure(item.config, report)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[None]:
    report: Any = yield
    return _skip_is_failure(collector.config, report)


def _skip_is_failure(config: pytest.Config, report: Any) -> Any:
    if report.skipped and not hasattr(report, "wasxfail") and config.getoption("--everything"):
        report.outcome = "failed"
        report.longrepr = f"skipped, but --everything allows no skip: {report.longrepr}"
    return report


def _on_this_machine(address: object) -> bool:
    if not isinstance(address, tuple):
        return True  # a UNIX socket
    host = str(address[0])
    try:
        return ipaddress.ip_address(host.split("%")[0]).is_loopback
    except ValueError:
        return host in {"localhost", ""}


@pytest.fixture(autouse=True, scope="session")
def _no_network() -> Iterator[None]:
    """Refuse every connection and name look-up that leaves this machine, before it is tried."""
    patch = pytest.MonkeyPatch()
    for name in ("connect", "connect_ex", "sendto"):
        patch.setattr(socket.socket, name, _guarded(getattr(socket.socket, name)))
    look_up = socket.getaddrinfo

    def getaddrinfo(host: Any, *arguments: Any, **named: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        _refuse_unless(name is None or _on_this_machine((name,)), name)
        return look_up(host, *arguments, **named)

    patch.setattr(socket, "getaddrinfo", getaddrinfo)
    yield
    patch.undo()


def _guarded(method: Any) -> Any:
    def checked(self: socket.socket, *arguments: Any) -> Any:
        _refuse_unless(_on_this_machine(arguments[-1]), arguments[-1])
        return method(self, *arguments)

    return checked


def _refuse_unless(allowed: bool, where: object) -> None:
    if not allowed:
        raise RuntimeError(f"tests stay on this machine; somebody wanted {where}")
