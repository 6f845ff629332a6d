"""The run on one picture."""

from __future__ import annotations

from matplotlib.figure import FigureBase

from portfolio_mm.report import figures, quote_figures, style
from portfolio_mm.report.columns import History
from portfolio_mm.report.summary import Summary

SIZE = (17.0, 15.0)


def overview(figure: FigureBase, history: History, summary: Summary, asset: int) -> None:
    """Equity, attribution, inventory, margin, quotes and markouts."""
    run, head = summary.run, summary.headline
    figure.suptitle(
        f"{run.name}: {len(run.assets)} asset{'s' * (len(run.assets) > 1)}, {run.hours:.2f} h from {run.start[:19]}Z · "
        f"PnL {head.pnl_usd:+,.2f} USD ({head.return_fraction:+.3%}) · "
        f"drawdown {head.max_drawdown:.2%} · {head.fills:,} fills, {head.volume_usd:,.0f} USD",
        fontsize=13.0,
        fontweight="bold",
        x=0.01,
        ha="left",
    )
    parts = style.parts(figure, 3, 2, wspace=0.03, hspace=0.03)
    figures.equity(parts[0], history)
    figures.attribution(parts[1], summary)
    figures.inventory(parts[2], history)
    figures.exposure(parts[3], history)
    quote_figures.zoom(parts[4].subplots(), history, asset)
    quote_figures.total_markout(parts[5], summary)
