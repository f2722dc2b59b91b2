"""Philox against the known answers of Random123, and the regimes against their promises."""

from __future__ import annotations

import numpy as np
import pytest

from hotfire_testframework.numerics.philox import philox4x32, words
from hotfire_testframework.numerics.regimes import Regime, tensor

# Random123 1.14, tests/kat_vectors, "philox4x32 10": counter, key, result.
KNOWN_ANSWERS = [
    (
        "00000000 00000000 00000000 00000000",
        "00000000 00000000",
        "6627e8d5 e169c58d bc57ac4c 9b00dbd8",
    ),
    (
        "ffffffff ffffffff ffffffff ffffffff",
        "ffffffff ffffffff",
        "408f276d 41c83b0e a20bc7c6 6d5451fd",
    ),
    (
        "243f6a88 85a308d3 13198a2e 03707344",
        "a4093822 299f31d0",
        "d16cfe09 94fdcceb 5001e420 24126ea1",
    ),
]


def _hex(text: str) -> list[int]:
    return [int(word, 16) for word in text.split()]


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN_ANSWERS)
def test_philox_gives_the_known_answers_of_its_authors(
    counter: str, key: str, expected: str
) -> None:
    first, second = _hex(key)
    result = philox4x32(np.array(_hex(counter), np.uint64)[:, None], (first, second))
    assert result[:, 0].tolist() == _hex(expected)


def test_an_element_depends_on_its_index_and_not_on_the_length() -> None:
    assert np.array_equal(words(7, 1, 100)[:, :10], words(7, 1, 10))
    assert not np.array_equal(words(7, 1, 10), words(7, 2, 10))
    assert not np.array_equal(words(7, 1, 10), words(7 + (1 << 32), 1, 10))


def test_normal_data_has_mean_zero_and_unit_variance() -> None:
    values = tensor(Regime.NORMAL, 1, 0, (100_000,)).astype(np.float64)
    assert abs(values.mean()) < 0.015
    assert abs(values.var() - 1) < 0.02


def test_exact_data_is_small_sparse_integers() -> None:
    values = tensor(Regime.EXACT, 3, 0, (1000,))
    assert set(np.unique(values).tolist()) == {-2.0, -1.0, 0.0, 1.0, 2.0}
    assert 0.3 < (values == 0).mean() < 0.5


def test_edge_data_holds_both_zeros_a_denormal_and_the_largest_halves() -> None:
    values = tensor(Regime.EDGE, 5, 0, (2000,))
    assert {65504.0, -65504.0, 1.0} <= set(values.tolist())
    assert ((values == 0) & np.signbit(values)).any()
    assert ((values > 0) & (values < 1e-38)).any()
    assert np.isfinite(values).all()


def test_wide_data_spans_25_binades() -> None:
    exponents = np.frexp(np.abs(tensor(Regime.WIDE, 2, 0, (2000,))))[1] - 1
    assert (exponents.min(), exponents.max()) == (-12, 12)


def test_nonfinite_data_stands_only_where_the_seed_says() -> None:
    values = tensor(Regime.NONFINITE, 100, 0, (970,))
    places = np.flatnonzero(~np.isfinite(values))
    assert places.tolist() == [3 + 97 * step for step in range(10)]
