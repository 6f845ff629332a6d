"""Turn the JSON of `pmm replay --json` into docs/replay.md.

Usage: python docs/tables.py RESULT.json PAGE.md. Without a result the page is left as it is.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

Scenario = dict[str, Any]

TEXT = """\
# Half an hour of recorded markets

Made by `make docs` from `configs/replay.toml`: {names}, {start} to {end} UTC, {rows:,} rows of
books, best prices and trades. The whole engine runs over them once per maker fee and queue model;
[queue_models.md](queue_models.md) says when each model fills. Amounts are USD.

## Runs

{runs}

The speed is that of the engine with its journal, on the machine that made this page.

{profit}

{causes}

## How much of this is the queue model

Quotes follow fills, so two rows above are two different sets of orders. Here each row keeps the
orders of one run, every one of them for as long as it rested there, and asks what they fill under
each model. Under the run's own model that is what the run filled. An order that the run's model
filled is gone afterwards, so under a more conservative model the row shows the least that could
have filled.

{same}

{assumption}

## Markets

Shares are of time; the half-spread is the median over the time in which both sides stood.

{quoted}

{markets}
"""


def table(head: Sequence[str], rows: Iterable[Sequence[str]], texts: int) -> str:
    """Return a Markdown table whose first columns are texts, the others numbers."""
    rules = ["---"] * texts + ["---:"] * (len(head) - texts)
    lines = [head, rules, *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def label(scenario: Scenario) -> tuple[str, str]:
    """Return the fee and the queue model of a run."""
    return f"{scenario['maker_fee_bps']:g} bps", scenario["queue"]


def share(value: float) -> str:
    """Return a share of time."""
    return f"{value:.0%}"


def between(values: Sequence[float], form: str) -> str:
    """Return the range of some values."""
    low, high = f"{min(values):{form}}", f"{max(values):{form}}"
    return low if low == high else f"{low} to {high}"


def runs(scenarios: Sequence[Scenario]) -> str:
    """Return what each run was and filled."""
    head = (
        "fee",
        "queue",
        "rows",
        "× real time",
        "quoted both",
        "fills",
        "orders filled",
        "volume",
    )
    return table(
        head,
        (
            (
                *label(s),
                f"{s['statistics']['rows']:,}",
                f"{s['times_real_time']:.0f}",
                share(s["summary"]["headline"]["time_quoted_both"]),
                f"{s['summary']['headline']['fills']:,}",
                f"{s['statistics']['filled_orders']:,}",
                f"{s['summary']['headline']['volume_usd']:,.0f}",
            )
            for s in scenarios
        ),
        texts=2,
    )


def causes(scenarios: Sequence[Scenario]) -> str:
    """Return the PnL of each run by cause."""
    columns = ("spread", "adverse_selection", "inventory", "fees", "funding", "total")
    head = ("fee", "queue", *(column.replace("_", " ") for column in columns))
    return table(
        head,
        (
            (*label(s), *(f"{s['summary']['attribution'][-1][column]:,.2f}" for column in columns))
            for s in scenarios
        ),
        texts=2,
    )


def profit(scenarios: Sequence[Scenario]) -> str:
    """Say what the PnL consists of."""
    totals = [s["summary"]["attribution"][-1] for s in scenarios]
    trading = [total["spread"] + total["adverse_selection"] + total["fees"] for total in totals]
    holding = [total["inventory"] for total in totals]
    return (
        "Spread, adverse selection and fees together came to "
        f"{between(trading, ',.2f')} USD, price moves on what was held to "
        f"{between(holding, ',.2f')} USD. The latter come from a single half hour of markets that "
        "move together; nothing follows from them about the next one."
    )


def same(scenarios: Sequence[Scenario]) -> str:
    """Return what the orders of each run fill under each model."""
    models = list(scenarios[0]["statistics"]["same_orders"])

    def cell(fills: dict[str, list[float]]) -> str:
        counts = f"{sum(fills['filled_orders']):,} / {sum(fills['fills']):,}"
        return f"{counts} / {sum(fills['volume_usd']):,.0f}"

    return "Orders filled / fills / volume.\n\n" + table(
        ("fee", "run under", *models),
        (
            (*label(s), *(cell(s["statistics"]["same_orders"][model]) for model in models))
            for s in scenarios
        ),
        texts=2,
    )


def assumption(scenarios: Sequence[Scenario]) -> str:
    """Say how far apart the models are for the orders of the most conservative runs."""
    models = list(scenarios[0]["statistics"]["same_orders"])
    least, most = models[0], models[-1]
    ratios = []
    for s in scenarios:
        volume = {m: sum(s["statistics"]["same_orders"][m]["volume_usd"]) for m in (least, most)}
        if s["queue"] == least and volume[least] > 0:
            ratios.append(volume[most] / volume[least])
    if not ratios:
        return f"No run under `{least}` filled anything."
    return (
        f"The orders of the runs under `{least}` trade {between(ratios, '.1f')} times as much under "
        f"`{most}`. Recorded books cannot say which of the models is right."
    )


def quoted(scenarios: Sequence[Scenario]) -> str:
    """Say how much of the time was quoted at each fee, and why the rest was not."""
    shares: dict[str, list[float]] = {}
    missed: dict[str, float] = {}
    for s in scenarios:
        headline = s["summary"]["headline"]
        shares.setdefault(label(s)[0], []).append(headline["time_quoted_both"])
        for asset in s["summary"]["assets"]:
            for side in (asset["bid"], asset["ask"]):
                for reason, part in side["not_quoted"].items():
                    missed[reason] = missed.get(reason, 0.0) + part
    by_fee = ", ".join(f"{between(part, '.0%')} at {fee}" for fee, part in shares.items())
    text = f"Share of time in which both sides of a market stood, mean over markets: {by_fee}."
    if missed:
        reason = max(missed, key=lambda name: missed[name])
        text += (
            f" Where a side was missing, the reason was {reason.replace('_', ' ')} for "
            f"{missed[reason] / sum(missed.values()):.0%} of that time."
        )
    return text


def markets(scenarios: Sequence[Scenario]) -> str:
    """Return how each market was quoted in each run."""
    head = (
        *("fee", "queue", "asset", "bid not quoted because", "ask not quoted because"),
        *("bid quoted", "ask quoted", "half-spread", "fills", "volume", "PnL"),
    )

    def reason(side: dict[str, Any]) -> str:
        named = [(name, part) for name, part in side["not_quoted"].items() if part >= 0.005]
        return ", ".join(f"{name.replace('_', ' ')} {share(part)}" for name, part in named) or "–"

    def row(s: Scenario, asset: dict[str, Any]) -> tuple[str, ...]:
        half = asset["half_spread_bps"]
        return (
            *label(s),
            asset["asset"],
            reason(asset["bid"]),
            reason(asset["ask"]),
            share(asset["bid"]["quoted"]),
            share(asset["ask"]["quoted"]),
            "–" if half is None else f"{half:.1f} bps",
            f"{asset['fills']:,}",
            f"{asset['volume_usd']:,.0f}",
            f"{asset['pnl_usd']:,.2f}",
        )

    rows = (row(s, asset) for s in scenarios for asset in s["summary"]["assets"])
    return table(head, rows, texts=5)


def page(scenarios: Sequence[Scenario]) -> str:
    """Return the page."""
    run = scenarios[0]["summary"]["run"]
    return TEXT.format(
        names=", ".join(run["assets"]),
        start=run["start"][:16].replace("T", " "),
        end=run["end"][11:16],
        rows=scenarios[0]["statistics"]["rows"],
        runs=runs(scenarios),
        profit=profit(scenarios),
        causes=causes(scenarios),
        same=same(scenarios),
        assumption=assumption(scenarios),
        quoted=quoted(scenarios),
        markets=markets(scenarios),
    )


def main(result: Path, target: Path) -> None:
    """Write the page of a result."""
    if not result.is_file() or not result.stat().st_size:
        sys.stderr.write(f"{result}: no replay, is the recording absent? {target} is unchanged\n")
        return
    target.write_text(page(json.loads(result.read_text())))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
