"""The numbers of a report as records: plain, with units in their names, ready for JSON.

Fractions are fractions; only names that end in `_bps` are in basis points. None: not observed.
"""

from __future__ import annotations

import msgspec

from portfolio_mm.report.columns import Requests
from portfolio_mm.report.execution import Bucket
from portfolio_mm.report.trace import Trace

SIDES = ("bid", "ask")
ALL = "all"
"""The asset of a total, the side of both."""


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """What was run."""

    name: str
    venue: str
    seed: int | None
    start: str  # UTC
    end: str  # UTC
    hours: float
    cycles: int
    stopped: str
    complete: bool  # the journal was closed
    assets: tuple[str, ...]
    pools: tuple[str, ...]


class Headline(msgspec.Struct, frozen=True, kw_only=True):
    """The run in a dozen numbers."""

    opening_equity_usd: float
    pnl_usd: float
    return_fraction: float
    max_drawdown: float
    fills: int
    volume_usd: float
    fees_usd: float
    funding_usd: float
    time_quoted_both: float  # share of time, mean over assets
    peak_margin_use: float
    margin_limit: float


class Causes(msgspec.Struct, frozen=True, kw_only=True):
    """PnL in USD by cause, > 0 gained; the causes add up to the total."""

    asset: str
    spread: float
    adverse_selection: float
    inventory: float
    fees: float
    funding: float
    total: float


class Accounting(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the books agree, USD."""

    gross_attributed: float
    identity_residual: float  # equity last reported by the venue − equity attributed
    ledger_residual: float  # equity from fills and last marks − equity attributed
    account_age_s: float  # of the venue's last report
    reports: int  # cycles with a new report
    largest_report_residual: float  # over those, while a mark or a fill was on its way


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """How one side of an asset was quoted."""

    quoted: float  # share of time
    not_quoted: dict[str, float]  # share of time by reason, largest first


class AssetRow(msgspec.Struct, frozen=True, kw_only=True):
    """One asset."""

    asset: str
    time_quoted_both: float
    bid: Side
    ask: Side
    fills: int
    volume_usd: float
    pnl_usd: float
    inventory_usd: float  # at the end
    largest_inventory_usd: float  # in absolute value
    half_spread_bps: float | None  # time-weighted median of our best quotes
    volatility_per_day: float  # belief at the end, and so are the next three
    decay: tuple[float, float]  # 1/fraction
    arrival_per_s: tuple[float, float]
    informed: tuple[float, float]


class Markout(msgspec.Struct, frozen=True, kw_only=True):
    """Notional-weighted markout of the fills of an asset and side at one horizon."""

    asset: str
    side: str
    horizon_s: float
    fills: int
    mean_bps: float | None
    error_bps: float | None  # standard error


class Component(msgspec.Struct, frozen=True, kw_only=True):
    """What one asset adds to the risk of an inventory."""

    asset: str
    inventory_usd: float
    share_of_variance: float
    value_at_risk_usd: float
    expected_shortfall_usd: float


class Inventory(msgspec.Struct, frozen=True, kw_only=True):
    """Risk of an inventory held for a day; Gaussian tails."""

    time: str
    gross_usd: float
    net_usd: float
    volatility_usd: float
    confidence: float
    value_at_risk_usd: float
    expected_shortfall_usd: float
    components: tuple[Component, ...]


class Covariance(msgspec.Struct, frozen=True, kw_only=True):
    """The belief of the last cycle."""

    volatility_per_day: tuple[float, ...]
    correlation: tuple[tuple[float, ...], ...]


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """Predictions in buckets against what came."""

    fill_probability: tuple[Bucket, ...]
    markout_10s: tuple[Bucket, ...]  # fractions


class FillRow(msgspec.Struct, frozen=True, kw_only=True):
    """One fill."""

    time: str
    asset: str
    side: str
    price: float
    size: float
    notional_usd: float
    fee_usd: float
    fair: float  # that the quote was priced around, USD
    markout_bps: tuple[float | None, ...]  # at `markout_horizons_s`


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a report says in numbers."""

    run: Run
    headline: Headline
    attribution: tuple[Causes, ...]  # assets, then the total
    accounting: Accounting
    assets: tuple[AssetRow, ...]
    final_inventory: Inventory
    largest_inventory: Inventory  # the riskiest
    covariance: Covariance
    markout_horizons_s: tuple[float, ...]
    markouts: tuple[Markout, ...]
    calibration: Calibration
    requests: Requests
    solver: dict[str, int]  # cycles by status
    alerts: dict[str, int]  # cycles in which each was raised
    traces: tuple[Trace, ...]
    fills: tuple[FillRow, ...]
