"""Words, doors and twins once more, where PostgreSQL's four roles share the work and row-level security is on.

The tests are those of `test_canaries`, `test_doors` and `test_twins`; here is the house that they are asked of. Its
pages know their own role and the keyholder's, and no other.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

import psycopg
import pytest

from clinic import config
from clinic.config import Settings
from clinic.domain.errors import Denied
from clinic.persistence import row_security, slots
from clinic.persistence.engine import make_engine
from clinic.press.press import Press
from clinic.services import audit_log, backup, cases, records
from clinic.services.audit_log import Filters
from clinic.services.instance import init_instance
from tests.persistence.databases import server
from tests.persistence.roles import Shared, shared_database
from tests.security import test_canaries as canaries
from tests.security import test_doors as doors
from tests.security import test_twins as twins
from tests.web.conftest import peopled, press

__all__ = ["press"]
pytestmark = pytest.mark.everything
TWINS = ("open", "other", "hold", "R3")


@dataclass(frozen=True)
class Ground:
    """A server, and a new clinic on it for each house; `data` is what the server has on its disk."""

    folder: Path
    cluster: str
    number: Iterator[int]

    @property
    def data(self) -> Path:
        return Path(self.cluster)

    def clinic(self, **named: str) -> Settings:
        """What its pages are started with, once its owner has made it."""
        shared = shared_database(self.cluster)
        environment = {f"CLINIC_{name.upper()}": value for name, value in named.items()}
        environment |= {"CLINIC_DATABASE_URL": shared.web, "CLINIC_KEYHOLDER_DATABASE_URL": shared.keyholder}
        settings = config.load(self.folder / str(next(self.number)) / "i", environment)
        owners = replace(settings, owner_database_url=shared.owner)
        init_instance(owners, factors=False, recovery=slots.new_recovery_key())
        return settings


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with server() as cluster:
        yield Ground(tmp_path_factory.mktemp("roles"), cluster, count())


def assert_held(house: canaries.House | doors.House | twins.House) -> None:
    """Else all of this would be asked of a role that sees everything."""
    engine = make_engine(house.store.settings.database_url)
    with engine.connect() as connection:
        assert row_security.active(connection)
        assert row_security.lacking(connection) == []
    engine.dispose()


class TestWords:
    """No word of one reader, or of staff, where it does not belong."""

    @pytest.fixture(scope="class")
    @classmethod
    def house(cls, ground: Ground, press: Press) -> Iterator[canaries.House]:
        settings = ground.clinic()
        yield from canaries.housed(settings.instance.parent, settings, press)

    def test_row_security_stands_behind_it(self, house: canaries.House) -> None:
        assert_held(house)

    @pytest.mark.parametrize("name", ["anna", "sue"])  # all the others: `TestDoors`
    def test_routes(self, house: canaries.House, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Of fewer records, and with one form: the paper of each reader is in `test_allowed`."""
        monkeypatch.setattr(canaries, "SOME", canaries.SOME[1:4])
        monkeypatch.setattr(canaries, "FIELDS", canaries.FIELDS[:1])
        canaries.test_no_route_gives_anybody_a_word_that_is_not_theirs(house, name)

    def test_packs(self, house: canaries.House) -> None:
        canaries.test_a_pack_has_the_words_of_its_readers_and_no_others(house, "b")

    test_allowed = staticmethod(canaries.test_what_is_allowed_is_really_there)
    test_log = staticmethod(canaries.test_no_log_line_holds_a_word_or_an_address)

    def test_no_file_of_the_clinic_or_the_server_holds_a_word(
        self, house: canaries.House, ground: Ground, tmp_path: Path
    ) -> None:
        """PostgreSQL's tables, its log of writes and its temporary files; and the backup that the owner makes."""
        canaries.printed(house, house.enter("anna"), canaries.FIELDS[2])
        name = house.store.engine.url.database
        with psycopg.connect(host=ground.cluster, user="clinic", dbname=name, autocommit=True) as connection:
            connection.execute("CHECKPOINT")
            (table,) = connection.execute("SELECT pg_relation_filepath('part')").fetchone() or ("",)
        owners = replace(house.store.settings, owner_database_url=Shared(ground.cluster, str(name)).owner)
        made = backup.make(replace(house.store, settings=owners), tmp_path / "one.age")
        found = canaries.files(house) | {str(one): one.read_bytes() for one in ground.data.rglob("*") if one.is_file()}
        found["backup"] = made.path.read_bytes()
        assert found[str(ground.data / "data" / table)]
        assert any(b"case_changes" in one for one in found.values()), "what is not sealed is found"
        for path, content in found.items():
            assert canaries.seen(house.words, content) == set(), path


