"""Figures of the portfolio: equity, attribution, inventory, margin, covariance, risk aversion.

Every function draws on a figure or a part of one; numbers come from `risk` and `summary`.
"""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase
from matplotlib.ticker import PercentFormatter

from portfolio_mm.report import risk, style
from portfolio_mm.report.columns import History
from portfolio_mm.report.style import (
    BLUE,
    CAUSE_COLOURS,
    CYCLE_COLOURS,
    GREY,
    INK,
    ORANGE,
    PALE,
    RED,
    SKY,
    Timeline,
)
from portfolio_mm.report.summary import Causes, Inventory, Summary
from portfolio_mm.types import Floats

ANNOTATED = 16
"""Most assets whose correlations are written into the map."""

STRIP_POINTS = 300
"""Points of an inventory strip, of which there is one per asset."""


def equity(figure: FigureBase, history: History) -> None:
    """PnL since the opening and the drawdown from the peak of equity."""
    cycles = history.cycles
    curve, timeline = risk.equity(cycles), Timeline(cycles.time_ns)
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[2.2, 1.0])
    pnl = timeline.last(curve) - curve[0]
    top.plot(timeline.time, pnl, color=BLUE)
    top.axhline(0.0, color=GREY, linewidth=0.8)
    top.set_title(f"Equity over its opening value of {curve[0]:,.0f} USD")
    top.set_ylabel("PnL, USD")
    style.thousands(top.yaxis)
    fall = timeline.highest(risk.drawdown(curve))
    bottom.fill_between(timeline.time, -fall, 0.0, color=RED, alpha=0.5, linewidth=0)
    bottom.set_title("Drawdown from the peak of equity")
    bottom.set_ylabel("% of peak")
    bottom.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=""))
    bottom.set_ylim(-1.15 * max(float(fall.max()), 1e-6), 0.0)
    style.time_axis(bottom)


def causes_over_time(figure: FigureBase, history: History) -> None:
    """Cumulative PnL by cause."""
    timeline = Timeline(history.cycles.time_ns)
    parts = timeline.last(risk.attributed(history.cycles).sum(axis=1))
    axes = figure.subplots()
    for column, cause in enumerate(risk.CAUSES):
        axes.plot(timeline.time, parts[:, column], color=CAUSE_COLOURS[cause], label=cause)
    axes.plot(timeline.time, parts.sum(axis=1), color=INK, linewidth=1.8, label="total")
    axes.axhline(0.0, color=GREY, linewidth=0.8)
    axes.set_title("Cumulative PnL by cause")
    axes.set_ylabel("USD")
    style.thousands(axes.yaxis)
    _legend_above(axes, 6)
    style.time_axis(axes)


def attribution(figure: FigureBase, summary: Summary) -> None:
    """PnL by cause: from spread to total, and by asset."""
    *assets, total = summary.attribution
    left, right = figure.subplots(1, 2, width_ratios=[1.0, 1.5])
    _waterfall(left, total)
    amounts = np.array([_amounts(row) for row in assets])
    place = np.arange(len(assets))
    for sign in (1.0, -1.0):
        start = np.zeros(len(assets))
        for column, cause in enumerate(risk.CAUSES):
            width = np.where(sign * amounts[:, column] > 0, amounts[:, column], 0.0)
            right.barh(
                place,
                width,
                left=start,
                color=CAUSE_COLOURS[cause],
                height=0.7,
                label=cause if sign > 0 else None,
            )
            start = start + width
    net = [row.total for row in assets]
    right.plot(net, place, "D", color=INK, markersize=4, markeredgecolor="white", label="net")
    right.axvline(0.0, color=INK, linewidth=0.8)
    right.set_yticks(place, style.labels(summary.run.assets))
    right.set_ylim(len(assets) - 0.4, -0.6)
    right.set_title("PnL by asset and cause, USD")
    right.grid(visible=False, axis="y")
    reach = [np.minimum(amounts, 0.0).sum(axis=1), np.maximum(amounts, 0.0).sum(axis=1)]
    right.set_xlim(*style.limits(np.concatenate([*reach, [0.0]]), 0.04))
    style.thousands(right.xaxis)
    _legend_below(right, 6)


def _amounts(row: Causes) -> tuple[float, ...]:
    return row.spread, row.adverse_selection, row.inventory, row.fees, row.funding


