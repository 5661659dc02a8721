"""Which passwords are refused, and why."""

import subprocess
import sys

import pytest

from clinic.domain.answer import WRONG
from clinic.services import passwords


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("short", "password_short"),
        ("fourteen chars", "password_short"),
        ("x" * 1025, "password_long"),
        ("a" * 40, "password_plain"),
        ("abababababababab", "password_plain"),
        ("12345678901234567890", "password_common"),
        ("2026-11-22 2025-10-03", "password_common"),
        ("password1234567", "password_common"),
        ("P@ssw0rd!!!!2026", "password_common"),
        ("PasswordPassword", "password_common"),
        ("Couples-Therapy-2026!", "password_common"),
        ("our clinic counsellor", "password_common"),
        ("ClinicCl1nicClinic", "password_common"),
        ("Paartherapie Praxis 1", "password_common"),
        ("qwertyuiopqwertyuiop", "password_common"),
        ("anna.miller 11/2026", "password_common"),
        ("Anna Miller Anna 12", "password_common"),
        ("Miller counsellor 1", "password_common"),
        ("abcdefabcdefabcdef", "password_common"),
    ],
)
def test_refused(password: str, why: str) -> None:
    assert passwords.problem(password, ("anna", "Anna Miller")) == why
    assert WRONG[why]


@pytest.mark.parametrize(
    "password",
    [
        "a long made-up passphrase",
        "correct horse battery staple",
        "nine small green kettles",
        "the clinic cat eats tulips",  # the words of the place are welcome among others
        "سبعة قطط تشرب الحليب",
        "七只猫在屋顶上喝牛奶吃鱼呢真好",
        "vR7#kq!2mZx9&Lw0",
        "dragon teapot umbrella",
    ],
)
def test_taken(password: str) -> None:
    assert passwords.problem(password, ("anna", "Anna Miller")) is None


def test_eight_are_enough_beside_a_second_factor() -> None:
    assert passwords.problem("k7#Lw9zq") == "password_short"
    assert passwords.problem("k7#Lw9zq", least=passwords.BESIDE) is None
    assert passwords.problem("baseball", least=passwords.BESIDE) == "password_common"
    assert passwords.problem("Therapy1", least=passwords.BESIDE) == "password_common"


def test_the_long_list_is_read_only_when_a_password_is_chosen() -> None:
    code = "import sys, clinic.services.factors; print({'zxcvbn', 'webauthn'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_two_ways_to_type_a_letter_are_one_password() -> None:
    class Holder:
        def peppered(self, password: str) -> str:
            return password

    class Store:
        keyholder = Holder()

    kept = passwords.hashed(Store(), "Ü is one letter, or two")  # type: ignore[arg-type]
    assert passwords.fits(Store(), kept, "U\u0308 is one letter, or two")  # type: ignore[arg-type]
    assert not passwords.fits(Store(), kept, "U is one letter, or two")  # type: ignore[arg-type]
    assert not passwords.fits(Store(), None, "nobody")  # type: ignore[arg-type]
    assert not passwords.fits(Store(), "no hash", "x")  # type: ignore[arg-type]


def test_a_temporary_one_is_never_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    bad, good = "w2e2-l2c2-o2m2-e222-2222", "wnq4-hm7c-ax5b-tdk8-r2zu"
    drawn = iter((bad + good).replace("-", ""))
    monkeypatch.setattr(passwords.secrets, "choice", lambda _: next(drawn))
    assert passwords.problem(bad) == "password_common"
    assert passwords.temporary() == good
