"""Monte Carlo on the processor against NumPy over paths, on the same market.

    python -m benchmarks.montecarlo [--steps 200] [--target cpu]

The market has three factors, mean-reverting drift, three regimes and takers that excite each other;
one policy quotes by the closed form. NumPy moves all paths of a block together, one array operation
after the other, in single precision with its own generator. Both are checked on the very paths that
are timed: mean profit and fills agree within four standard errors, as does the number of takers with
its known mean. One thread is timed, then all.
"""

from __future__ import annotations

import argparse
import math
import time
from typing import NamedTuple

import numba
import numpy as np

import gpu
from gpu import linear
from gpu.model import Model, Policy, Regimes, tables
from gpu.summary import Summary
from portfolio_mm.theory import closed_form

PATHS = {1: 1 << 19, 50: 1 << 13}
NUMPY_PATHS = {1: 1 << 14, 50: 1 << 10}
NUMPY_BLOCK = {1: 1 << 14, 50: 1 << 10}
REPEATS = 3


class Sample(NamedTuple):
    """What a run found, per path: mean and standard error."""

    profit: tuple[float, float]
    fills: float
    takers: tuple[float, float]
    rate: float  # asset-steps per second


def market(count: int) -> tuple[Model, Policy]:
    """Return `count` assets on three factors and the closed form's quotes."""
    rng = np.random.default_rng(0)
    loading = rng.normal(size=(count, 3)) * 6e-5
    covariance = loading @ loading.T + 1e-8 * np.eye(count)
    arrival, decay = np.full((count, 2), 0.05), np.full((count, 2), 1500.0)
    size = np.full(count, 500.0)
    quotes = closed_form.solve(covariance, 5e-3, arrival, decay, size)
    rank = min(3, count - 1)
    policy = Policy(
        name="joint",
        size=size,
        half_width=quotes.half_width,
        shift=quotes.asymmetry,
        skew=linear.positive(2.0 * quotes.curvature, rank=rank),
        decay=1500.0,
    )
    model = Model(
        covariance=covariance,
        arrival=arrival,
        decay=decay,
        dt=1.0,
        factors=rank,
        drift_reversion=0.02,
        drift_volatility=1e-8,
        regimes=Regimes(rate=np.full((3, 3), 1e-3), volatility=np.array([1.0, 1.3, 2.0])),
        self_excitation=0.3,
        cross_excitation=0.1,
        excitation_decay=0.2,
    )
    return model, policy


def with_numpy(model: Model, policy: Policy, paths: int, steps: int, block: int) -> Sample:
    """Run the same market by array operations over paths, (N, paths)."""
    begin = time.perf_counter()
    given = tables(model, [policy], steps)
    asset, quote = (x.astype(np.float32) for x in (given.asset, given.policy[0]))
    column = {name: asset[:, [i]] for i, name in enumerate(ASSET_NAMES)}
    loading = given.loading.astype(np.float32)
    left, right = (x[0].astype(np.float32) for x in (given.skew_left, given.skew_right))
    chances = given.market[:6].reshape(3, 2).astype(np.float32)
    volatility = given.market[6:9].astype(np.float32)
    n, f = len(asset), np.float32
    size, half_bid, half_ask, shift, own = (quote[:, [i]] for i in (0, 1, 2, 4, 5))
    half_decay, bend = quote[:, [7]], quote[:, [8]]
    rng = np.random.default_rng(1)
    profits, fills, takers = [], 0.0, []
    for _ in range(0, paths, block):
        shape = (n, block)
        x, gain, drift = (np.zeros(shape, f) for _ in range(3))
        excited_bid = np.repeat(column["start_bid"], block, axis=1)
        excited_ask = np.repeat(column["start_ask"], block, axis=1)
        regime, came = np.zeros(block, np.int64), np.zeros(block)
        for _ in range(steps):
            factors = rng.standard_normal((loading.shape[1], block), f)
            u = rng.random(block, f)
            regime = (u[:, None] >= chances[regime]).sum(axis=1)
            noise = volatility[regime] * (
                column["own"] * rng.standard_normal(shape, f) + loading @ factors
            )
            rate_bid, rate_ask = column["base_bid"] + excited_bid, column["base_ask"] + excited_ask
            u_bid, u_ask = rng.random(shape, f), rng.random(shape, f)
            bids, asks = u_bid < rate_bid, u_ask < rate_ask
            excited_bid = column["fading"] * excited_bid
            excited_bid += column["self"] * bids + column["cross_bid"] * asks
            excited_ask = column["fading"] * excited_ask
            excited_ask += column["self"] * asks + column["cross_ask"] * bids
            r = shift - bend * np.arcsinh(half_decay * (own * x + left @ (right.T @ x)))
            depth_bid, depth_ask = half_bid - r, half_ask + r
            hit = u_bid < rate_bid * np.exp(-column["decay_bid"] * depth_bid)
            lifted = u_ask < rate_ask * np.exp(-column["decay_ask"] * depth_ask)
            gain += size * (hit * depth_bid + lifted * depth_ask)
            x += size * (hit.astype(f) - lifted.astype(f))
            gain += x * (noise + column["drift_mean"] * drift)
            drift = column["drift_ratio"] * drift
            drift += column["drift_noise"] * rng.standard_normal(shape, f)
            fills += float(np.count_nonzero(hit) + np.count_nonzero(lifted))
            came += np.count_nonzero(bids, axis=0) + np.count_nonzero(asks, axis=0)
        profits.append(gain.sum(axis=0, dtype=np.float64))
        takers.append(came)
    seconds = time.perf_counter() - begin
    return Sample(
        mean_and_error(np.concatenate(profits)),
        fills / paths,
        mean_and_error(np.concatenate(takers)),
        paths * steps * n / seconds,
    )


