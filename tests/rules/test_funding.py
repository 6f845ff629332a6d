"""Funding against recorded premiums, rates and market contexts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from portfolio_mm.rules import funding

DATA = Path(__file__).parents[3] / "shared" / "data" / "market"
recorded = pytest.mark.skipif(not DATA.exists(), reason="recorded data is not here")

PRESENT_RULE_NS = 1_702_335_600_000_000_000
"""2023-12-11 23:00 UTC: from here on the clamp is 0.0005."""


def load(name: str) -> pl.DataFrame:
    return pl.read_parquet(DATA / "funding" / name)


def matched(frame: pl.DataFrame, clamp: float) -> float:
    """Fraction of rows whose rate follows from their premium to the rounding of both."""
    rate = funding.hourly_rate(frame["premium"].to_numpy(), clamp=clamp)
    return float(np.mean(np.abs(rate - frame["funding_rate_1h"].to_numpy()) < 1e-9))


@recorded
def test_every_recorded_rate_since_the_present_rule() -> None:
    """All 33 792 rates of BTC and ETH (to 2025-11) and 1 356 of BTC and HYPE (2026) match."""
    long = load("hl_funding_premium_BTC_ETH_2023_2026.parquet")
    since = long.filter(pl.col("ts_ns") >= PRESENT_RULE_NS)
    recent = load("hl_funding_premium_2026-04_06.parquet")
    assert len(since) > 33_000
    assert matched(since, funding.CLAMP) == 1.0
    assert matched(recent, funding.CLAMP) == 1.0


@recorded
def test_older_rates_used_a_tighter_clamp() -> None:
    """Hourly rates before the present rule follow with clamp 0.0003 instead."""
    long = load("hl_funding_premium_BTC_ETH_2023_2026.parquet")
    autumn = long.filter(pl.col("ts_ns").is_between(1_696_118_400 * 10**9, PRESENT_RULE_NS - 1))
    assert matched(autumn, 3e-4) == 1.0
    assert matched(autumn, funding.CLAMP) < 0.6


@recorded
def test_recorded_base_rate_of_deployed_markets() -> None:
    """The commonest recorded xyz rate is half the interest rate: the multiplier scales it all."""
    markets = pl.read_parquet(DATA / "hip3" / "all_dexs_asset_ctxs_snapshot.parquet")
    live = markets.filter((pl.col("dex") == "xyz") & (pl.col("funding_rate_1h") != 0.0))
    rates = live["funding_rate_1h"].to_numpy()
    at_base = np.isclose(rates, funding.hourly_rate(0.0, multiplier=0.5), atol=1e-12)
    assert np.mean(at_base) > 0.2
    values, counts = np.unique(rates, return_counts=True)
    assert values[np.argmax(counts)] == pytest.approx(6.25e-6)


def test_shape_of_the_rate() -> None:
    """Interest inside the dead band, premium beyond it, the cap at the end."""
    premium = np.array([0.0, 5e-4, -3e-4, 2e-3, -2e-3, 1.0, -1.0])
    expected = np.array([1.25e-5, 1.25e-5, 1.25e-5, 1.5e-3 / 8, -1.5e-3 / 8, 0.04, -0.04])
    assert funding.hourly_rate(premium) == pytest.approx(expected)
    assert funding.hourly_rate(premium, multiplier=0.5) == pytest.approx(0.5 * expected)


def test_premiums() -> None:
    assert funding.premium(99.0, 101.0, 100.0) == 0.0
    assert funding.premium(101.0, 102.0, 100.0) == pytest.approx(0.01)
    assert funding.premium(97.0, 98.0, 100.0) == pytest.approx(-0.02)
    assert funding.deployed_premium(99.0, 102.0, 100.0) == pytest.approx(0.005)


def test_longs_pay_a_positive_rate() -> None:
    paid = funding.payment(np.array([2.0, -3.0]), np.array([100.0, 10.0]), np.array([1e-4, 1e-4]))
    assert paid == pytest.approx([0.02, -0.003])
