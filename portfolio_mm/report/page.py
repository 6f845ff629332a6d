"""The report as one HTML page that needs nothing else: figures inside, no network, no script."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from math import ceil

from portfolio_mm.report import figures, quote_figures, style, tables
from portfolio_mm.report.columns import History
from portfolio_mm.report.style import Draw
from portfolio_mm.report.summary import Summary

WIDTH = 10.5
"""Of a figure, inches."""

_CSS = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; color: #1a1a1a;
  background: #fff; margin: 0 auto; max-width: 1080px; padding: 24px; }
h1 { font-size: 26px; margin: 0; }
h2 { font-size: 19px; margin: 40px 0 6px; border-bottom: 1px solid #d9d9d9; padding-bottom: 4px; }
p { margin: 4px 0 12px; color: #444; max-width: 820px; }
.tiles { display: flex; flex-wrap: wrap; gap: 10px; margin: 18px 0; }
.tile { flex: 1 1 150px; border: 1px solid #d9d9d9; border-radius: 6px; padding: 8px 12px; }
.tile b { display: block; font-size: 20px; font-variant-numeric: tabular-nums; }
.tile span { color: #666; font-size: 13px; }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums;
  margin: 10px 0; width: 100%; }
th, td { padding: 3px 8px; text-align: right; border-bottom: 1px solid #ececec; }
th { color: #555; font-weight: 600; vertical-align: bottom; }
th:first-child, td:first-child, td.text, th.text { text-align: left; }
tr.total td { font-weight: 700; border-top: 1px solid #767676; }
.wide { overflow-x: auto; }
.pair { display: flex; flex-wrap: wrap; gap: 24px; }
.pair > div { flex: 1 1 380px; }
td { white-space: nowrap; }
svg { width: 100%; height: auto; display: block; margin: 8px 0; }
footer { margin-top: 40px; color: #767676; font-size: 12px; }
@page { size: A4; margin: 12mm; }
@media print { body { max-width: none; padding: 0; font-size: 12px; } svg, tr { break-inside: avoid; }
  h2 { break-after: avoid; } .wide { overflow: visible; }
  table { font-size: 9px; } td { white-space: normal; } }
"""

Progress = Callable[[str], None]


def page(history: History, summary: Summary, asset: int, progress: Progress) -> str:
    """Return the page; `asset` is the one whose quotes are drawn and traced."""
    n = len(history.universe)
    name = history.universe.names[asset]

    def figure(words: str, draw: Draw, height: float) -> str:
        progress(f"drawing {words}")
        return f'<figure style="margin:0">{style.svg(draw, WIDTH, height)}</figure>'

    parts = [
        _header(summary),
        _section("Equity", figure("equity", lambda f: figures.equity(f, history), 4.6)),
        _section(
            "PnL by cause",
            "<p>Spread is earned against the fair value that the quote was priced around; adverse "
            "selection is the price move on fills while they are young; inventory is the move on "
            "everything older. The causes add up to the change of equity.</p>",
            figure("causes", lambda f: figures.causes_over_time(f, history), 3.2),
            figure(
                "attribution", lambda f: figures.attribution(f, summary), max(3.6, 1.4 + 0.26 * n)
            ),
            tables.attribution(summary),
            tables.accounting(summary),
        ),
        _section(
            "Inventory and margin",
            figure("inventory", lambda f: figures.inventory(f, history), 0.9 + 0.4 * n),
            figure("exposure", lambda f: figures.exposure(f, history), 5.2),
        ),
        _section(
            "Risk",
            figure("covariance", lambda f: figures.covariance(f, summary), max(3.4, 1.6 + 0.3 * n)),
            "<p>Value at risk and expected shortfall over one day at 99 %, Gaussian, for the "
            "inventory at the end and for the riskiest one of the run, if it were held. "
            "Components are Euler's and sum to the total; a negative one hedges.</p>",
            f'<div class="pair">{tables.risk("At the end", summary.final_inventory)}'
            f"{tables.risk('Riskiest', summary.largest_inventory)}</div>",
            figure("risk aversion", lambda f: figures.controls(f, history), 7.2),
        ),
        _section("Assets", tables.assets(summary), tables.requests(summary)),
        _section(
            f"Quotes of {escape(name)}",
            figure("quotes", lambda f: quote_figures.quotes(f, history, asset), 6.8),
            tables.traces(summary, name),
        ),
        _section(
            "Fills",
            figure(
                "markouts", lambda f: quote_figures.markouts(f, summary), 3.2 + 1.45 * ceil(n / 4)
            ),
            "<p>Were the predictions right? Left: the chance that a quote is hit before the next "
            "cycle. Right: edge less adverse selection of the quotes that were hit. Buckets hold "
            "equally many predictions; on the dashed line they came true.</p>",
            figure("calibration", lambda f: quote_figures.calibration(f, summary), 4.2),
            tables.fills(summary),
        ),
    ]
    title = escape(f"{summary.run.name}: risk report")
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_CSS}</style></head>\n<body>\n{''.join(parts)}\n"
        f"<footer>From the run's journal only. Times are UTC; fair values are the engine's."
        f"</footer>\n</body></html>\n"
    )


def _section(title: str, *parts: str) -> str:
    return f"<section><h2>{title}</h2>\n{''.join(parts)}</section>\n"


def _header(summary: Summary) -> str:
    run, head = summary.run, summary.headline
    seed = "" if run.seed is None else f", seed {run.seed}"
    assets = "one asset" if len(run.assets) == 1 else f"{len(run.assets)} assets"
    tiles = {
        "PnL, USD": tables.usd(head.pnl_usd),
        "return on equity": f"{head.return_fraction:+.3%}",
        "largest drawdown": f"{head.max_drawdown:.3%}",
        "fills": f"{head.fills:,}",
        "volume, USD": f"{head.volume_usd:,.0f}",
        "fees paid, USD": tables.usd(head.fees_usd),
        "funding paid, USD": tables.usd(head.funding_usd),
        "time quoted on both sides": f"{head.time_quoted_both:.1%}",
        f"peak margin use (limit {head.margin_limit:.0%})": f"{head.peak_margin_use:.1%}",
        "1-day 99 % VaR at the end, USD": f"{summary.final_inventory.value_at_risk_usd:,.0f}",
    }
    boxes = "".join(
        f'<div class="tile"><b>{value}</b><span>{escape(name)}</span></div>'
        for name, value in tiles.items()
    )
    return (
        f"<header><h1>{escape(run.name)}</h1><p>{assets} on the {escape(run.venue)} venue{seed} · "
        f"{run.start[:19].replace('T', ' ')} to {run.end[:19].replace('T', ' ')} UTC "
        f"({run.hours:.2f} h) · {run.cycles:,} cycles · ended: {escape(run.stopped)} · "
        f"opening equity {head.opening_equity_usd:,.2f} USD</p>"
        f'<div class="tiles">{boxes}</div></header>\n'
    )
