"""Build hook: the wheel carries forms, templates and compiled catalogues under `clinic/_assets`.

An editable install needs none of it: the checkout itself is the asset root. Nothing is written into the
working tree: catalogues are compiled in a scratch folder, by the code that compiles them in a checkout.
"""

import importlib.util
import shutil
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ASSETS = ("forms", "templates", "translations")
CATALOGUES = "LC_MESSAGES"
LEFT_OUT = {".pot", ".py", ".pyc"}


class CustomBuildHook(BuildHookInterface):
    """Map the asset folders into a wheel, and the compiled form of each PO file in its place."""

    scratch: Path | None = None

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the assets to `build_data`."""
        if self.target_name != "wheel" or version == "editable":
            return
        root, include = Path(self.root), build_data["force_include"]
        for path in assets(root):
            include[str(path)] = f"clinic/_assets/{path.relative_to(root).as_posix()}"
        self.scratch = Path(tempfile.mkdtemp(prefix="secure-base-"))
        for path in compiled(root, self.scratch):
            include[str(path)] = f"clinic/_assets/{path.relative_to(self.scratch).as_posix()}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the scratch folder."""
        if self.scratch:
            shutil.rmtree(self.scratch)


def assets(root: Path) -> list[Path]:
    """Return the files that go into a wheel as they are; catalogues do not."""
    files = (path for name in ASSETS for path in sorted((root / name).rglob("*")) if path.is_file())
    return [path for path in files if path.suffix not in LEFT_OUT and path.parent.name != CATALOGUES]


def compiled(root: Path, scratch: Path) -> list[Path]:
    """Compile every catalogue of `root` in `scratch`, under the same path."""
    made = []
    for po in sorted((root / "translations").glob(f"*/{CATALOGUES}/*.po")):
        copy = scratch / po.relative_to(root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        made.append(_compiling(root).compile_po(Path(shutil.copyfile(po, copy))))
    return made


def _compiling(root: Path) -> ModuleType:
    # By path: while we are being built, `clinic` cannot be imported.
    spec = importlib.util.spec_from_file_location("compiling", root / "clinic" / "i18n" / "compiling.py")
    assert spec and spec.loader  # noqa: S101, PT018 - the file is in every source tree
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
