"""Fees against rates seen on recorded fills and the published schedule."""

from __future__ import annotations

import pytest

from portfolio_mm.rules.fees import fee_rates


def test_recorded_fills_of_an_aligned_growth_market() -> None:
    """flx:CRCL, referred account: taker 0.7775 bp, maker 0.2878 bp, to the fills' rounding."""
    rates = fee_rates(referred=True, deployer_scale=1.0, growth=True, aligned=True)
    assert rates.taker == pytest.approx(0.7775e-4, abs=2e-8)
    assert rates.maker == pytest.approx(0.2878e-4, abs=3e-8)


@pytest.mark.parametrize(
    ("volume", "taker", "maker"),
    [
        (0.0, 4.5e-4, 1.5e-4),
        (6e6, 4.0e-4, 1.2e-4),
        (30e6, 3.5e-4, 0.8e-4),
        (200e6, 3.0e-4, 0.4e-4),
        (1e9, 2.8e-4, 0.0),
        (3e9, 2.6e-4, 0.0),
        (8e9, 2.4e-4, 0.0),
    ],
)
def test_volume_tiers(volume: float, taker: float, maker: float) -> None:
    assert fee_rates(volume_usd=volume) == pytest.approx((taker, maker))


def test_deployed_markets() -> None:
    """At fee scale one a market costs double, in growth mode a tenth of that."""
    assert fee_rates(deployer_scale=1.0) == pytest.approx((9.0e-4, 3.0e-4))
    assert fee_rates(deployer_scale=1.0, growth=True) == pytest.approx((0.9e-4, 0.3e-4))
    assert fee_rates(deployer_scale=0.5) == pytest.approx((6.75e-4, 2.25e-4))


def test_fee_is_continuous_where_the_deployer_scale_is_one() -> None:
    below = fee_rates(deployer_scale=1.0 - 1e-9)
    assert below == pytest.approx(fee_rates(deployer_scale=1.0))


def test_staking_discounts() -> None:
    taker = [fee_rates(staked_hype=s).taker for s in (0, 11, 101, 1001, 1e4 + 1, 1e5 + 1, 6e5)]
    expected = [1, 0.95, 0.9, 0.85, 0.8, 0.7, 0.6]
    assert taker == pytest.approx([4.5e-4 * e for e in expected])


def test_rebates_ignore_discounts_and_deployer_but_not_growth_mode() -> None:
    for share, rebate in ((0.006, -0.1e-4), (0.02, -0.2e-4), (0.04, -0.3e-4)):
        kept = fee_rates(maker_share=share, staked_hype=1e6, deployer_scale=1.0).maker
        assert kept == pytest.approx(rebate)
        grown = fee_rates(maker_share=share, deployer_scale=1.0, growth=True).maker
        assert grown == pytest.approx(0.1 * rebate)