ASSET_NAMES = (
    "own base_bid base_ask fading self cross_bid cross_ask informed_bid informed_ask signal "
    "drift_ratio drift_noise drift_mean level_ratio level_noise level_sd jump_chance jump_size "
    "decay_bid decay_ask margin drift inventory funding start_bid start_ask"
).split()


def mean_and_error(values: np.ndarray) -> tuple[float, float]:
    return float(values.mean()), float(values.std() / math.sqrt(values.size))


def with_kernel(
    model: Model, policy: Policy, paths: int, steps: int, threads: int, target: str
) -> Sample:
    """Run the kernel, the first time also to compile it, and keep the fastest."""
    numba.set_num_threads(threads)
    found: list[Summary] = []
    for paths_now in (256, *([paths] * REPEATS)):
        found.append(
            gpu.simulate(model, [policy], paths=paths_now, steps=steps, seed=2, target=target)
        )
    best = max(found[1:], key=lambda summary: summary.asset_steps_per_second)
    count = best.takers.mean.sum()
    return Sample(
        (float(best.profit.mean[0]), float(best.profit.error[0])),
        float(best.fills.sum()),
        (float(count), float(np.sqrt((best.takers.error**2).sum()))),
        best.asset_steps_per_second,
    )


def check(ours: Sample, reference: Sample, expected: float) -> str:
    """Compare the two, and refuse to state a speed for paths that are wrong."""
    difference = (ours.profit[0] - reference.profit[0]) / math.hypot(
        ours.profit[1], reference.profit[1]
    )
    takers = (ours.takers[0] - expected) / ours.takers[1]
    theirs = (reference.takers[0] - expected) / reference.takers[1]
    fills = ours.fills / reference.fills - 1.0
    if max(abs(difference), abs(takers), abs(theirs)) > 4.0 or abs(fills) > 0.02:
        raise SystemExit(
            f"wrong paths: profit off by {difference:.1f} standard errors, takers by "
            f"{takers:.1f} and {theirs:.1f}, fills by {100.0 * fills:.2f} %"
        )
    return (
        f"profit {ours.profit[0]:.4g} USD, {difference:+.1f} s.e. from NumPy's; "
        f"takers {takers:+.1f} s.e. from their mean; fills {100.0 * fills:+.2f} %"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--target", default="cpu")
    options = parser.parse_args()
    cores = numba.config.NUMBA_NUM_THREADS
    print("million asset-steps per second")
    for count in (50, 1):
        model, policy = market(count)
        # NumPy before and after, the faster of the two: the machine's speed moves.
        before = with_numpy(model, policy, NUMPY_PATHS[count], options.steps, NUMPY_BLOCK[count])
        one = with_kernel(model, policy, PATHS[count], options.steps, 1, options.target)
        every = with_kernel(model, policy, PATHS[count], options.steps, cores, options.target)
        after = with_numpy(model, policy, NUMPY_PATHS[count], options.steps, NUMPY_BLOCK[count])
        reference = max(before, after, key=lambda sample: sample.rate)
        expected = float(np.asarray(model.arrival).sum()) * options.steps * model.dt
        print(
            f"N = {count}: NumPy {reference.rate / 1e6:.1f}, one thread {one.rate / 1e6:.1f} "
            f"({one.rate / reference.rate:.1f} x), {cores} threads {every.rate / 1e6:.1f} "
            f"({every.rate / one.rate:.2f} x one)"
        )
        print(f"    {check(one, reference, expected)}")
        print(f"    {check(every, reference, expected)}")


if __name__ == "__main__":
    main()
