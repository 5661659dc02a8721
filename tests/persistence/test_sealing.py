"""Sealing: what goes in comes out, and nothing else opens."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from clinic.persistence.sealing import Damaged, bind, pad, padded_size, seal, unpad, unseal

KEY = AESGCM(bytes(32))
leaf = st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(st.characters())
json_values = st.recursive(leaf, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


@given(json_values, st.lists(st.text(), max_size=4))
def test_what_goes_in_comes_out(value: Any, fields: list[str]) -> None:
    assert unseal(KEY, seal(KEY, value, bind(*fields)), bind(*fields)) == value


def test_text_that_is_no_text_is_kept() -> None:
    assert unseal(KEY, seal(KEY, "\ud800", b""), b"") == "\ud800"


@given(st.binary(max_size=20_000))
def test_padding_can_be_taken_off(data: bytes) -> None:
    assert unpad(pad(data)) == data
    assert len(pad(data)) == padded_size(4 + len(data))


@given(st.integers(1, 2_000_000))
def test_sizes_go_in_steps(size: int) -> None:
    padded = padded_size(size)
    assert padded >= size
    assert padded % 256 == 0
    assert padded - size < (256 if size <= 4096 else size / 16 + 1)


def test_short_and_empty_values_are_alike() -> None:
    assert len({len(seal(KEY, value, b"")) for value in ({}, "no", {"answers": {"x": "y" * 200}})}) == 1


@given(st.lists(st.text(), max_size=4), st.lists(st.text(), max_size=4))
def test_bound_fields_cannot_be_shifted(one: list[str], two: list[str]) -> None:
    assert (bind(*one) == bind(*two)) == (one == two)


@pytest.mark.parametrize("place", [0, 1, 12, 13, -1])
def test_a_changed_byte_does_not_open(place: int) -> None:
    blob = bytearray(seal(KEY, "text", b"x"))
    blob[place] ^= 1
    with pytest.raises(Damaged):
        unseal(KEY, bytes(blob), b"x")


@pytest.mark.parametrize("blob", [b"", b"\x01", b"\x01" + bytes(12)])
def test_a_cut_blob_does_not_open(blob: bytes) -> None:
    with pytest.raises(Damaged):
        unseal(KEY, blob, b"x")


def test_another_place_does_not_open() -> None:
    blob = seal(KEY, "text", bind("part", 1))
    with pytest.raises(Damaged):
        unseal(KEY, blob, bind("part", 2))
