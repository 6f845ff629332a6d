"""Tables of the page, from the numbers of a run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from portfolio_mm.report.columns import Requests
from portfolio_mm.report.summary import ALL, AssetRow, Causes, Inventory, Side, Summary
from portfolio_mm.report.trace import Trace

FILLS_SHOWN = 300
"""Most fills on the page; the JSON file has all of them."""


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], *, total: bool = False) -> str:
    body = [f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows]
    if total:
        body[-1] = body[-1].replace("<tr>", '<tr class="total">', 1)
    heads = "".join(f"<th>{cell}</th>" for cell in head)
    return (
        f'<div class="wide"><table><thead><tr>{heads}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>\n"
    )


def usd(value: float) -> str:
    """Write a signed amount."""
    return f"{value:+,.2f}"


def _or_dash(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)


def attribution(summary: Summary) -> str:
    """Return PnL by asset and cause."""

    def row(causes: Causes) -> list[str]:
        amounts = (
            causes.spread,
            causes.adverse_selection,
            causes.inventory,
            causes.fees,
            causes.funding,
            causes.total,
        )
        return [escape(causes.asset), *map(usd, amounts)]

    head = ("USD", "spread", "adverse selection", "inventory", "fees", "funding", "total")
    return _table(head, map(row, summary.attribution), total=True)


def accounting(summary: Summary) -> str:
    """Say how well the books agree."""
    books = summary.accounting
    return (
        f"<p>Equity that the venue reported last, {books.account_age_s:.1f} s before the end, less "
        f"equity attributed: {books.identity_residual:+.2e} USD; equity recomputed from fills and "
        f"marks less attributed: {books.ledger_residual:+.2e} USD; gross attributed: "
        f"{books.gross_attributed:,.2f} USD. Largest difference in {books.reports:,} reports, while "
        f"a mark was on its way: {books.largest_report_residual:.2f} USD.</p>"
    )


def risk(title: str, inventory: Inventory) -> str:
    """Return the tail risk of an inventory by component."""
    rows = [
        [
            escape(part.asset),
            f"{part.inventory_usd:+,.0f}",
            f"{part.share_of_variance:+.1%}",
            f"{part.value_at_risk_usd:+,.1f}",
            f"{part.expected_shortfall_usd:+,.1f}",
        ]
        for part in inventory.components
    ]
    shares = sum(part.share_of_variance for part in inventory.components)
    rows.append(
        [
            f"net {inventory.net_usd:+,.0f}",
            f"gross {inventory.gross_usd:,.0f}",
            f"{shares:.1%}",
            f"{inventory.value_at_risk_usd:+,.1f}",
            f"{inventory.expected_shortfall_usd:+,.1f}",
        ]
    )
    table = _table(("USD", "inventory", "of variance", "VaR", "ES"), rows, total=True)
    return (
        f"<div><b>{title}</b>, {inventory.time[11:19]} UTC: volatility "
        f"{inventory.volatility_usd:,.0f} USD per √day{table}</div>"
    )


def _reasons(side: Side) -> str:
    if not side.not_quoted:
        return "–"
    reason, share = next(iter(side.not_quoted.items()))
    return f"{reason.replace('_', ' ')} {share:.1%}"


def assets(summary: Summary) -> str:
    """Return how each asset was quoted and what it earned."""
    head = (
        "asset",
        "quoted on both sides",
        "bid / ask quoted",
        "main reason when not: bid / ask",
        "fills",
        "volume, USD",
        "PnL, USD",
        "median half-spread, bps",
        "σ per √day",
        "κ, bid / ask",
        "arrival, 1/s",
        "informed",
    )

    def row(asset: AssetRow) -> list[str]:
        return [
            escape(asset.asset),
            f"{asset.time_quoted_both:.1%}",
            f"{asset.bid.quoted:.1%} / {asset.ask.quoted:.1%}",
            f"{_reasons(asset.bid)} / {_reasons(asset.ask)}",
            f"{asset.fills:,}",
            f"{asset.volume_usd:,.0f}",
            usd(asset.pnl_usd),
            _or_dash(asset.half_spread_bps, ".2f"),
            f"{asset.volatility_per_day:.2%}",
            f"{asset.decay[0]:,.0f} / {asset.decay[1]:,.0f}",
            f"{asset.arrival_per_s[0]:.3f} / {asset.arrival_per_s[1]:.3f}",
            f"{asset.informed[0]:.1%} / {asset.informed[1]:.1%}",
        ]

    return "<p>Shares are of time.</p>" + _table(head, map(row, summary.assets))


def requests(summary: Summary) -> str:
    """Say what was asked of the venue and of the solver, and which alerts were raised."""
    requests = summary.requests
    refused = ", ".join(f"{escape(words)} ({n:,})" for words, n in requests.rejected.items())
    solver = ", ".join(f"{status} {n:,}" for status, n in summary.solver.items())
    alerts = ", ".join(f"{words} {n:,}" for words, n in summary.alerts.items())
    return (
        f"<p>Requests: {requests.placed:,} placed, {requests.modified:,} modified, "
        f"{requests.cancelled:,} cancelled; refused: {refused or 'none'}. {_word(requests)}"
        f"Allocations: {solver}. Alerts, in cycles: {alerts}.</p>"
    )


def _word(requests: Requests) -> str:
    """Say how long the venue's word took."""
    if requests.word_p50_s is None or requests.word_p99_s is None:
        return ""
    return (
        f"From a decision to the venue's word: {1e3 * requests.word_p50_s:.0f} ms (p50), "
        f"{1e3 * requests.word_p99_s:.0f} ms (p99). "
    )


