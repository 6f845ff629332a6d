"""Quality of quoting in numbers: time quoted, markouts, and whether predictions came true.

The quotes of a cycle stand until the next one, so shares are shares of time.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import msgspec
import numpy as np

from portfolio_mm.evaluator.markout import HORIZONS_S
from portfolio_mm.report.columns import Cycles, Fills
from portfolio_mm.types import NS, Bools, Floats, Ints, Reason

CALIBRATED_S = 10.0
"""Horizon at which expected and realised markouts are compared."""


def seconds(cycles: Cycles, last_s: float) -> Floats:
    """Return how long the quotes of each cycle stood, (T,) s; the last for its expected life."""
    return np.append(np.diff(cycles.time_ns) / NS, last_s)


def quoted_both(cycles: Cycles) -> Bools:
    """Tell which assets were quoted on both sides, (T, N)."""
    return np.asarray((cycles.reason == Reason.QUOTED).all(axis=2))


def time_share(flags: Bools, duration: Floats) -> Floats:
    """Return the share of time for which flags (T, ...) were set."""
    share: Floats = np.tensordot(duration, flags, axes=1) / duration.sum()
    return share


def half_spread(cycles: Cycles, duration: Floats) -> Floats:
    """Return the median of ½ ln(ask / bid) of our best quotes while both stood, (N,), else NaN.

    It is the least value that was not exceeded for half of that time: a median, because a few
    seconds of very wide quotes would decide a mean.
    """
    both = quoted_both(cycles)
    best = np.where(both[:, :, None, None], cycles.price, 1.0)
    bid = np.where(np.isfinite(best[:, :, 0]), best[:, :, 0], -np.inf).max(axis=2)
    ask = np.where(np.isfinite(best[:, :, 1]), best[:, :, 1], np.inf).min(axis=2)
    half = 0.5 * np.log(ask / bid)
    return np.array([_median(half[stood, i], duration[stood]) for i, stood in enumerate(both.T)])


class Mean(NamedTuple):
    """A weighted mean."""

    fills: int
    mean: float  # NaN without data
    error: float  # standard error, NaN under two data


def weighted_mean(values: Floats, weights: Floats) -> Mean:
    """Return m = Σwx/Σw of the finite values and its standard error.

    Var m = n/(n−1) Σ w²(x − m)² / (Σw)², which is the usual s²/n when the weights are equal.
    """
    finite = np.isfinite(values)
    x, w = values[finite], weights[finite]
    n = len(x)
    if not n:
        return Mean(0, math.nan, math.nan)
    mean = float(w @ x / w.sum())
    if n == 1:
        return Mean(1, mean, math.nan)
    variance = n / (n - 1) * float(np.square(w * (x - mean)).sum()) / float(w.sum()) ** 2
    return Mean(n, mean, math.sqrt(variance))


def markout_curve(fills: Fills, chosen: Bools) -> tuple[Mean, ...]:
    """Return the notional-weighted markout of the chosen fills at every horizon."""
    usd = fills.usd[chosen]
    return tuple(weighted_mean(fills.markout[chosen, h], usd) for h in range(len(HORIZONS_S)))


class Bucket(msgspec.Struct, frozen=True, kw_only=True):
    """Predictions of about one size against what came."""

    count: int
    predicted: float
    realised: float
    error: float | None  # standard error of `realised`, None under two data


def reliability(
    predicted: Floats, realised: Floats, weights: Floats, buckets: int
) -> tuple[Bucket, ...]:
    """Return predicted against realised means in buckets of equally many predictions."""
    order = np.argsort(predicted, kind="stable")
    result = []
    for rows in np.array_split(order, buckets):
        if len(rows):
            expected = weighted_mean(predicted[rows], weights[rows])
            came = weighted_mean(realised[rows], weights[rows])
            result.append(
                Bucket(
                    count=len(rows),
                    predicted=expected.mean,
                    realised=came.mean,
                    error=came.error if len(rows) > 1 else None,
                )
            )
    return tuple(result)


def fill_calibration(cycles: Cycles, fills: Fills, buckets: int = 10) -> tuple[Bucket, ...]:
    """Compare P(fill) of every quote with whether it was hit before the next cycle."""
    hit = np.zeros(cycles.price.shape)
    known = (fills.level >= 0) & (fills.cycle > 0)
    hit[_cells(fills, known)] = 1.0
    stood = np.isfinite(cycles.price)
    stood[-1] = False  # nobody saw what became of them
    return reliability(cycles.probability[stood], hit[stood], np.ones(int(stood.sum())), buckets)


def markout_calibration(cycles: Cycles, fills: Fills, buckets: int = 8) -> tuple[Bucket, ...]:
    """Compare edge − AS of the quotes that were hit with their markouts, by fill."""
    markout = fills.markout[:, HORIZONS_S.index(CALIBRATED_S)]
    known = (fills.level >= 0) & (fills.cycle > 0) & np.isfinite(markout)
    expected = cycles.expected_markout[_cells(fills, known)]
    return reliability(expected, markout[known], fills.usd[known], buckets)


def _cells(fills: Fills, chosen: Bools) -> tuple[Ints, Ints, Ints, Ints]:
    """Return the index of the quote that each chosen fill hit, in arrays (T, N, 2, L)."""
    side = (fills.side < 0).astype(np.int64)
    return (
        fills.cycle[chosen] - 1,
        fills.asset[chosen],
        side[chosen],
        fills.level[chosen],
    )


def _median(values: Floats, weights: Floats) -> float:
    if not weights.sum() > 0:
        return math.nan
    return float(np.quantile(values, 0.5, weights=weights, method="inverted_cdf"))
