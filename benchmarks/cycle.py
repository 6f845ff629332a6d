"""The quote cycle by stage, at N = 1, 10, 50 and 100 assets.

    python -m benchmarks.cycle

The whole cycle runs along a simulated path; its result is checked (every side quoted, bids below
asks) and then every stage is timed on the inputs that it had there. The table, and that of the
allocation against PIQP called directly, go to benchmarks/RESULTS.md.
"""

from __future__ import annotations

import platform
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks import allocation
from portfolio_mm.actuary import stage as actuary
from portfolio_mm.belief import stage as belief
from portfolio_mm.cycle import build, quote_cycle
from portfolio_mm.evaluator import stage as evaluator
from portfolio_mm.executor import stage as executor
from portfolio_mm.executor.reconcile import reconcile
from portfolio_mm.governor import stage as governor
from portfolio_mm.sensor import stage as sensor
from portfolio_mm.types import Events, Reason
from sim import synthetic

RESULTS = Path(__file__).with_name("RESULTS.md")
ASSETS = (1, 10, 50, 100)
WARM_UP = 60
STEPS = 120


def measure(n: int) -> dict[str, np.ndarray]:
    """Return the milliseconds of each stage, and of the cycle, along a path of N assets."""
    universe = synthetic.universe(n)
    stages, state = build(synthetic.config(universe), universe)
    times: dict[str, list[float]] = {}

    def timed(name: str, call: Callable[..., Any], *args: object) -> Any:
        begin = perf_counter()
        result = call(*args)
        times.setdefault(name, []).append(1e3 * (perf_counter() - begin))
        return result

    resting, worth = synthetic.no_orders(), np.zeros(0)
    for step, snapshot in enumerate(synthetic.path(n, STEPS, seed=1)):
        position = np.random.default_rng(step).normal(size=n) * 1000.0 / snapshot.mark
        account = synthetic.account(snapshot.time_ns, position, snapshot.mark, equity=2e4 * n)
        before = state
        state, cycle = timed(
            "whole cycle", quote_cycle, stages, before, snapshot, account, Events()
        )
        _check(cycle.quotes.reason, cycle.surface.price)
        updates = before.evaluator.updates
        market, budget, surface = cycle.belief, cycle.budget, cycle.surface
        timed("sensor", sensor.step, stages.sensor, before.sensor, snapshot)
        timed("belief", belief.step, stages.belief, before.belief, cycle.observations, (), updates)
        usage = before.usage
        timed("governor", governor.step, stages.governor, before.governor, market, account, usage)
        timed("actuary", actuary.step, stages.actuary, before.actuary, market, budget, snapshot)
        timed("executor", executor.step, stages.executor, surface, budget, snapshot, market.known)
        timed("reconcile", reconcile, "bench", cycle.quotes, resting, worth, 0.2, 10**9)
        resting = synthetic.resting(cycle.orders)
        worth = np.zeros(len(resting.cloid))
        timed(
            "evaluator", evaluator.step, stages.evaluator, before.evaluator, market, account, (), ()
        )
    return {name: np.array(values[WARM_UP:]) for name, values in times.items()}


def _check(reason: np.ndarray, price: np.ndarray) -> None:
    if (reason != Reason.QUOTED).mean() > 0.05 or (price[:, 0, 0] >= price[:, 1, 0]).any():
        raise AssertionError("the cycle that was to be timed does not quote as it should")


def main() -> None:
    """Measure, print and write the tables."""
    with threadpool_limits(limits=1, user_api="blas"):
        results = {n: measure(n) for n in ASSETS}
        rows = allocation.table(ASSETS)
    lines = [
        "# Measured results",
        "",
        (
            f"Made by `make bench` on {datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, "
            f"Python {platform.python_version()}, one BLAS thread. Milliseconds, p50 / p99."
        ),
        "",
        "## Quote cycle by stage, three levels a side",
        "",
        "| stage | " + " | ".join(f"N = {n}" for n in ASSETS) + " |",
        "|---|" + "---|" * len(ASSETS),
    ]
    for name in results[ASSETS[0]]:
        cells = (
            f"{np.median(results[n][name]):.2f} / {np.quantile(results[n][name], 0.99):.2f}"
            for n in ASSETS
        )
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines += [
        "",
        "## Allocation against PIQP called directly, the same numbers in the same run",
        "",
        "| N | ours | direct PIQP | ratio |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {row.n_assets} | {row.ours_p50:.2f} / {row.ours_p99:.2f} "
        f"| {row.direct_p50:.2f} / {row.direct_p99:.2f} "
        f"| {row.ratio_p50:.2f} / {row.ratio_p99:.2f} |"
        for row in rows
    ]
    lines.append("")
    text = "\n".join(lines)
    RESULTS.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