def traces(summary: Summary, name: str) -> str:
    """Return the steps from fair value to the last quotes of an asset."""
    chosen = [trace for trace in summary.traces if trace.asset == name]
    if not chosen:
        return "<p>It was never quoted.</p>"
    return (
        "<p>Why the last quotes stood where they did: each step moves the price by so many basis "
        "points, from fair value to the price on the venue's grid.</p>"
        f'<div class="pair">{"".join(map(_trace, chosen))}</div>'
    )


def _trace(trace: Trace) -> str:
    rows = [["fair value", "", f"{trace.fair:.8g}"]]
    rows += [[step.name, f"{step.bps:+.3f}", f"{step.price:.8g}"] for step in trace.steps]
    rows.append([trace.side, "", f"{trace.price:.8g}"])
    table = _table(("step", "bps", "USD"), rows, total=True)
    return (
        f"<div><b>{trace.side}</b> of {trace.size:g} contracts, level {trace.level}{table}"
        f"<p>Per USD: edge {trace.edge_bps:.2f} − adverse selection "
        f"{trace.adverse_selection_bps:.2f} − impact {trace.impact_bps:.2f} − fee "
        f"{trace.fee_bps:.2f} bps; relative to the reservation price {trace.margin_bps:.2f} bps. "
        f"Chance of a fill {trace.probability:.1%}, expected PnL {trace.expected_pnl_usd:.4f} USD. "
        f"From γ {trace.gamma_per_usd:.3g}/USD, inventory {trace.inventory_usd:+,.0f} USD, "
        f"σ {trace.volatility_per_day:.2%} per √day, arrival {trace.arrival_per_s:.3f}/s, "
        f"κ {trace.decay:,.0f}, informed {trace.informed:.1%}.</p></div>"
    )


def fills(summary: Summary) -> str:
    """Return the last fills."""
    if not summary.fills:
        return "<p>No fills.</p>"
    shown = summary.fills[-FILLS_SHOWN:]
    horizons = [f"{horizon:g} s, bps" for horizon in summary.markout_horizons_s]
    head = ("time", "asset", "side", "price", "size", "USD", "fee", "fair value", *horizons)
    rows = (
        [
            fill.time[11:23],
            escape(fill.asset),
            fill.side,
            f"{fill.price:g}",
            f"{fill.size:g}",
            f"{fill.notional_usd:,.2f}",
            f"{fill.fee_usd:.4f}",
            f"{fill.fair:.6g}",
            *(_or_dash(markout, "+.1f") for markout in fill.markout_bps),
        ]
        for fill in shown
    )
    total = [m for m in summary.markouts if m.asset == ALL and m.side == ALL]
    means = "; ".join(
        f"{m.horizon_s:g} s {_or_dash(m.mean_bps, '+.2f')} ± {_or_dash(m.error_bps, '.2f')}"
        for m in total
    )
    return (
        f"<p>Mean markouts of all fills, bps: {means}. The last {len(shown):,} of "
        f"{len(summary.fills):,} fills; the JSON file has all.</p>{_table(head, rows)}"
    )
