"""Build hook: the wheel carries forms, templates and compiled catalogues under `clinic/_assets`.

An editable install needs none of it, the checkout itself is the asset root. Nothing is written into the
working tree: catalogues are compiled in a scratch folder. The PO files go along because the state of a
translation (draft, reviewed, approved) stands in their comments.
"""

import shutil
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ASSETS = ("forms", "templates", "translations")
LEFT_OUT = {".mo", ".pot", ".py", ".pyc"}


class CustomBuildHook(BuildHookInterface):
    """Map the asset folders into a wheel and add one compiled catalogue for each PO file."""

    scratch: Path | None = None

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the assets to `build_data`; raise PoFileError for a catalogue that does not parse."""
        if self.target_name != "wheel" or version == "editable":
            return
        root, include = Path(self.root), build_data["force_include"]
        for path in (p for name in ASSETS for p in sorted((root / name).rglob("*"))):
            if path.is_file() and path.suffix not in LEFT_OUT:
                include[str(path)] = f"clinic/_assets/{path.relative_to(root).as_posix()}"
        self.scratch = Path(tempfile.mkdtemp(prefix="secure-base-"))
        for po in sorted((root / "translations").glob("*/LC_MESSAGES/*.po")):
            inside = po.relative_to(root).with_suffix(".mo")
            include[str(compiled(po, self.scratch / inside))] = f"clinic/_assets/{inside.as_posix()}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the scratch folder."""
        if self.scratch:
            shutil.rmtree(self.scratch)


def compiled(po: Path, mo: Path) -> Path:
    """Compile one catalogue. Fuzzy messages stay out: their source changed and nobody looked yet."""
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    mo.parent.mkdir(parents=True, exist_ok=True)
    with po.open("rb") as source, mo.open("wb") as target:
        write_mo(target, read_po(source, abort_invalid=True))
    return mo
