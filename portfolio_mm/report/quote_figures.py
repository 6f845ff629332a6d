"""Figures of quoting: quotes around the mid, markouts, and predictions against what came."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase
from matplotlib.ticker import FuncFormatter, NullLocator, PercentFormatter

from portfolio_mm.report import style
from portfolio_mm.report.columns import History
from portfolio_mm.report.style import ASK, BID, GREY, INK, PALE, PINK, Timeline
from portfolio_mm.report.summary import ALL, Markout, Summary
from portfolio_mm.report.trace import BPS
from portfolio_mm.types import NS, Ints

ZOOM_NS = 300 * NS
COLUMNS = 4
"""Of small figures in a row."""


def quotes(figure: FigureBase, history: History, asset: int) -> None:
    """Fair value and fills over the whole run, and five minutes in detail."""
    top, bottom = figure.subplots(2, 1, height_ratios=[1.0, 1.9])
    whole_run(top, history, asset)
    zoom(bottom, history, asset)


def whole_run(axes: Axes, history: History, asset: int) -> None:
    """Fair value and fills."""
    cycles, fills = history.cycles, history.fills
    name = history.universe.names[asset]
    timeline = Timeline(cycles.time_ns)
    axes.plot(timeline.time, timeline.last(cycles.fair[:, asset]), color=INK, linewidth=0.9)
    mine = fills.asset == asset
    _fills(axes, history, np.flatnonzero(mine), 9.0)
    axes.set_title(f"{name}: fair value and our fills, USD")
    style.thousands(axes.yaxis)
    style.time_axis(axes)


def zoom(axes: Axes, history: History, asset: int) -> None:
    """Book, fair value, reservation price, our levels and fills, for the busiest five minutes."""
    cycles, fills = history.cycles, history.fills
    start, end = busiest(fills.time_ns[fills.asset == asset], cycles.time_ns)
    rows = np.flatnonzero((cycles.time_ns >= start) & (cycles.time_ns <= end))
    time = style.when(cycles.time_ns[rows])
    best = cycles.best[rows, asset]
    axes.fill_between(
        time, best[:, 0], best[:, 1], step="post", color=PALE, linewidth=0, label="best bid to ask"
    )
    for side, (colour, word) in enumerate(((BID, "bids"), (ASK, "asks"))):
        for level in range(cycles.price.shape[3]):
            axes.step(
                time,
                cycles.price[rows, asset, side, level],
                where="post",
                color=colour,
                linewidth=1.1 if level == 0 else 0.6,
                alpha=1.0 if level == 0 else 0.55,
                label=f"our {word}" if level == 0 else None,
            )
    axes.plot(time, cycles.fair[rows, asset], color=INK, linewidth=1.0, label="fair value")
    axes.plot(
        time,
        cycles.reservation[rows, asset],
        color=PINK,
        linestyle="--",
        linewidth=1.1,
        label="reservation price",
    )
    inside = (fills.asset == asset) & (fills.time_ns >= start) & (fills.time_ns <= end)
    _fills(axes, history, np.flatnonzero(inside), 30.0)
    axes.set_title(f"{history.universe.names[asset]}: quotes around fair value, USD", pad=20.0)
    style.thousands(axes.yaxis)
    style.legend(axes, "lower right", (1.0, 1.0), 7)
    style.time_axis(axes)


def busiest(fill_ns: Ints, time_ns: Ints) -> tuple[int, int]:
    """Return the five minutes that start with a fill and hold most fills, or else the last ones."""
    if not len(fill_ns):
        return int(time_ns[-1]) - ZOOM_NS, int(time_ns[-1])
    fill_ns = np.sort(fill_ns)
    count = np.searchsorted(fill_ns, fill_ns + ZOOM_NS) - np.arange(len(fill_ns))
    start = min(int(fill_ns[count.argmax()]), int(time_ns[-1]) - ZOOM_NS)
    return start, start + ZOOM_NS


def _fills(axes: Axes, history: History, rows: Ints, area: float) -> None:
    fills = history.fills
    for sign, marker, colour, word in ((1, "^", BID, "we bought"), (-1, "v", ASK, "we sold")):
        chosen = rows[fills.side[rows] == sign]
        axes.scatter(
            style.when(fills.time_ns[chosen]),
            fills.price[chosen],
            s=area,
            marker=marker,
            color=colour,
            edgecolor="white",
            linewidth=0.4,
            zorder=3,
            label=word,
        )


def markouts(figure: FigureBase, summary: Summary) -> None:
    """Markouts by side at every horizon: all assets together, then one by one."""
    names = style.labels(summary.run.assets)
    rows = -(-len(names) // COLUMNS)
    heights = [2.4, 1.3 * rows + 0.3]
    top, bottom = style.parts(figure, 2, 1, height_ratios=heights)
    total_markout(top, summary)
    grid = bottom.subplots(rows, COLUMNS, sharex=True, sharey=True, squeeze=False)
    for index, axes in enumerate(grid.flat):
        if index < len(names):
            _curves(axes, summary.markouts, summary.run.assets[index], ("bid", "ask"))
            axes.set_title(f"{names[index]}  ({summary.assets[index].fills} fills)", fontsize=8.5)
        else:
            axes.set_visible(False)
    if not summary.fills:
        grid.flat[0].set_ylim(-1.0, 1.0)


def total_markout(figure: FigureBase, summary: Summary) -> None:
    """Markout of all assets together, weighted by notional."""
    axes = figure.subplots()
    axes.set_title("Markout of our fills, bps, by seconds after the fill; bands: ±1 standard error")
    if not summary.fills:
        style.nothing(axes, "no fills")
        return
    _curves(axes, summary.markouts, ALL, ("bid", "ask", ALL))
    axes.set_xlabel("seconds after the fill")
    axes.set_ylabel("bps of notional, > 0 in our favour")
    axes.legend(loc="best", ncols=3)


_LINES = {"bid": (BID, "bids"), "ask": (ASK, "asks"), ALL: (INK, "both, weighted by notional")}


def _curves(axes: Axes, points: tuple[Markout, ...], asset: str, sides: tuple[str, ...]) -> None:
    horizons = sorted({point.horizon_s for point in points})
    for side in sides:
        colour, word = _LINES[side]
        seen = [p for p in points if p.asset == asset and p.side == side and p.fills]
        x = np.array([p.horizon_s for p in seen])
        y = np.array([p.mean_bps for p in seen], dtype=np.float64)
        error = np.array([p.error_bps or 0.0 for p in seen])
        axes.fill_between(x, y - error, y + error, color=colour, alpha=0.18, linewidth=0)
        axes.plot(x, y, "o-", color=colour, markersize=2.5, label=word)
    axes.axhline(0.0, color=GREY, linewidth=0.8)
    axes.set_xscale("log")
    axes.set_xticks(horizons, [f"{horizon:g}" for horizon in horizons])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlim(0.8 * horizons[0], 1.25 * horizons[-1])


def calibration(figure: FigureBase, summary: Summary) -> None:
    """Predicted against realised: chance of a fill, and markout of what was filled."""
    left, right = figure.subplots(1, 2)
    panels = (
        (left, summary.calibration.fill_probability, 1.0, "Chance of a fill before the next cycle"),
        (right, summary.calibration.markout_10s, BPS, "Markout at 10 s of filled quotes, bps"),
    )
    for axes, buckets, unit, title in panels:
        axes.set_title(title)
        if not buckets or not summary.fills:
            style.nothing(axes, "no fills")
            continue
        x = unit * np.array([bucket.predicted for bucket in buckets])
        y = unit * np.array([bucket.realised for bucket in buckets])
        error = unit * np.array([bucket.error or 0.0 for bucket in buckets])
        low, high = style.limits(np.concatenate([x, y - error, y + error]))
        axes.plot([low, high], [low, high], color=GREY, linestyle="--", linewidth=1.0)
        axes.errorbar(x, y, error, fmt="o", color=BID, markersize=4, capsize=2, linewidth=1.0)
        axes.set_xlim(low, high)
        axes.set_ylim(low, high)
        axes.set_xlabel("predicted")
        axes.set_ylabel("realised, ±1 standard error")
    if summary.calibration.fill_probability and summary.fills:
        for axis in (left.xaxis, left.yaxis):
            axis.set_major_formatter(PercentFormatter(1.0, decimals=1))
        right.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
