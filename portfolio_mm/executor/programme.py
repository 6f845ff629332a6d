"""The allocation programme: its data, its statement in cvxpy, its scaling.

Solved in units in which every number is of order one: sizes in reference sizes z, the objective
in the largest value of one reference size, each limit in its row's largest use. The variables are
the cumulative sizes S_l, so that every quadratic weight stands on the diagonal; the sizes are
their differences. Exposure is counted beyond that of the inventory: with e_i = |x_i| + w_i,

    w_i ≥ S_bid,i − 2 max(−x_i, 0),   w_i ≥ S_ask,i − 2 max(x_i, 0).

Limits further away than all sizes together can use, and those exceeded by more than one unit,
are moved to that edge: it changes no size.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import cvxpy as cp
import numpy as np
import scipy.sparse as sp
from cvxpy.atoms.affine.binary_operators import multiply
from cvxpy.atoms.sum_squares import sum_squares
from numpy.typing import NDArray

from portfolio_mm.executor.factor import factor_model

Array = NDArray[np.float64]
Pattern = NDArray[np.bool_]

REGULARISER = 1e-5  # of the largest value of a reference size, per squared reference size
LARGEST = 1e4  # cap of a level, in reference sizes
WORST_GAIN = -1e3  # of a level, in largest values: far beyond what a hedge is worth
REDUCES = np.array([-2.0, 2.0])  # a side shrinks gross exposure until it has flipped the position
EXACT = 2.0  # penalty over the largest multiplier possible
SMALLEST_USE = 1e-4  # of a limit, relative to its row's largest use


@dataclass(frozen=True, slots=True, eq=False)
class Programme:
    """The data of one cycle; N assets, sides (bid, ask), L levels from the touch outwards, R rows.

    Sizes, inventory and limits are in USD; margin, costs and rates are fractions.
    """

    margin: Array  # (N, 2, L) m: expected profit per USD filled, before the risk of the fill
    probability: Array  # (N, 2, L) P: fill within the life of the quote; made nonincreasing
    adverse_selection: Array  # (N, 2, L) AS: expected move against a fill, >= 0
    cap: Array  # (N, 2, L) largest size of a level
    side_cap: Array  # (N, 2) largest size of a side
    size: Array  # (N,) z: reference size, > 0
    curvature: Array  # (N, N) A: curvature of the value function, positive semidefinite, 1/USD
    inventory: Array  # (N,) x: long > 0
    life: float  # expected life of a quote, s
    sweep: float  # omega: chance that a whole side is swept, in [0, 1]
    side_weights: Array  # (2,) q: weight of each side in sweeps, >= 0
    toxicity_budget: float  # expected adverse selection, USD/s; infinite: no limit
    exposure_limit: float  # gross, worst side; infinite: no limit
    margin_rate: Array  # (R, N, 2) margin per USD resting on a side, >= 0
    margin_free: Array  # (R,) may be negative; infinite: no limit
    action_price: Array  # (N, 2, L) USD per reference size placed


class Statement(NamedTuple):
    """The programme in cvxpy; its limits in the order margin, exposure, toxicity."""

    problem: cp.Problem
    cumulative: cp.Variable
    limits: tuple[cp.Constraint, cp.Constraint, cp.Constraint]


class Units(NamedTuple):
    """What one scaled unit is: of the objective in USD, of each limit in its own unit."""

    value: float
    margin: Array
    exposure: float
    toxicity: float


def state(n_levels: int, n_factors: int, pattern: Pattern) -> Statement:
    """State the scaled programme for L levels, K factors, a pattern (R, N, 2) of margin rates."""
    n_rows, n, _ = pattern.shape
    sides = 2 * n  # bid and ask of the first asset, bid and ask of the second, ...
    shape = (sides, n_levels)
    cumulative = cp.Variable(shape, name="cumulative")
    sizes = cumulative @ sp.diags_array([1.0, -1.0], offsets=[0, 1], shape=(n_levels, n_levels))
    side = cumulative[:, -1]
    worst = cp.Variable(n, name="worst")
    joint = cp.Variable((n_factors, 2), name="joint")
    margin_slack, slack = cp.Variable(n_rows, name="margin_slack"), cp.Variable(2, name="slack")

    row, resting_side = np.nonzero(pattern.reshape(n_rows, sides))
    entries = np.arange(len(row))
    pairs = sp.csr_array(sp.kron(sp.eye_array(n), np.ones((1, 2))))  # bid + ask of each asset
    per_row = sp.csr_array((np.ones(len(row)), (row, entries)), shape=(n_rows, len(row)))
    resting = multiply(cp.Parameter(len(row), name="margin_rate"), side[resting_side])

    margin = per_row @ resting <= cp.Parameter(n_rows, name="margin_free") + margin_slack
    exposure = cp.Parameter(n, name="exposure") @ worst <= (
        cp.Parameter(name="exposure_free") + slack[0]
    )
    toxicity = multiply(cp.Parameter(shape, name="toxicity"), sizes).sum() <= (
        cp.Parameter(name="toxicity_free") + slack[1]
    )
    constraints = [
        margin,
        exposure,
        toxicity,
        sizes >= 0,
        sizes <= cp.Parameter(shape, name="cap"),
        side <= cp.Parameter(sides, name="side_cap"),
        pairs.T @ worst >= side - cp.Parameter(sides, name="reducing"),
        joint[:, 0] == cp.Parameter((n_factors, n), name="bid_factors") @ side[0::2],
        joint[:, 1] == cp.Parameter((n_factors, n), name="ask_factors") @ side[1::2],
        margin_slack >= 0,
        slack >= 0,
    ]
    weight = cp.Parameter(shape, name="weight", nonneg=True)
    value = (
        multiply(cp.Parameter(shape, name="gain"), sizes).sum()
        - multiply(weight, cumulative**2).sum()
        - sum_squares(joint)
        - cp.Parameter(n_rows, name="margin_penalty") @ margin_slack
        - cp.Parameter(2, name="penalty") @ slack
    )
    return Statement(
        cp.Problem(cp.Maximize(value), constraints), cumulative, (margin, exposure, toxicity)
    )


def scale(programme: Programme, n_factors: int, pattern: Pattern) -> tuple[dict[str, Array], Units]:
    """Parameter values of the statement, by name, and the units they are in."""
    p, omega, z = programme, programme.sweep, programme.size
    n, _, n_levels = p.margin.shape
    z2 = z[:, None, None]
    cap = np.minimum(p.cap / z2, LARGEST)
    side_cap = np.minimum(p.side_cap / z[:, None], cap.sum(axis=2))
    probability = np.minimum.accumulate(p.probability, axis=2)

    fills = (1.0 - omega) * probability + (omega * p.side_weights)[:, None]
    gain = fills * p.margin * z2 - p.action_price
    worth = np.maximum(gain, 0.0)
    worth *= np.minimum(cap, side_cap[:, :, None]) > 0.0
    value = float(worth.max()) or _unit(np.abs(gain))
    worth /= value

    alive = side_cap.any(axis=1)
    loadings, specific = factor_model(p.curvature * (alive[:, None] & alive), n_factors)
    risk = z * z / value
    weight = probability.copy()
    weight[:, :, :-1] -= probability[:, :, 1:]
    weight *= ((1.0 - omega) * risk * np.diagonal(p.curvature))[:, None, None]
    weight[:, :, -1] += (risk * specific)[:, None] * (omega * p.side_weights)
    weight += REGULARISER
    factors = (loadings * np.sqrt(omega * risk)[:, None]).T

    toxicity = probability * p.adverse_selection * (z2 / p.life)
    toxicity_unit, exposure_unit = _unit(toxicity), _unit(z)
    toxicity /= toxicity_unit
    exposure = z / exposure_unit
    margin = (p.margin_rate * z[:, None]).reshape(-1, 2 * n)
    margin_unit = margin.max(axis=1)
    margin_unit[margin_unit == 0.0] = 1.0
    margin /= margin_unit[:, None]

    best, most = worth.max(axis=2), side_cap.sum(axis=1)
    reducing = np.maximum(p.inventory[:, None] * REDUCES, 0.0) / z[:, None]
    exposure_free = (p.exposure_limit - np.abs(p.inventory).sum()) / exposure_unit
    sides = (2 * n, n_levels)
    values: dict[str, Array] = {
        "gain": np.maximum(gain / value, WORST_GAIN).reshape(sides),
        "weight": weight.reshape(sides),
        "bid_factors": math.sqrt(p.side_weights[0]) * factors,
        "ask_factors": math.sqrt(p.side_weights[1]) * factors,
        "cap": cap.reshape(sides),
        "side_cap": side_cap.ravel(),
        "margin_rate": margin[pattern.reshape(-1, 2 * n)],
        "margin_free": _reachable(p.margin_free / margin_unit, margin @ side_cap.ravel()),
        "margin_penalty": _penalty(best.ravel(), margin),
        "exposure": exposure,
        "exposure_free": _reachable(exposure_free, exposure @ most),
        "reducing": np.minimum(reducing, side_cap + 1.0).ravel(),
        "toxicity": toxicity.reshape(sides),
        "toxicity_free": _reachable(
            p.toxicity_budget / toxicity_unit, float(np.vdot(toxicity, cap))
        ),
        "penalty": np.concatenate(
            [
                _penalty(best.sum(axis=1), exposure[None]),
                _penalty(worth.ravel(), toxicity.reshape(1, -1)),
            ]
        ),
    }
    return values, Units(value, margin_unit, exposure_unit, toxicity_unit)


def objective(values: Mapping[str, Array], sizes: Array) -> float:
    """Scaled value of sizes (N, 2, L) in reference sizes, regulariser and penalties left out."""
    cumulative = np.cumsum(sizes, axis=2)
    bid = values["bid_factors"] @ cumulative[:, 0, -1]
    ask = values["ask_factors"] @ cumulative[:, 1, -1]
    risk = (values["weight"] - REGULARISER).reshape(sizes.shape) * cumulative
    return float(np.vdot(values["gain"], sizes) - np.vdot(risk, cumulative) - bid @ bid - ask @ ask)


def sample(rng: np.random.Generator, pattern: Pattern, n_levels: int) -> Programme:
    """Draw a programme of plausible numbers, in which every limit can bind.

    Reference sizes near 500 USD, quotes 3 to 25 bps deep, three factors of risk, inventories of a
    few reference sizes, leverage 3 to 40, budgets for a fifth to all of the sizes.
    """
    n_rows, n, _ = pattern.shape
    levels = (n, 2, n_levels)
    size = 500.0 * np.exp(rng.normal(0.0, 0.4, n))
    depth = np.sort(rng.uniform(3e-4, 25e-4, levels), axis=2)
    adverse = 2e-4 * np.exp(rng.normal(0.0, 0.3, levels)) + 0.1 * depth
    probability = -np.expm1(-rng.uniform(0.1, 2.0, (n, 2, 1)) * np.exp(-1500.0 * depth))
    loadings = rng.normal((0.7, 0.0, 0.0), 0.3, (n, 3))
    deviation = np.sqrt(5e-5 * np.exp(rng.normal(0.0, 0.5, n)) / size)
    curvature = (loadings @ loadings.T + np.eye(n) / 2.0) * deviation[:, None] * deviation
    cap = size[:, None, None] * rng.uniform(0.3, 2.0, levels)
    side_cap = cap.sum(axis=2) * rng.uniform(0.5, 1.0, (n, 2))
    inventory = rng.normal(0.0, 2.0, n) * size
    life, fraction = 5.0, rng.uniform(0.2, 1.0, n_rows + 2)
    rate = pattern / rng.choice([3.0, 10.0, 20.0, 40.0], n)[:, None]
    return Programme(
        margin=depth - adverse - 2e-4 + rng.normal(0.0, 2e-4, (n, 2, 1)),
        probability=probability,
        adverse_selection=adverse,
        cap=cap,
        side_cap=side_cap,
        size=size,
        curvature=curvature,
        inventory=inventory,
        life=life,
        sweep=float(rng.uniform(0.0, 0.5)),
        side_weights=np.array([0.5, 0.5]),
        toxicity_budget=fraction[0] * float((probability * adverse * cap).sum()) / life,
        exposure_limit=float(np.abs(inventory).sum() + 0.5 * fraction[1] * side_cap.sum()),
        margin_rate=rate,
        margin_free=fraction[2:] * np.einsum("ris,is->r", rate, side_cap),
        action_price=np.full(levels, 5e-4),
    )


def _unit(a: Array) -> float:
    return float(a.max(initial=0.0)) or 1.0


def _reachable(free: Array | float, most: Array | float) -> Array:
    """Move a limit that all sizes together cannot reach, or that is far exceeded, to that edge."""
    moved: Array = np.maximum(np.minimum(free, most + 1.0), -1.0)
    return moved


def _penalty(worth: Array, use: Array) -> Array:
    """Exact penalties of limits (rows of use): above every worth per use, of order one at least."""
    ratio: Array = worth / np.maximum(use, SMALLEST_USE)
    ratio[use <= 0.0] = 0.0
    largest: Array = ratio.max(axis=1, initial=1.0)
    return EXACT * largest
