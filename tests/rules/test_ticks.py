"""The price and size grids against a slow decimal reference."""

from __future__ import annotations

import json
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portfolio_mm.rules import ticks

DATA = Path(__file__).parents[3] / "shared" / "data" / "hyperliquid"

decimals = st.integers(0, 6)
prices = st.floats(1e-6, 1e7)
sides = st.sampled_from([1, -1])


def valid(price: Decimal, sz_decimals: int) -> bool:
    """Apply the published rule to a decimal number."""
    if price <= 0:
        return False
    price = price.normalize()
    exponent = price.as_tuple().exponent
    assert isinstance(exponent, int)
    if exponent >= 0:
        return True
    return len(price.as_tuple().digits) <= 5 and -exponent <= 6 - sz_decimals


def reference(price: float, sz_decimals: int, side: int) -> Decimal:
    """Round with decimals: the first candidate grid, coarse to fine, decides."""
    exact = Decimal(price)
    rounding = ROUND_FLOOR if side > 0 else ROUND_CEILING
    significant = max(min(4 - exact.adjusted(), 6 - sz_decimals), 0)
    places = min(significant, 6 - sz_decimals)
    return exact.quantize(Decimal(1).scaleb(-places), rounding=rounding)


@given(prices, decimals, sides)
def test_rounding_agrees_with_decimals(price: float, sz_decimals: int, side: int) -> None:
    expected = reference(price, sz_decimals, side)
    result = ticks.round_price(price, sz_decimals, side)
    if float(expected) != result:
        # Within 1e-9 of a valid price the price is that price, whichever side it is on.
        assert abs(result / price - 1) <= 1e-9
        expected = Decimal(repr(float(result)))
    assert float(expected) == result
    if result > 0:
        assert valid(expected, sz_decimals)
    else:
        assert side == 1
        assert price < 10.0 ** -(6 - sz_decimals)


@given(prices, decimals, sides)
def test_rounding_is_idempotent_and_survives_noise(price: float, sz: int, side: int) -> None:
    once = ticks.round_price(price, sz, side)
    if once == 0:
        return
    for noisy in (once, once * (1 + 4e-16), once * (1 - 4e-16), once * (1 + 5e-10)):
        assert ticks.round_price(noisy, sz, side) == once
        assert ticks.round_price(noisy, sz, -side) == once


@given(prices, decimals)
def test_no_valid_price_lies_between_neighbours(price: float, sz: int) -> None:
    units = int(ticks.to_units(price, sz, -1))
    assert bool(ticks.valid_units(units, sz))
    up = int(ticks.tick_units(units, sz, 1))
    down = int(ticks.tick_units(units, sz, -1))
    assert bool(ticks.valid_units(units + up, sz))
    assert units - down == 0 or bool(ticks.valid_units(units - down, sz))
    near = {1, up // 2, up - 1, up // 10} | {up * k // 10 for k in range(1, 10)}
    assert not any(bool(ticks.valid_units(units + k, sz)) for k in near if 0 < k < up)
    near = {1, down // 2, down - 1} | {down * k // 10 for k in range(1, 10)}
    assert not any(bool(ticks.valid_units(units - k, sz)) for k in near if 0 < k < down)


@given(st.integers(1, 10**11), decimals)
def test_validity_of_units_is_the_published_rule(units: int, sz: int) -> None:
    assert bool(ticks.valid_units(units, sz)) == valid(Decimal(units).scaleb(sz - 6), sz)


@given(st.integers(1, 10**11), decimals)
def test_units_and_lots_round_trip(count: int, sz: int) -> None:
    assert ticks.to_lots(ticks.from_lots(count, sz), sz) == count
    assert Decimal(ticks.price_text(count, sz)) == Decimal(count).scaleb(sz - 6)
    assert Decimal(ticks.size_text(count, sz)) == Decimal(count).scaleb(-sz)
    assert float(ticks.price_text(count, sz)) == ticks.from_units(count, sz)
    assert float(ticks.size_text(count, sz)) == ticks.from_lots(count, sz)


@given(st.floats(1e-7, 1e8), decimals)
def test_sizes_round_down(size: float, sz: int) -> None:
    result = ticks.round_size(size, sz)
    assert result <= size * (1 + 1e-9)
    assert result + 10.0**-sz > size * (1 - 1e-9)


def test_published_examples() -> None:
    """1234.5 is a price where 1234.56 is not; 0.001234 is one at szDecimals 0, not at 1."""
    assert ticks.round_price(1234.56, 1, 1) == 1234.5
    assert ticks.round_price(1234.56, 1, -1) == 1234.6
    assert ticks.round_price(0.001234, 0, 1) == 0.001234
    assert ticks.round_price(0.0012345, 0, 1) == 0.001234
    assert ticks.round_price(0.012345, 1, 1) == 0.01234
    assert ticks.round_price(123456.0, 1, 1) == 123456.0
    assert ticks.round_price(123456.7, 1, -1) == 123457.0
    assert ticks.price_text(1_234_500, 3) == "1234.5"
    assert ticks.price_text(1_000_000, 3) == "1000"
    assert ticks.price_text(12, 0) == "0.000012"
    assert ticks.size_text(1_001, 4) == "0.1001"


def test_neighbours_across_a_power_of_ten() -> None:
    units = int(ticks.to_units(1000.0, 2, 1))
    assert ticks.tick_units(units, 2, 1) == 1_000
    assert ticks.tick_units(units, 2, -1) == 100


@pytest.mark.parametrize("price", [0.0, -1.0, float("nan"), float("inf"), 1e300])
def test_no_price_is_zero(price: float) -> None:
    assert ticks.round_price(price, 2, 1) == 0.0
    assert ticks.round_price(price, 2, -1) == 0.0
    assert ticks.round_size(price, 2) == 0.0


def test_arrays_broadcast_as_scalars_do() -> None:
    rng = np.random.default_rng(5)
    sz = rng.integers(0, 7, 12)
    price = np.exp(rng.normal(4, 3, (12, 2, 3)))
    side = np.array([1, -1])[:, None]
    result = ticks.round_price(price, sz[:, None, None], side)
    assert result.shape == price.shape
    for (i, s, level), value in np.ndenumerate(result):
        assert value == ticks.round_price(float(price[i, s, level]), int(sz[i]), 1 - 2 * s)
    assert np.all(result[:, 0] <= price[:, 0] * (1 + 1e-9))
    assert np.all(result[:, 1] >= price[:, 1] * (1 - 1e-9))


@pytest.mark.skipif(not DATA.exists(), reason="recorded data is not here")
def test_recorded_prices_are_valid() -> None:
    """Every recorded mark and oracle price of the HIP-3 markets is on the grid."""
    metas = json.loads((DATA / "hip3_2026-09-24" / "meta_dex_xyz.json").read_text())["universe"]
    frame = json.loads((DATA / "nautilus" / "ws_all_dexs_asset_ctxs.json").read_text())
    contexts = dict(frame.get("data", frame)["ctxs"])["xyz"]
    assert {m["szDecimals"] for m in metas} == {0, 1, 2, 3, 4, 5}
    checked = 0
    for meta, context in zip(metas, contexts, strict=False):
        sz = meta["szDecimals"]
        for key in ("markPx", "oraclePx"):
            price = float(context[key])
            if price > 0 and context["midPx"] is not None:
                assert ticks.round_price(price, sz, 1) == price, (meta["name"], key)
                assert Decimal(ticks.price_text(int(ticks.to_units(price, sz, 1)), sz)) == Decimal(
                    context[key]
                )
                checked += 1
    assert checked > 100
