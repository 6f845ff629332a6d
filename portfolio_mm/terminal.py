"""What a terminal shows: progress while a run lasts, tables when it ends.

Progress and notes go to standard error, results to standard output, so that either can be piped.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import TimeRemainingColumn as TimeLeftColumn
from rich.table import Table

from portfolio_mm.report.columns import Requests
from portfolio_mm.report.summary import AssetRow, Summary
from portfolio_mm.runtime.preflight import Preflight
from portfolio_mm.types import Floats, Ints
from portfolio_mm.venues.settings import Recorded

HALF = 0.5
"""Share of time below which a table says why a side was not quoted."""


class Advance(Protocol):
    """Reports how far a task is, in [0, 1], and a note."""

    def __call__(self, fraction: float, note: str = "") -> None:
        """Show it."""


@contextmanager
def progress(task: str) -> Iterator[Advance]:
    """Show a bar on standard error while the block runs, if that is a terminal."""
    console = Console(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
        TimeLeftColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        row = bar.add_task(task, total=1.0, note="")

        def advance(fraction: float, note: str = "") -> None:
            bar.update(row, completed=fraction, note=note)

        yield advance
        bar.update(row, completed=1.0)


def show(*tables: Table) -> None:
    """Print tables to standard output."""
    console = Console()
    for table in tables:
        console.print(table)


def note(*lines: str) -> None:
    """Print plain lines to standard error."""
    for line in lines:
        sys.stderr.write(line + "\n")


def quoting_table(summary: Summary) -> Table:
    """Return how each asset was quoted in a run, and why it was not."""
    head = summary.headline
    table = Table(
        title=f"{summary.run.name}: {summary.run.hours:.2f} h, {summary.run.cycles} cycles, "
        f"{len(summary.assets)} assets, one account",
        caption=f"{summary.run.stopped}; margin used at most {head.peak_margin_use:.1%} of equity, "
        f"limit {head.margin_limit:.0%}; {_words(summary.requests)}",
    )
    table.add_column("asset", no_wrap=True)
    for column in ("bid", "ask", "half-spread", "fills", "volume", "held"):
        table.add_column(column, justify="right")
    table.add_column("not quoted because")
    for row in summary.assets:
        table.add_row(
            row.asset,
            f"{row.bid.quoted:.0%}",
            f"{row.ask.quoted:.0%}",
            "–" if row.half_spread_bps is None else f"{row.half_spread_bps:.1f} bps",
            f"{row.fills:,}",
            f"{row.volume_usd:,.0f}",
            f"{row.inventory_usd:,.0f}",
            _why(row),
        )
    return table


def _words(requests: Requests) -> str:
    """Return what was asked of the venue, and how long its word took."""
    asked = requests.placed + requests.modified + requests.cancelled
    refused = sum(requests.rejected.values())
    words = f"{asked:,} requests, {refused:,} refused"
    if requests.word_p50_s is None or requests.word_p99_s is None:
        return words
    return (
        f"{words}; decision to the venue's word "
        f"{1e3 * requests.word_p50_s:.0f} ms (p50), {1e3 * requests.word_p99_s:.0f} ms (p99)"
    )


def pnl_table(summary: Summary) -> Table:
    """Return the PnL of a run by asset and cause, USD."""
    head = summary.headline
    table = Table(
        title="PnL by cause, USD",
        caption=f"equity {head.opening_equity_usd + head.pnl_usd:,.2f}, "
        f"drawdown at most {head.max_drawdown:.2%}",
    )
    table.add_column("asset", no_wrap=True)
    for column in ("spread", "adverse selection", "inventory", "fees", "funding", "total"):
        table.add_column(column, justify="right")
    for row in summary.attribution:
        if row is summary.attribution[-1]:
            table.add_section()
        causes = (row.spread, row.adverse_selection, row.inventory, row.fees, row.funding)
        table.add_row(row.asset, *(f"{value:,.2f}" for value in (*causes, row.total)))
    return table


class QueueCounts(Protocol):
    """What orders filled under a queue model, by asset."""

    @property
    def filled_orders(self) -> Ints:
        """Orders that filled at least in part."""
        ...

    @property
    def volume_usd(self) -> Floats:
        """Value of their fills."""
        ...


class ReplayCounts(Protocol):
    """What the tables need to know of the venue's side of a replay."""

    @property
    def rows(self) -> int:
        """Rows of the recording that were processed."""
        ...

    @property
    def filled_orders(self) -> int:
        """Orders that filled at least in part."""
        ...

    @property
    def same_orders(self) -> Mapping[str, QueueCounts]:
        """What the same orders fill under each queue model, from the fewest to the most."""
        ...


class Replayed(NamedTuple):
    """One scenario of a replay."""

    scenario: Recorded
    summary: Summary
    statistics: ReplayCounts
    speed: float  # times real time