def _waterfall(axes: Axes, total: Causes) -> None:
    amounts = np.array([*_amounts(total), total.total])
    starts = np.append(0.0, np.cumsum(amounts[:-1]))
    starts[-1] = 0.0
    names = [*risk.CAUSES, "total"]
    colours = [*CAUSE_COLOURS.values(), INK]
    axes.bar(range(6), amounts, bottom=starts, color=colours, width=0.75)
    low, high = style.limits(np.concatenate([starts, starts + amounts, [0.0]]), 0.12)
    axes.set_ylim(low, high)
    for index, (amount, start) in enumerate(zip(amounts, starts, strict=True)):
        top = max(start, start + amount)
        axes.annotate(
            f"{amount:+,.1f}",
            (index, top),
            xytext=(0, 2),
            textcoords="offset points",
            ha="center",
            fontsize=7.0,
        )
    axes.axhline(0.0, color=INK, linewidth=0.8)
    axes.set_xticks(range(6), names, rotation=30, ha="right", rotation_mode="anchor")
    axes.set_title("PnL from spread to total")
    axes.set_ylabel("USD")
    axes.grid(visible=False, axis="x")
    style.thousands(axes.yaxis)


def inventory(figure: FigureBase, history: History) -> None:
    """Inventory of every asset in its own row, all on one scale."""
    timeline = Timeline(history.cycles.time_ns, STRIP_POINTS)
    held = timeline.last(history.cycles.inventory)
    scale = float(np.abs(held).max()) or 1.0
    axes = figure.subplots()
    names = style.labels(history.universe.names)
    for row in range(len(names)):
        height = 0.48 * held[:, row] / scale
        for part, colour in ((np.maximum(height, 0.0), BLUE), (np.minimum(height, 0.0), ORANGE)):
            # The axis points down.
            axes.fill_between(timeline.time, row, row - part, color=colour, linewidth=0)
        axes.axhline(row, color=PALE, linewidth=0.6)
        axes.annotate(
            f"{held[-1, row]:+,.0f}",
            (1.0, row),
            xycoords=("axes fraction", "data"),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=7.5,
        )
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(visible=False)
    axes.set_title(
        f"Inventory, USD: long (blue, up), short (orange, down); half a row is {scale:,.0f}"
    )
    style.time_axis(axes)


def exposure(figure: FigureBase, history: History) -> None:
    """Gross and net exposure, and margin use of every pool against its limit."""
    cycles, pools = history.cycles, history.universe.pools
    timeline = Timeline(cycles.time_ns)
    top, bottom = figure.subplots(2, 1, sharex=True)
    gross = timeline.highest(risk.gross_exposure(cycles.inventory))
    top.plot(timeline.time, gross, color=BLUE, label="gross")
    top.plot(timeline.time, timeline.last(cycles.inventory.sum(axis=1)), color=ORANGE, label="net")
    limit = timeline.last(cycles.exposure_limit)
    low, high = style.limits(np.concatenate([gross, timeline.last(cycles.inventory.sum(axis=1))]))
    top.plot(
        timeline.time,
        limit,
        color=RED,
        linestyle="--",
        linewidth=1.0,
        label=f"limit on gross (at the end {limit[-1]:,.0f})",
    )
    top.set_ylim(low, high)
    top.axhline(0.0, color=GREY, linewidth=0.8)
    top.set_title("Exposure at fair value")
    top.set_ylabel("USD")
    style.thousands(top.yaxis)
    _legend_above(top, 3)

    use = timeline.highest(risk.margin_use(cycles))
    orders = timeline.last(cycles.order_margin)
    for pool, name in enumerate(pools):
        colour = CYCLE_COLOURS[pool % len(CYCLE_COLOURS)]
        bottom.plot(timeline.time, use[:, pool], color=colour, label=f"{name}: in use")
        if orders[:, pool].any():
            positions = use[:, pool] - orders[:, pool] / timeline.last(cycles.equity)[:, pool]
            bottom.plot(
                timeline.time,
                positions,
                color=colour,
                linestyle=":",
                linewidth=1.0,
                label=f"{name}: positions only",
            )
    share = 1.0 - history.config.account.margin_buffer
    bottom.axhline(share, color=RED, linestyle="--", linewidth=1.0, label=f"limit {share:.0%}")
    bottom.set_ylim(0.0, 1.1 * max(share, float(use.max(initial=0.0, where=np.isfinite(use)))))
    bottom.set_title("Margin in use over equity")
    bottom.set_ylabel("% of equity")
    bottom.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=""))
    _legend_above(bottom, 4)
    style.time_axis(bottom)


