"""The numbers of a run: its history turned into the records of a report."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np

from portfolio_mm.evaluator.markout import HORIZONS_S
from portfolio_mm.report import execution, risk
from portfolio_mm.report.columns import Fills, History
from portfolio_mm.report.summary import (
    ALL,
    SIDES,
    Accounting,
    AssetRow,
    Calibration,
    Causes,
    Component,
    Covariance,
    FillRow,
    Headline,
    Inventory,
    Markout,
    Run,
    Side,
    Summary,
)
from portfolio_mm.report.trace import BPS, traces
from portfolio_mm.types import DAY_S, NS, Bools, Floats, Reason, SolveStatus


def utc(time_ns: int) -> str:
    """Return a time in ISO format, to the millisecond."""
    moment = datetime.fromtimestamp(time_ns // NS, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{time_ns % NS // 1_000_000:03d}Z"


def summary(history: History) -> Summary:
    """Return the numbers of a run."""
    cycles, fills = history.cycles, history.fills
    return Summary(
        run=_run(history),
        headline=_headline(history),
        attribution=_attribution(history),
        accounting=_accounting(history),
        assets=_assets(history),
        final_inventory=_inventory(history, len(cycles.time_ns) - 1, history.covariance),
        largest_inventory=_inventory(history, history.riskiest, history.riskiest_covariance),
        covariance=Covariance(
            volatility_per_day=tuple(np.sqrt(DAY_S * history.covariance.diagonal()).tolist()),
            correlation=tuple(map(tuple, risk.correlation(history.covariance).tolist())),
        ),
        markout_horizons_s=HORIZONS_S,
        markouts=_markouts(history),
        calibration=Calibration(
            fill_probability=execution.fill_calibration(cycles, fills),
            markout_10s=execution.markout_calibration(cycles, fills),
        ),
        requests=history.requests,
        alerts={
            "risk aversion at a bound": int(cycles.bound_hit.sum()),
            "risk aversion of the budget moved by more than 2": int(cycles.gamma_moved.sum()),
        },
        solver={
            status.name.lower(): int((cycles.status == status).sum()) for status in SolveStatus
        },
        traces=traces(history),
        fills=_fills(history),
    )


def duration(history: History) -> Floats:
    """Return how long the quotes of each cycle stood, (T,) s."""
    return execution.seconds(history.cycles, history.config.run.cycle_s)


def _run(history: History) -> Run:
    time_ns = history.cycles.time_ns
    venue = history.config.venue
    return Run(
        name=history.config.name,
        venue=str(venue.__struct_config__.tag),
        seed=getattr(venue, "seed", None),
        start=utc(int(time_ns[0])),
        end=utc(int(time_ns[-1])),
        hours=float(time_ns[-1] - time_ns[0]) / NS / 3600.0,
        cycles=len(time_ns),
        stopped=history.stopped or "cut short: the journal was not closed",
        complete=history.stopped is not None,
        assets=history.universe.names,
        pools=history.universe.pools,
    )


def _headline(history: History) -> Headline:
    cycles, fills = history.cycles, history.fills
    curve = risk.equity(cycles)
    both = execution.quoted_both(cycles)
    return Headline(
        opening_equity_usd=float(curve[0]),
        pnl_usd=float(curve[-1] - curve[0]),
        return_fraction=float(curve[-1] / curve[0] - 1.0),
        max_drawdown=float(risk.drawdown(curve).max()),
        fills=len(fills.time_ns),
        volume_usd=float(fills.usd.sum()),
        fees_usd=float(cycles.fees[-1].sum()),
        funding_usd=float(cycles.funding[-1].sum()),
        time_quoted_both=float(execution.time_share(both, duration(history)).mean()),
        peak_margin_use=float(risk.margin_use(cycles).max()),
        margin_limit=1.0 - history.config.account.margin_buffer,
    )


def _attribution(history: History) -> tuple[Causes, ...]:
    parts = risk.attributed(history.cycles)[-1]
    rows = [*parts, parts.sum(axis=0)]
    return tuple(
        Causes(
            asset=name,
            spread=float(row[0]),
            adverse_selection=float(row[1]),
            inventory=float(row[2]),
            fees=float(row[3]),
            funding=float(row[4]),
            total=float(row.sum()),
        )
        for name, row in zip((*history.universe.names, ALL), rows, strict=True)
    )


def _accounting(history: History) -> Accounting:
    cycles = history.cycles
    books = risk.accounts(history)
    return Accounting(
        gross_attributed=books.gross,
        identity_residual=books.residual,
        ledger_residual=books.ledger_residual,
        account_age_s=float(cycles.time_ns[-1] - cycles.account_ns[-1]) / NS,
        reports=int(books.reported.sum()),
        largest_report_residual=float(
            np.abs(books.residuals).max(where=books.reported, initial=0.0)
        ),
    )


def _assets(history: History) -> tuple[AssetRow, ...]:
    cycles, fills = history.cycles, history.fills
    n, lasted = len(history.universe), duration(history)
    both = execution.time_share(execution.quoted_both(cycles), lasted)
    reasons = {reason: execution.time_share(cycles.reason == reason, lasted) for reason in Reason}
    spread = BPS * execution.half_spread(cycles, lasted)
    count = np.bincount(fills.asset, minlength=n)
    volume = np.bincount(fills.asset, fills.usd, n)
    pnl = risk.attributed(cycles)[-1].sum(axis=1)
    volatility = cycles.sigma[-1] * math.sqrt(DAY_S)

    def side(asset: int, column: int) -> Side:
        shares = {reason: float(share[asset, column]) for reason, share in reasons.items()}
        quoted_share = shares.pop(Reason.QUOTED)
        ranked = sorted(shares.items(), key=lambda item: -item[1])
        named = {reason.name.lower(): share for reason, share in ranked if share > 0}
        return Side(quoted=quoted_share, not_quoted=named)

    return tuple(
        AssetRow(
            asset=name,
            time_quoted_both=float(both[i]),
            bid=side(i, 0),
            ask=side(i, 1),
            fills=int(count[i]),
            volume_usd=float(volume[i]),
            pnl_usd=float(pnl[i]),
            inventory_usd=float(cycles.inventory[-1, i]),
            largest_inventory_usd=float(np.abs(cycles.inventory[:, i]).max()),
            half_spread_bps=_observed(spread[i]),
            volatility_per_day=float(volatility[i]),
            decay=_pair(cycles.decay[-1, i]),
            arrival_per_s=_pair(cycles.arrival[-1, i]),
            informed=_pair(cycles.informed[-1, i]),
        )
        for i, name in enumerate(history.universe.names)
    )


def _inventory(history: History, cycle: int, covariance: Floats) -> Inventory:
    inventory = history.cycles.inventory[cycle]
    tail = risk.gaussian_tail(inventory, covariance)
    return Inventory(
        time=utc(int(history.cycles.time_ns[cycle])),
        gross_usd=float(np.abs(inventory).sum()),
        net_usd=float(inventory.sum()),
        volatility_usd=tail.volatility,
        confidence=risk.CONFIDENCE,
        value_at_risk_usd=tail.value_at_risk,
        expected_shortfall_usd=tail.expected_shortfall,
        components=tuple(
            Component(
                asset=name,
                inventory_usd=float(held),
                share_of_variance=float(share),
                value_at_risk_usd=float(share * tail.value_at_risk),
                expected_shortfall_usd=float(share * tail.expected_shortfall),
            )
            for name, held, share in zip(history.universe.names, inventory, tail.share, strict=True)
        ),
    )


def chosen_fills(fills: Fills, asset: int | None, side: str) -> Bools:
    """Tell which fills are of an asset (None: of any) and a side."""
    of_asset = np.ones(len(fills.asset), dtype=np.bool_) if asset is None else fills.asset == asset
    match side:
        case "bid":
            return np.asarray(of_asset & (fills.side > 0))
        case "ask":
            return np.asarray(of_asset & (fills.side < 0))
        case _:
            return of_asset


def _markouts(history: History) -> tuple[Markout, ...]:
    names: Sequence[tuple[str, int | None]] = [
        (ALL, None),
        *((name, i) for i, name in enumerate(history.universe.names)),
    ]
    return tuple(
        Markout(
            asset=name,
            side=side,
            horizon_s=horizon,
            fills=mean.fills,
            mean_bps=_observed(BPS * mean.mean),
            error_bps=_observed(BPS * mean.error),
        )
        for name, asset in names
        for side in (ALL, *SIDES)
        for horizon, mean in zip(
            HORIZONS_S,
            execution.markout_curve(history.fills, chosen_fills(history.fills, asset, side)),
            strict=True,
        )
    )


def _fills(history: History) -> tuple[FillRow, ...]:
    fills, names = history.fills, history.universe.names
    columns = (fills.asset, fills.side, fills.price, fills.size, fills.usd, fills.fee, fills.fair)
    rows = zip(
        fills.time_ns.tolist(),
        *(column.tolist() for column in columns),
        (BPS * fills.markout).tolist(),
        strict=True,
    )
    return tuple(
        FillRow(
            time=utc(time_ns),
            asset=names[asset],
            side="bid" if side > 0 else "ask",
            price=price,
            size=size,
            notional_usd=usd,
            fee_usd=fee,
            fair=fair,
            markout_bps=tuple(_observed(value) for value in markout),
        )
        for time_ns, asset, side, price, size, usd, fee, fair, markout in rows
    )


def _observed(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _pair(values: Floats) -> tuple[float, float]:
    return float(values[0]), float(values[1])
