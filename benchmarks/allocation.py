"""The allocation programme against PIQP called directly on the same numbers, in one run.

Direct PIQP is what remains when everything else is free: one in-place update with canonical
numbers prepared beforehand, and a solve. Ours starts from the data of the cycle and ends with
sizes and multipliers. `python -m benchmarks.allocation` prints the table; the objectives of both
and of cvxpy are compared before anything is timed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import piqp

from portfolio_mm.executor import programme as definition
from portfolio_mm.executor.allocation import Allocator
from portfolio_mm.executor.canonical import SETTINGS
from portfolio_mm.executor.compiled import CompiledQP

N_LEVELS, N_ROWS, N_FACTORS = 3, 3, 3
PARITY = 1e-8  # of objectives, relative


class Row(NamedTuple):
    """Milliseconds for one number of assets; ratios are ours over direct PIQP."""

    n_assets: int
    ours_p50: float
    ours_p99: float
    direct_p50: float
    direct_p99: float
    ratio_p50: float
    ratio_p99: float
    iterations: float


def measure(n_assets: int, *, instances: int = 20, rounds: int = 15, seed: int = 1) -> Row:
    """Time both on the same random instances, taking turns."""
    pattern = np.ones((N_ROWS, n_assets, 2), dtype=np.bool_)
    generator = np.random.default_rng(seed)
    programmes = [definition.sample(generator, pattern, N_LEVELS) for _ in range(instances)]
    scaled = [definition.scale(p, N_FACTORS, pattern) for p in programmes]
    statement = definition.state(N_LEVELS, N_FACTORS, pattern)
    compiled = CompiledQP(
        statement.problem, (statement.cumulative,), statement.limits, [scaled[0][0]]
    )
    canonical = [compiled.canonical(values) for values, _ in scaled]
    allocator = Allocator(n_assets, N_LEVELS, n_rows=N_ROWS, n_factors=N_FACTORS)
    solver: Any = piqp.SparseSolver()
    for name, value in SETTINGS.items():
        setattr(solver.settings, name, value)
    solver.setup(**canonical[0])

    def direct(numbers: dict[str, Any]) -> None:
        solver.update(**numbers)
        solver.solve()

    iterations = []
    for programme, (values, units), numbers in zip(programmes, scaled, canonical, strict=True):
        allocation = allocator.solve(programme)
        direct(numbers)
        cumulative = compiled.reference(values).primal[0].reshape(programme.cap.shape)
        reference = np.diff(cumulative, axis=2, prepend=0.0)
        objectives = np.array(
            [
                allocation.objective / units.value,
                definition.objective(values, reference),
                definition.objective(values, reference)
                - statement.problem.value
                - solver.result.info.primal_obj,
            ]
        )
        if allocation.status != "optimal" or np.ptp(objectives) > PARITY * objectives.max():
            raise RuntimeError(f"objectives differ at N = {n_assets}: {objectives}")
        iterations.append(allocation.iterations)

    ours_ms, direct_ms = [], []
    for _ in range(rounds):
        for programme, numbers in zip(programmes, canonical, strict=True):
            ours_ms.append(_milliseconds(partial(allocator.solve, programme)))
            direct_ms.append(_milliseconds(partial(direct, numbers)))
    (ours_p50, ours_p99), (direct_p50, direct_p99) = (
        np.percentile(times, [50, 99]).tolist() for times in (ours_ms, direct_ms)
    )
    return Row(
        n_assets,
        ours_p50,
        ours_p99,
        direct_p50,
        direct_p99,
        ours_p50 / direct_p50,
        ours_p99 / direct_p99,
        float(np.mean(iterations)),
    )


def table(sizes: tuple[int, ...] = (1, 10, 50, 100)) -> list[Row]:
    """One row per number of assets."""
    return [measure(n) for n in sizes]


def main() -> list[Row]:
    rows = table()
    print(f"L = {N_LEVELS}, R = {N_ROWS}, K = {N_FACTORS}; milliseconds")
    print("   N   ours p50    p99   direct p50    p99   ratio p50   p99   iterations")
    for r in rows:
        print(
            f"{r.n_assets:4d}   {r.ours_p50:8.3f} {r.ours_p99:6.3f}   {r.direct_p50:10.3f}"
            f" {r.direct_p99:6.3f}   {r.ratio_p50:9.2f} {r.ratio_p99:5.2f}   {r.iterations:10.1f}"
        )
    return rows


def _milliseconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return 1e3 * (time.perf_counter() - start)


if __name__ == "__main__":
    main()
