"""Quantised blocks against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from hotfire_testframework.numerics.blocks import FORMATS, Q4_1, Q8_0
from hotfire_testframework.numerics.errors import NumericsError
from hotfire_testframework.numerics.regimes import Regime, tensor


def test_q8_0_stores_the_scale_as_a_half_and_codes_as_signed_bytes() -> None:
    values = np.zeros(32, np.float32)
    values[:3] = (127.0, -64.0, 1.0)
    raw = Q8_0.quantise(values)
    assert raw[:2].tolist() == [0x00, 0x3C]  # 1.0 in binary16, little endian
    assert raw[2:5].view(np.int8).tolist() == [127, -64, 1]
    assert Q8_0.dequantise(raw)[:4].tolist() == [127.0, -64.0, 1.0, 0.0]


def test_q4_1_puts_element_16_into_the_high_nibble_of_byte_0() -> None:
    values = np.zeros(32, np.float32)
    values[0], values[16], values[31] = 3.0, 15.0, 7.0
    raw = Q4_1.quantise(values)
    assert raw[:4].tolist() == [0x00, 0x3C, 0x00, 0x00]  # d = 1, m = 0
    assert (raw[4], raw[19]) == (3 | 15 << 4, 7 << 4)
    assert Q4_1.dequantise(raw).tolist() == values.tolist()


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_small_integers_survive_the_exact_quantiser(name: str) -> None:
    values = tensor(Regime.EXACT, 9, 0, (320,))
    form = FORMATS[name]
    assert np.array_equal(form.dequantise(form.quantise_exact(values)), values)


@pytest.mark.parametrize(("name", "steps"), [("q8_0", 127), ("q4_1", 15 / 2)])
def test_quantising_errs_by_at_most_half_a_step_and_the_rounding_of_the_scale(
    name: str, steps: float
) -> None:
    values = tensor(Regime.UNIFORM, 9, 0, (3200,))
    form = FORMATS[name]
    error = np.abs(form.dequantise(form.quantise(values)) - values)
    assert error.max() <= 0.5 / steps + 2.0**-10


def test_a_row_that_is_no_multiple_of_32_is_refused() -> None:
    with pytest.raises(NumericsError, match="multiple of 32"):
        Q4_1.row_bytes(33)
