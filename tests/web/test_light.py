"""A web process that has printed holds none of what draws: that is in the children of the press, and goes with them."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

from clinic import resources
from tests.web.conftest import Made

ENGINE = {"weasyprint", "pikepdf", "pypdfium2", "fontTools", "PIL"}
PROGRAM = """
import json, sys
from pathlib import Path
from clinic import config
from clinic.app import create_app
from clinic.persistence.store import Store
from clinic.press.press import Press
from tests.web.conftest import post, print_

folder, token, case = sys.argv[1:]
paper = {"locale": "en", "beside": "", "paper": "a4", "size": "normal", "ink": "full"}
sheet = {"sheet": "signals_checkin", "to": "a", **paper}
settings = config.load(Path(folder), {})
store, press = Store.open(settings), Press()
try:
    client = create_app(settings, store, press).test_client()
    client.set_cookie("clinic_session", token)
    given = [
        print_(client, case, **sheet).data[:5].decode(),
        post(client, "/sheets", do="print", sheet="our_cycle", **paper).data[:5].decode(),
        "data:image/png" in post(client, f"/cases/{case}/print", do="pages", **sheet).get_data(as_text=True),
    ]
    modules = sorted({one.partition(".")[0] for one in sys.modules})
finally:
    press.stop()
    store.close()
print(json.dumps([given, modules]))
"""


def test_after_a_sheet_a_blank_and_pictures_no_engine_is_in_the_web_process(tmp_path: Path, made: Made) -> None:
    shutil.copytree(made.folder, tmp_path / "i")
    shutil.copy2(made.folder.with_name("i.key"), tmp_path / "i.key")
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "i"), made.tokens["ana"], made.ids[0]]
    run = subprocess.run(command, cwd=resources.checkout(), capture_output=True, text=True, check=False, timeout=300)
    assert run.returncode == 0, run.stderr[-2000:]
    given, modules = json.loads(run.stdout)
    assert given == ["%PDF-", "%PDF-", True]
    assert "flask" in modules
    assert not ENGINE & set(modules)
