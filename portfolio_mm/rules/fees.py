"""Fees of the venue as fractions of notional, negative for a rebate.

    taker = base * (1 - staking) * (1 - referral) * s' * g * a,   maker likewise without a

with s' = 1 + s for a deployer fee scale s < 1 and 2 s otherwise, g = 0.1 in growth mode, and for
aligned collateral a = 0.8 (1 - d) + d where d is the deployer's share of the fee. A maker with a
large enough share of all maker volume gets a rebate in place of the maker fee; discounts and the
deployer scale leave rebates alone, growth mode does not.
"""

from __future__ import annotations

from typing import NamedTuple


class FeeRates(NamedTuple):
    """Fractions of notional, negative for a rebate."""

    taker: float
    maker: float


VOLUME_TIERS = (
    (0.0, 4.5e-4, 1.5e-4),
    (5e6, 4.0e-4, 1.2e-4),
    (25e6, 3.5e-4, 0.8e-4),
    (100e6, 3.0e-4, 0.4e-4),
    (500e6, 2.8e-4, 0.0),
    (2e9, 2.6e-4, 0.0),
    (7e9, 2.4e-4, 0.0),
)
"""Weighted 14-day volume in USD above which a taker and a maker rate apply."""

REBATE_TIERS = ((0.005, -0.1e-4), (0.015, -0.2e-4), (0.03, -0.3e-4))
"""Share of 14-day maker volume above which a rebate applies."""

STAKING_TIERS = (
    (10.0, 0.05),
    (100.0, 0.10),
    (1_000.0, 0.15),
    (10_000.0, 0.20),
    (100_000.0, 0.30),
    (500_000.0, 0.40),
)
"""Staked HYPE above which a discount applies."""

REFERRAL_DISCOUNT = 0.04
GROWTH_SCALE = 0.1
ALIGNED_SCALE = 0.8


def fee_rates(
    *,
    volume_usd: float = 0.0,
    maker_share: float = 0.0,
    staked_hype: float = 0.0,
    referred: bool = False,
    deployer_scale: float = 0.0,
    growth: bool = False,
    aligned: bool = False,
) -> FeeRates:
    """Return the taker and maker rates of an account on one perpetual.

    Parameters
    ----------
    volume_usd
        Weighted volume of the last 14 days, USD.
    maker_share
        Share of the venue's maker volume of the last 14 days, fraction.
    staked_hype
        HYPE staked.
    referred
        Whether the referral discount is active.
    deployer_scale
        Fee scale of the asset's deployer; 0 on the venue's own markets.
    growth
        Whether the asset is in growth mode.
    aligned
        Whether the collateral is an aligned quote token.
    """
    _, taker, maker = next(tier for tier in reversed(VOLUME_TIERS) if volume_usd >= tier[0])
    rebate = min((r for share, r in REBATE_TIERS if maker_share > share), default=0.0)
    staking = max((d for amount, d in STAKING_TIERS if staked_hype > amount), default=0.0)
    discount = (1.0 - staking) * (1.0 - REFERRAL_DISCOUNT * referred)
    scale = 1.0 + deployer_scale if deployer_scale < 1.0 else 2.0 * deployer_scale
    deployer = deployer_scale / (1.0 + deployer_scale) if deployer_scale < 1.0 else 0.5
    alignment = ALIGNED_SCALE * (1.0 - deployer) + deployer if aligned else 1.0
    mode = GROWTH_SCALE if growth else 1.0
    return FeeRates(
        taker=taker * discount * scale * mode * alignment,
        maker=mode * (rebate if rebate < 0.0 else maker * discount * scale),
    )
