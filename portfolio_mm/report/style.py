"""How figures look: one light style, the colour-blind safe palette of Okabe and Ito, UTC time."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO, StringIO
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure, FigureBase, SubFigure
from matplotlib.ticker import FuncFormatter
from matplotlib.typing import LegendLocType, RcKeyType

from portfolio_mm.report import risk
from portfolio_mm.types import Floats, Ints

INK, GREY, PALE = "#1a1a1a", "#767676", "#d9d9d9"
ORANGE, SKY, GREEN, YELLOW = "#e69f00", "#56b4e9", "#009e73", "#f0e442"
BLUE, RED, PINK = "#0072b2", "#d55e00", "#cc79a7"
BID, ASK = BLUE, RED
CAUSE_COLOURS = dict(zip(risk.CAUSES, (GREEN, RED, BLUE, ORANGE, PINK), strict=True))
CYCLE_COLOURS = (BLUE, ORANGE, GREEN, RED, PINK, SKY, INK)

POINTS = 600
"""Most points that a line over the whole run is drawn with."""

_STYLE: dict[RcKeyType, Any] = {
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9.0,
    "axes.labelcolor": INK,
    "axes.edgecolor": GREY,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#ececec",
    "grid.linewidth": 0.6,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "legend.frameon": False,
    "legend.fontsize": 8.0,
    "lines.linewidth": 1.2,
    "figure.facecolor": "white",
    "svg.fonttype": "path",
    "svg.hashsalt": "portfolio-mm",
    "path.simplify": True,
}

Draw = Callable[[FigureBase], object]


def svg(draw: Draw, width: float, height: float) -> str:
    """Return a figure as an SVG element to stand inside HTML; sizes in inches."""
    file = StringIO()
    with mpl.rc_context(_STYLE):
        _drawn(draw, width, height).savefig(
            file,
            format="svg",
            metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")),
        )
    text = file.getvalue()
    element = text[text.index("<svg") :]
    for prefix in ("xmlns:xlink", "xmlns"):  # an HTML parser knows the namespaces
        start = element.index(f' {prefix}="')
        end = element.index('"', start + len(prefix) + 3) + 1
        element = element[:start] + element[end:]
    return element


def png(draw: Draw, width: float, height: float, dpi: float = 110.0) -> bytes:
    """Return a figure as a PNG image."""
    file = BytesIO()
    with mpl.rc_context(_STYLE):
        _drawn(draw, width, height).savefig(file, format="png", dpi=dpi)
    return file.getvalue()


def _drawn(draw: Draw, width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), layout="constrained")
    draw(figure)
    return figure


def parts(figure: FigureBase, rows: int, columns: int, **layout: Any) -> list[SubFigure]:
    """Divide a figure, row by row."""
    return list(np.asarray(figure.subfigures(rows, columns, squeeze=False, **layout)).flat)


class Timeline:
    """A run's time axis, thinned so that a line has at most so many points."""

    def __init__(self, time_ns: Ints, points: int = POINTS) -> None:
        count = len(time_ns)
        self._starts = np.unique(np.linspace(0, count, points, endpoint=False).astype(np.int64))
        self._last = np.append(self._starts[1:], count) - 1
        self.time = when(time_ns[self._last])

    def last(self, values: np.ndarray) -> np.ndarray:
        """Return the last value of every interval; `values` (T, ...)."""
        thinned: np.ndarray = values[self._last]
        return thinned

    def highest(self, values: np.ndarray) -> np.ndarray:
        """Return the largest value of every interval, so that no peak is lost."""
        peaks: np.ndarray = np.maximum.reduceat(values, self._starts, axis=0)
        return peaks


def when(time_ns: Ints) -> np.ndarray:
    """Return times as matplotlib takes them."""
    return time_ns.astype("datetime64[ns]")


def time_axis(axes: Axes) -> None:
    """Label a time axis in UTC."""
    locator = AutoDateLocator(minticks=3, maxticks=8)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    formatter = ConciseDateFormatter(locator, show_offset=False)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_formatter(formatter)
    axes.margins(x=0.01)


def thousands(axis: Any) -> None:
    """Write large numbers with separators."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))


def legend(axes: Axes, corner: LegendLocType, place: tuple[float, float], columns: int) -> None:
    """Put a legend outside the axes, its `corner` at `place` in fractions of them."""
    axes.legend(
        loc=corner,
        bbox_to_anchor=place,
        ncols=columns,
        borderaxespad=0.1,
        handlelength=1.4,
        columnspacing=1.0,
    )


def nothing(axes: Axes, words: str) -> None:
    """Say that there is nothing to draw."""
    axes.text(0.5, 0.5, words, transform=axes.transAxes, ha="center", va="center", color=GREY)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(visible=False)


def labels(names: tuple[str, ...]) -> list[str]:
    """Return names without their deployer's prefix where that leaves them distinct."""
    short = [name.rpartition(":")[2] for name in names]
    return short if len(set(short)) == len(names) else list(names)


def text_on(value: float) -> str:
    """Return a readable text colour on a diverging map at `value` in [−1, 1]."""
    return "white" if abs(value) > 0.6 else INK


def limits(values: Floats, share: float = 0.08) -> tuple[float, float]:
    """Return the range of the finite values with a margin."""
    finite = values[np.isfinite(values)]
    low, high = float(finite.min()), float(finite.max())
    margin = share * (high - low) or share * abs(high) or 1.0
    return low - margin, high + margin
