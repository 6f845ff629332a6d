"""Preflight: whether a configuration would quote, for how long, and from which half-spread on it pays."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from portfolio_mm.belief import informed, volatility
from portfolio_mm.config import Config
from portfolio_mm.governor.requests import RESERVE
from portfolio_mm.rules.ticks import MIN_NOTIONAL
from portfolio_mm.theory import freshness, glosten_milgrom
from portfolio_mm.theory.informed_flow import knowledge_variance
from portfolio_mm.types import AccountState, Audit, Floats, Frozen, Universe
from portfolio_mm.venues.settings import Hyperliquid


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


class PoolCheck(Frozen, frozen=True, kw_only=True):
    """One collateral pool."""

    name: str
    equity_usd: float
    margin_at_full_size_usd: float  # all reference sizes of its assets resting
    complaint: str


class Finding(Frozen, frozen=True, kw_only=True):
    """One thing that was looked at."""

    what: str
    found: str
    complaint: str = ""


class Budget(Frozen, frozen=True, kw_only=True):
    """What the requests that are left buy, from the priors and without those that fills earn."""

    requests: float
    per_hour: float  # as planned
    hours: float  # that they last
    income_kept: float  # share of what quotes earn that are always in place
    quotes: int  # worth their requests


class Preflight(Frozen, frozen=True, kw_only=True):
    """What was found out about the account and every asset."""

    name: str
    venue: str
    equity_usd: float
    margin_at_full_size_usd: float  # all reference sizes resting, both sides, all levels
    margin_limit_usd: float
    assets: tuple[AssetCheck, ...]
    pools: tuple[PoolCheck, ...]
    budget: Budget
    findings: tuple[Finding, ...]

    @property
    def complaints(self) -> tuple[str, ...]:
        """Why it would not quote, or not all."""
        return (
            *(f"{one.name}: {one.complaint}" for one in self.assets if one.complaint),
            *(f"pool {one.name}: {one.complaint}" for one in self.pools if one.complaint),
            *(f"{one.what}: {one.complaint}" for one in self.findings if one.complaint),
        )

    @property
    def passed(self) -> bool:
        """Whether every asset would be quoted and nothing else stands against it."""
        return not self.complaints


class Standing(NamedTuple):
    """What a remote venue says of the account."""

    account: AccountState
    audit: Audit
    skew_s: float
    drilled: tuple[str, ...] | None  # what the fire drill complained of, None: there was none


def preflight(
    config: Config, universe: Universe, requests: float, standing: Standing | None = None
) -> Preflight:
    """Check a configuration against the instruments of its venue.

    Parameters
    ----------
    requests
        That the address may still send, where `standing` does not say.
    standing
        None where the account is simulated.
    """
    pools = len(universe.pools)
    if standing is None:
        equity = np.full(pools, getattr(config.venue, "deposit_usd", 0.0) / pools)
    else:
        equity, requests = standing.account.equity, standing.account.address_requests
    resting = 2 * config.actuary.levels * universe.size_usd / universe.leverage
    offered = (1.0 - config.account.margin_buffer) * equity
    return Preflight(
        name=config.name,
        venue=str(config.venue.__struct_config__.tag),
        equity_usd=float(equity.sum()),
        margin_at_full_size_usd=float(resting.sum()),
        margin_limit_usd=float(offered.sum()),
        assets=_assets(config, universe, resting, offered),
        pools=tuple(
            PoolCheck(
                name=name or "main",
                equity_usd=float(equity[pool]),
                margin_at_full_size_usd=float(resting[universe.pool == pool].sum()),
                complaint="" if equity[pool] > 0.0 else "it holds no equity",
            )
            for pool, name in enumerate(universe.pools)
        ),
        budget=_budget(config, universe, requests),
        findings=(*_settings(config), *(() if standing is None else _account(config, standing))),
    )


def _assets(
    config: Config, universe: Universe, resting: Floats, offered: Floats
) -> tuple[AssetCheck, ...]:
    """Check every asset against the margin (P,) that its pool offers."""
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
        elif resting[index] > offered[instrument.pool]:
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
    return tuple(checks)


def _settings(config: Config) -> tuple[Finding, ...]:
    """Say what the configuration leaves to be believed."""
    margin = config.account.resting_margin
    real = isinstance(config.venue, Hyperliquid) and config.venue.network == "mainnet"
    unverified = margin == "netted" and real
    return (
        Finding(
            what="resting margin",
            found=margin,
            complaint="nobody has verified that the venue nets it" if unverified else "",
        ),
    )


def _account(config: Config, standing: Standing) -> tuple[Finding, ...]:
    """Say how the account stands at the venue."""
    account, audit, skew = standing.account, standing.audit, standing.skew_s
    spent = min(account.address_requests, account.actions_left, account.ip_weight) <= RESERVE
    held = int(np.count_nonzero(audit.position))
    drill = standing.drilled
    return (
        Finding(
            what="clock",
            found=f"{skew:+.2f} s behind the venue",
            complaint=(
                "set the clock: it differs by more than kill.clock_skew_s"
                if abs(skew) > config.kill.clock_skew_s
                else ""
            ),
        ),
        Finding(
            what="requests",
            found=f"{account.address_requests:,.0f} of the address, {account.actions_left:,.0f} "
            f"actions today, weight {account.ip_weight:,.0f}",
            complaint="nothing is left beyond what the kill ladder needs" if spent else "",
        ),
        Finding(
            what="account",
            found=f"{len(audit.orders)} orders rest on these assets (what is not this run's is "
            f"cancelled), {held} positions"
            + (f"; elsewhere: {', '.join(audit.elsewhere)}" if audit.elsewhere else ""),
        ),
        Finding(
            what="kill path",
            found="not drilled: pmm check --live places and cancels one order per deployer"
            if drill is None
            else "drilled",
            complaint="; ".join(drill or ()),
        ),
    )


def _break_even(config: Config, universe: Universe) -> Floats:
    """Return the break-even half-spread of each asset under the priors, (N,), fraction.

    From the Glosten–Milgrom floor on a fill earns what it loses; the fee comes on top.
    """
    prior, n = config.belief, len(universe)
    flow = informed.estimate(prior, informed.prior(n))
    stale_s = config.run.cycle_s + config.actuary.latency_s
    variance = knowledge_variance(np.zeros(n), _sigma(config, n), stale_s + flow.foresight_s)
    depth: Floats = universe.maker_fee + glosten_milgrom.floor(variance, flow.share, prior.decay)
    return depth


def _budget(config: Config, universe: Universe, requests: float) -> Budget:
    """Return what the requests buy, of the quotes that the priors would make."""
    prior, levels = config.belief, config.actuary.levels
    best = _break_even(config, universe) + 1.0 / prior.decay
    ladder = np.arange(levels) * config.actuary.spacing / prior.decay
    depth = best[:, None, None] + np.zeros((2, 1)) + ladder
    usable = max(requests - RESERVE, 1.0)
    sigma = _sigma(config, len(universe))
    plan = freshness.plan(
        usable,
        config.governor.budget_horizon_s,
        freshness.income(prior.arrival, prior.decay, universe.size_usd[:, None, None], depth),
        (prior.decay * sigma[:, None, None]) ** 2,
        config.actuary.action_price_usd,
        config.actuary.action_price_limit_usd,
    )
    return Budget(
        requests=requests,
        per_hour=plan.requests_per_hour,
        hours=plan.hours,
        income_kept=plan.kept,
        quotes=plan.quotes,
    )


def _sigma(config: Config, n: int) -> Floats:
    """Return the prior volatility, (N,), 1/√s."""
    return volatility.sigma(volatility.stationary(config.belief, n))
