"""Preflight: whether a configuration would quote, and from which half-spread on it would pay."""

from __future__ import annotations

import numpy as np

from portfolio_mm.belief import informed, volatility
from portfolio_mm.config import Config
from portfolio_mm.rules.ticks import MIN_NOTIONAL
from portfolio_mm.theory import glosten_milgrom
from portfolio_mm.theory.informed_flow import knowledge_variance
from portfolio_mm.types import Floats, Frozen, Universe


class AssetCheck(Frozen, frozen=True, kw_only=True):
    """What was found out about one asset before any data."""

    name: str
    margin_mode: str
    leverage: int
    max_leverage: float
    size_usd: float
    maker_fee_bps: float
    break_even_bps: float  # half-spread at which a fill earns nothing, from the priors
    complaint: str  # why it would not quote, empty if it would


class Preflight(Frozen, frozen=True, kw_only=True):
    """What was found out about the account and every asset."""

    name: str
    venue: str
    equity_usd: float
    margin_at_full_size_usd: float  # all reference sizes resting, both sides, all levels
    margin_limit_usd: float
    assets: tuple[AssetCheck, ...]

    @property
    def passed(self) -> bool:
        """Whether every asset would be quoted."""
        return not any(asset.complaint for asset in self.assets)


def preflight(config: Config, universe: Universe) -> Preflight:
    """Check a configuration against the instruments of its venue."""
    resting = 2 * config.actuary.levels * universe.size_usd / universe.leverage
    limit = (1.0 - config.account.margin_buffer) * config.venue.deposit_usd
    depth = 1e4 * _break_even(config, universe)
    checks = []
    for index, (asset, instrument) in enumerate(
        zip(config.assets, universe.instruments, strict=True)
    ):
        complaint = ""
        if instrument.size_usd < MIN_NOTIONAL:
            complaint = f"size_usd is below the smallest order of {MIN_NOTIONAL:g} USD"
        elif instrument.isolated and not asset.isolated_margin_usd:
            complaint = "it is isolated and isolated_margin_usd is 0"
        elif resting[index] > limit:
            complaint = "its reference sizes alone need more margin than the account offers"
        checks.append(
            AssetCheck(
                name=instrument.name,
                margin_mode="isolated" if instrument.isolated else "cross",
                leverage=instrument.leverage,
                max_leverage=instrument.tiers[0].max_leverage,
                size_usd=instrument.size_usd,
                maker_fee_bps=1e4 * instrument.maker_fee,
                break_even_bps=float(depth[index]),
                complaint=complaint,
            )
        )
    return Preflight(
        name=config.name,
        venue=type(config.venue).__name__.lower(),
        equity_usd=config.venue.deposit_usd,
        margin_at_full_size_usd=float(resting.sum()),
        margin_limit_usd=limit,
        assets=tuple(checks),
    )


def _break_even(config: Config, universe: Universe) -> Floats:
    """Return the break-even half-spread of each asset under the priors, (N,), fraction.

    From the Glosten–Milgrom floor on a fill earns what it loses; the fee comes on top.
    """
    prior, n = config.belief, len(universe)
    flow = informed.estimate(prior, informed.prior(n))
    stale_s = config.run.cycle_s + config.actuary.latency_s
    sigma = volatility.sigma(volatility.stationary(prior, n))
    variance = knowledge_variance(np.zeros(n), sigma, stale_s + flow.foresight_s)
    depth: Floats = universe.maker_fee + glosten_milgrom.floor(variance, flow.share, prior.decay)
    return depth