class TestDoors:
    """Who gets what behind every door."""

    @pytest.fixture(scope="class")
    @classmethod
    def house(cls, ground: Ground, press: Press) -> Iterator[doors.House]:
        settings = ground.clinic(print_when="approved")
        yield from doors.housed(settings, press)

    def test_row_security_stands_behind_it(self, house: doors.House) -> None:
        assert_held(house)

    @pytest.mark.parametrize(
        ("endpoint", "method"), [one for one in doors.TABLE if not one[0].startswith(doors.SPOILS)]
    )
    def test_each_cell(self, house: doors.House, endpoint: str, method: str) -> None:
        """Of all doors but those of one's own session, which meet no row of a case."""
        doors.test_each_cell(house, endpoint, method)

    def test_who_only_reads_is_refused_as_such_and_the_audit_names_the_case(self, house: doors.House) -> None:
        """PostgreSQL locks a row for nobody who may not write it: to lock first would hide the record from the line."""
        record = records.start(house.store, house.token("ana"), house.case, "session", "couple")
        with pytest.raises(Denied):
            records.autosave(house.store, house.token("alf"), record, "tab", 1, {})
        (line, *_) = audit_log.page(house.store, house.token("ana"), Filters("denied")).lines
        code = cases.name(house.store, house.token("ana"), house.case).code
        assert (line.account, line.tried, line.why, line.case) == ("Alf", "record.autosave", "Denied", code)


class TestTwins:
    """Two cases that A cannot tell apart."""

    @pytest.fixture(scope="class")
    @classmethod
    def house(cls, ground: Ground, press: Press) -> Iterator[twins.House]:
        settings = ground.clinic()
        some = [one for one in twins.EVERY if one.name in TWINS]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(twins, "PRINTED", [*twins.PRINTED[::4], ("whats_underneath", "a"), ("our_cycle", "joint")])
            patch.setattr(twins, "WHOLE", TWINS)
            made = replace(peopled(settings), folder=settings.instance.parent)
            yield from twins.housed(made, settings, press, some)

    @pytest.fixture(scope="class")
    @classmethod
    def open_pages(cls, house: twins.House) -> twins.Shown:
        return twins.first_layer(house, "open")

    @pytest.fixture(scope="class")
    @classmethod
    def refusals(cls, open_pages: twins.Shown) -> dict[str, str]:
        return {name: open_pages.pages[name] for name in open_pages.closed}

    def test_row_security_stands_behind_it(self, house: twins.House) -> None:
        assert_held(house)

    @pytest.mark.parametrize("name", TWINS[1:])
    def test_pages(self, house: twins.House, open_pages: twins.Shown, refusals: dict[str, str], name: str) -> None:
        twins.test_outside_the_staff_layer_no_page_tells_twins_apart(house, open_pages, refusals, name)

    @pytest.mark.parametrize("name", TWINS[1:])
    def test_packs(self, house: twins.House, name: str) -> None:
        twins.test_the_look_of_a_pack_tells_no_twins_apart(house, name)

    test_exports = staticmethod(twins.test_an_export_tells_nothing_of_the_other_or_of_a_gate)