def covariance(figure: FigureBase, summary: Summary) -> None:
    """Correlations with volatilities on the axis, and who carries the risk of what was held."""
    names = style.labels(summary.run.assets)
    matrix = np.array(summary.covariance.correlation)
    n = len(names)
    left, right = figure.subplots(1, 2, width_ratios=[1.5, 1.0])
    image = left.imshow(matrix, cmap="RdBu_r", vmin=-1.0, vmax=1.0)
    volatility = summary.covariance.volatility_per_day
    left.set_xticks(range(n), names, rotation=60, ha="right", rotation_mode="anchor")
    left.set_yticks(
        range(n), [f"{name}  {v:.2%}" for name, v in zip(names, volatility, strict=True)]
    )
    left.grid(visible=False)
    if n <= ANNOTATED:
        for row in range(n):
            for column in range(n):
                left.text(
                    column,
                    row,
                    f"{matrix[row, column]:.2f}",
                    ha="center",
                    va="center",
                    fontsize=7.0,
                    color=style.text_on(matrix[row, column]),
                )
    left.set_title("Correlation at the end; volatility, % per day, at the left")
    bar = figure.colorbar(image, ax=left, shrink=0.8)
    bar.outline.set_visible(False)

    place = np.arange(n)
    for offset, what, colour, name in (
        (-0.2, summary.final_inventory, BLUE, "at the end"),
        (0.2, summary.largest_inventory, SKY, "riskiest"),
    ):
        right.barh(
            place + offset,
            [component.share_of_variance for component in what.components],
            height=0.38,
            color=colour,
            label=f"{name}: {_volatility(what)}",
        )
    right.axvline(0.0, color=INK, linewidth=0.8)
    right.set_yticks(place, names)
    right.set_ylim(n - 0.4, -0.6)
    right.xaxis.set_major_formatter(PercentFormatter(1.0))
    right.grid(visible=False, axis="y")
    right.set_title("Share of the variance of inventory")
    _legend_below(right, 1)


def _volatility(inventory: Inventory) -> str:
    return f"{inventory.volatility_usd:,.0f} USD per √day"


def controls(figure: FigureBase, history: History) -> None:
    """Risk aversion, risk budget used, volatility held, and the prices of the shared limits."""
    cycles = history.cycles
    timeline = Timeline(cycles.time_ns)
    pools = len(history.universe.pools)
    rows = figure.subplots(4, 1, sharex=True)
    rows[0].semilogy(timeline.time, timeline.last(cycles.gamma), color=BLUE, label="γ")
    rows[0].semilogy(
        timeline.time, timeline.last(cycles.gamma_base), color=ORANGE, ls="--", label="γ base"
    )
    rows[0].set_title("Risk aversion of the portfolio")
    rows[0].set_ylabel("1/USD")
    _legend_above(rows[0], 2)

    rows[1].plot(timeline.time, timeline.highest(cycles.utilisation), color=BLUE)
    rows[1].axhline(1.0, color=RED, linestyle="--", linewidth=1.0)
    rows[1].set_title("u²: variance of inventory over its budget (1 = at budget)")
    rows[1].set_ylabel("u²")
    rows[1].set_ylim(bottom=0.0)

    volatility = timeline.highest(risk.volatility_per_day(cycles.variance))
    rows[2].plot(timeline.time, volatility, color=BLUE)
    rows[2].set_title("Volatility of the inventory held")
    rows[2].set_ylabel("USD per √day")
    rows[2].set_ylim(bottom=0.0)
    style.thousands(rows[2].yaxis)

    duals: dict[str, Floats] = {
        "margin, pools": cycles.margin_dual[:, : 2 * pools].max(axis=1, initial=0.0),
        "margin, isolated assets": cycles.margin_dual[:, 2 * pools :].max(axis=1, initial=0.0),
        "exposure": cycles.exposure_dual,
        "toxicity": cycles.toxicity_dual,
    }
    for (name, dual), colour in zip(duals.items(), (BLUE, SKY, ORANGE, RED), strict=True):
        rows[3].plot(timeline.time, timeline.highest(dual), color=colour, label=name, linewidth=1.0)
    rows[3].set_title("Shadow prices of the shared limits (0 = not binding)")
    rows[3].set_ylabel("USD per unit")
    _legend_above(rows[3], 4)
    style.time_axis(rows[3])


def _legend_above(axes: Axes, columns: int) -> None:
    style.legend(axes, "lower right", (1.0, 1.0), columns)


def _legend_below(axes: Axes, columns: int) -> None:
    style.legend(axes, "upper center", (0.5, -0.09), columns)
