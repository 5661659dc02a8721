"""How long a process takes to hear of an edit in a language with 15,000 messages: medians in ms.

python -m tests.benchmarks.overlay_bench [--rounds 60]
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

from clinic import resources
from clinic.domain.definition import Text
from clinic.i18n.catalogue import catalogue
from clinic.i18n.po import Message, rendered
from clinic.persistence.keyview import request
from clinic.persistence.store import Store
from clinic.services import accounts, overlay, spoken
from clinic.services.definitions import definitions
from tests.benchmarks.caseload import PASSWORD, empty
from tests.benchmarks.harness import Bar, Figure, Row, Run, alone, row, scratch

MESSAGES = 15_000
LEAST = 20  # rounds
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


def bench(how: Run) -> Iterator[Row]:
    """ms until a process speaks the new words."""
    usual = resources.translations
    with scratch() as folder:
        try:
            large(folder / "translations", MESSAGES)
            with empty(folder / "i") as store:
                found = measured(store, how)
        finally:
            resources.translations = usual
    for name, times in found.items():
        yield row(f"overlay.{name}", Figure.of(times), bar=Bar("value", "<=", 5) if "edit" in name else None)


def measured(store: Store, how: Run) -> dict[str, list[float]]:
    """ms that each took, by what happened."""
    rounds = max(how.rounds, LEAST)

    def took() -> float:
        return how.seconds(lambda: _spoken(store)) * 1000

    for name, role in (("admin", "admin"), ("tom", "translator")):
        accounts.create_account(store, name, PASSWORD, role=role)
    token = accounts.sign_in(store, "tom", PASSWORD)
    boss, tom = accounts.sign_in(store, "admin", PASSWORD), accounts.find(store, "tom").id
    overlay.grant(store, boss, tom, "es")
    known = Text("bench.block7.label", "English sentence 7 of many")
    found: dict[str, list[float]] = {"from_file": [took()]}
    overlay.propose(store, token, "es", "handouts", TITLE.key, {"": "Nuestro ciclo"}, 0)
    overlay.propose(store, token, "es", "messages", PAGE, {"": "Hojas"}, 0)
    _spoken(store)  # the English of the program is read once
    assert len(spoken.entries(store, "es", "handouts")) > rounds
    for number in range(1, rounds + 1):
        overlay.propose(store, token, "es", "handouts", TITLE.key, {"": f"Ciclo {number}"}, number)
        found.setdefault("edit_of_handout", []).append(took())
        overlay.propose(store, token, "es", "messages", PAGE, {"": f"Hojas {number}"}, number)
        found.setdefault("edit_of_page", []).append(took())
        found.setdefault("unchanged", []).append(took())
    assert spoken.book(store, "es").text(known) == "Frase 7 de muchas"
    assert spoken.book(store, "es").text(TITLE) == f"Ciclo {rounds}"
    return found


def _spoken(store: Store) -> None:
    with request():
        spoken.book(store, "es")
        spoken.interface(store, "es")


if __name__ == "__main__":
    alone("overlay", "tests.benchmarks.overlay_bench:bench")
