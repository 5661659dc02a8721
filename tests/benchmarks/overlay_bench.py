"""How long a process takes to hear of an edit in a language with 15,000 messages: medians in ms.

    python -m tests.benchmarks.overlay_bench [--rounds 60] [--messages 15000]

The bar is 5 ms for the reload after one edit. Run it when nothing else runs.
"""

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from clinic import config, resources
from clinic.domain.definition import Text
from clinic.i18n.catalogue import catalogue
from clinic.i18n.po import Message, rendered
from clinic.persistence.keyview import request
from clinic.persistence.store import Store
from clinic.services import accounts, overlay, spoken
from clinic.services.definitions import definitions
from clinic.services.instance import init_instance

PASSWORD = "only for this benchmark 1"
TITLE = definitions()["our_cycle"].title
PAGE = "Worksheets and handouts"


def large(folder: Path, messages: int) -> None:
    """Catalogues in `folder` as the program has them, Spanish with so many messages more; the program reads them."""
    shutil.copytree(resources.translations(), folder, dirs_exist_ok=True)
    po = folder / "es" / "LC_MESSAGES" / "handouts.po"
    more = (
        Message(f"bench.block{number}.label", f"English sentence {number} of many", (f"Frase {number} de muchas",))
        for number in range(messages - len(catalogue("es")._entries))
    )
    po.write_text("\n\n".join([po.read_text("utf-8").rstrip("\n"), *map(rendered, more)]) + "\n", "utf-8")
    resources.translations = lambda: folder


def main() -> None:
    """Print one line for each measure."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=60)
    arguments.add_argument("--messages", type=int, default=15_000)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        large(Path(folder) / "translations", given.messages)
        settings = config.load(Path(folder) / "i", {})
        init_instance(settings, factors=False)
        store = Store.attach(settings)
        for name, times in measured(store, given.rounds).items():
            low, middle, high = statistics.quantiles(times) if len(times) > 1 else times * 3
            print(f"{name:34} {middle:8.2f} ms   ({low:.2f} to {high:.2f})")
        store.close()


def measured(store: Store, rounds: int) -> dict[str, list[float]]:
    """How long each took, by what happened."""
    for name, role in (("admin", "admin"), ("tom", "translator")):
        accounts.create_account(store, name, PASSWORD, role=role)
    token = accounts.sign_in(store, "tom", PASSWORD)
    boss, tom = accounts.sign_in(store, "admin", PASSWORD), accounts.find(store, "tom").id
    overlay.grant(store, boss, tom, "es")
    known = Text("bench.block7.label", "English sentence 7 of many")
    found: dict[str, list[float]] = {"the first time, from the file": [_took(lambda: _spoken(store))]}
    overlay.propose(store, token, "es", "handouts", TITLE.key, {"": "Nuestro ciclo"}, 0)
    overlay.propose(store, token, "es", "messages", PAGE, {"": "Hojas"}, 0)
    _spoken(store)  # the English of the program is read once
    assert len(spoken.entries(store, "es", "handouts")) > rounds
    for number in range(1, rounds + 1):
        overlay.propose(store, token, "es", "handouts", TITLE.key, {"": f"Ciclo {number}"}, number)
        found.setdefault("after an edit of a handout", []).append(_took(lambda: _spoken(store)))
        overlay.propose(store, token, "es", "messages", PAGE, {"": f"Hojas {number}"}, number)
        found.setdefault("after an edit of a page", []).append(_took(lambda: _spoken(store)))
        found.setdefault("when nothing was edited", []).append(_took(lambda: _spoken(store)))
    assert spoken.book(store, "es").text(known) == "Frase 7 de muchas"
    assert spoken.book(store, "es").text(TITLE) == f"Ciclo {rounds}"
    return found


def _spoken(store: Store) -> None:
    with request():
        spoken.book(store, "es")
        spoken.interface(store, "es")


def _took(work: Callable[[], None]) -> float:
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1000


if __name__ == "__main__":
    main()