def replay_table(results: Sequence[Replayed]) -> Table:
    """Return what filled, one row per maker fee and queue model.

    The last columns ask what the orders of that run would have filled under the model with the
    fewest fills and under the one with the most: how much of a result the queue model is.
    """
    models = list(results[0].statistics.same_orders)
    least, most = models[0], models[-1]
    speeds = [result.speed for result in results]
    table = Table(
        title=f"{results[0].summary.run.hours * 60:.0f} recorded minutes, "
        f"{results[0].statistics.rows:,} rows, at {min(speeds):.0f} to {max(speeds):.0f} times "
        "real time",
        caption="The last columns, orders / volume, keep the orders of the run and change only "
        "the queue model; between rows the orders differ, because quotes follow fills.",
    )
    for column in (
        "maker\nfee",
        "queue",
        "quoted\nboth",
        "fills",
        "orders\nfilled",
        "volume",
        f"same orders,\n{least}",
        f"same orders,\n{most}",
    ):
        table.add_column(column, justify="right", no_wrap=True)
    for scenario, summary, statistics, _ in results:
        same = [statistics.same_orders[model] for model in (least, most)]
        table.add_row(
            f"{scenario.maker_fee_bps:g} bps",
            scenario.queue,
            f"{summary.headline.time_quoted_both:.0%}",
            f"{summary.headline.fills:,}",
            f"{statistics.filled_orders:,}",
            f"{summary.headline.volume_usd:,.0f}",
            *(f"{s.filled_orders.sum():,} / {s.volume_usd.sum():,.0f}" for s in same),
        )
    return table


def replay_pnl_table(results: Sequence[Replayed]) -> Table:
    """Return the PnL of each maker fee and queue model by cause, USD."""
    table = Table(title="PnL by cause, USD")
    for column in (
        "maker fee",
        "queue",
        "spread",
        "adverse selection",
        "inventory",
        "fees",
        "funding",
        "total",
    ):
        table.add_column(column, justify="right")
    for scenario, summary, _, _ in results:
        row = summary.attribution[-1]
        causes = (row.spread, row.adverse_selection, row.inventory, row.fees, row.funding)
        table.add_row(
            f"{scenario.maker_fee_bps:g} bps",
            scenario.queue,
            *(f"{value:,.2f}" for value in (*causes, row.total)),
        )
    return table


def quoted_table(result: Replayed) -> Table:
    """Return how each asset was quoted in one scenario, and why it was not."""
    table = Table(
        title=f"maker fee {result.scenario.maker_fee_bps:g} bps, {result.scenario.queue} queue"
    )
    table.add_column("asset")
    for column in ("bid", "ask", "median\nhalf-spread", "fills", "volume", "PnL"):
        table.add_column(column, justify="right")
    table.add_column("not quoted because")
    for row in result.summary.assets:
        table.add_row(
            row.asset,
            f"{row.bid.quoted:.0%}",
            f"{row.ask.quoted:.0%}",
            "–" if row.half_spread_bps is None else f"{row.half_spread_bps:.1f} bps",
            str(row.fills),
            f"{row.volume_usd:,.0f}",
            f"{row.pnl_usd:,.2f}",
            _shares(row),
        )
    return table


def preflight_tables(found: Preflight) -> tuple[Table, ...]:
    """Return what the preflight found: by asset, by pool, and about the account."""
    assets = Table(
        title=f"{found.name}: {found.venue}, {found.equity_usd:,.0f} USD",
        caption=f"all reference sizes resting need {found.margin_at_full_size_usd:,.0f} USD of margin, "
        f"offered are {found.margin_limit_usd:,.0f}",
    )
    assets.add_column("asset")
    for column in ("margin", "leverage", "size", "maker fee", "break-even half-spread"):
        assets.add_column(column, justify="right")
    assets.add_column("would quote")
    for asset in found.assets:
        assets.add_row(
            asset.name,
            asset.margin_mode,
            f"{asset.leverage} of {asset.max_leverage:g}",
            f"{asset.size_usd:,.0f} USD",
            f"{asset.maker_fee_bps:.2f} bps",
            f"{asset.break_even_bps:.2f} bps",
            asset.complaint or "yes",
        )
    budget = found.budget
    account = Table(
        caption=f"{budget.requests:,.0f} requests last {budget.hours:,.0f} h at the planned "
        f"{budget.per_hour:,.0f} per hour: they keep {budget.quotes} quotes, at "
        f"{budget.income_kept:.0%} of what these would earn always in place. "
        "Fills earn requests, which are not counted here"
    )
    account.add_column("account")
    account.add_column("found")
    account.add_column("against it")
    for pool in found.pools:
        account.add_row(
            f"pool {pool.name}",
            f"{pool.equity_usd:,.0f} USD, {pool.margin_at_full_size_usd:,.0f} needed at full size",
            pool.complaint,
        )
    for finding in found.findings:
        account.add_row(finding.what, finding.found, finding.complaint)
    return assets, account


def _shares(row: AssetRow) -> str:
    """Give the share of time that each reason kept a side from being quoted."""
    return ", ".join(
        f"{name} {reason.replace('_', ' ')} {share:.0%}"
        for name, side in (("bid", row.bid), ("ask", row.ask))
        for reason, share in side.not_quoted.items()
        if share >= 0.005
    )


def _why(row: AssetRow) -> str:
    """Say why a side was quoted less than half of the time."""
    sides = (("bid", row.bid), ("ask", row.ask))
    reasons = (
        f"{name}: {next(iter(side.not_quoted), '').replace('_', ' ')}"
        for name, side in sides
        if side.quoted < HALF
    )
    return ", ".join(reasons)
