"""Exact quotes by dynamic programming on an inventory grid.

The closed form replaces an exponential by a parabola; this module does not. On the grid
x = z·n, |n_i| ≤ limit, the value function θ of a market maker with constant absolute risk
aversion and its certain income rate ϱ solve, in the stationary state::

    ϱ = xᵀμ − ½ γ xᵀΣx + Σ_{i, side} z h exp(−κ (θ(x) − θ(x ± z e_i)) / z)

with no quote on a side that would leave the grid. It is the reference for the closed form near
limits, in thin markets and at large inventories, for one asset or two: the grid has
(2·limit + 1)^N points.

Source: Guéant, Lehalle, Fernandez-Tapia, "Dealing with the inventory risk" (2013), which solves
it through the linear system that exists where κ/z is the same everywhere; MODEL section 2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.integrate import solve_ivp
from scipy.sparse.linalg import splu

from portfolio_mm.theory import closed_form
from portfolio_mm.theory.arguments import Sign, checked
from portfolio_mm.theory.linalg import Array, ArrayLike

Index = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Exact:
    """Optimal quotes at every point of the inventory grid.

    Attributes
    ----------
    income : float
        ϱ, certainty equivalent of the income rate in the stationary state, USD/s.
    value : Array
        θ, USD, zero at zero inventory; shape (2·limit + 1,)·N, index n + limit.
    bid, ask : Array
        Log-fractions above fair value, shape of `value` + (N,); ∓inf where no quote is made.
    """

    income: float
    value: Array
    bid: Array
    ask: Array


@dataclass(frozen=True, slots=True, eq=False)
class _Grid:
    """The Hamiltonian on the grid: one row per point, asset and side that is quoted.

    Attributes
    ----------
    shape : tuple of int
        (2·limit + 1,)·N.
    inventory : Array
        x, (points, N), USD.
    risk : Array
        ½ γ xᵀΣx, (points,), USD/s.
    source, target, asset, side : Index
        Point before and after the fill, asset and side, (rows,).
    rate, slope : Array
        z h, USD/s, and κ/z, 1/USD, (rows,).
    size, static : Array
        z, USD, and the part c + ln(1 + g/κ)/g of the depth that inventory leaves alone, (rows,).
    """

    shape: tuple[int, ...]
    inventory: Array
    risk: Array
    source: Index
    target: Index
    asset: Index
    side: Index
    rate: Array
    slope: Array
    size: Array
    static: Array

    def flow(self, value: Array) -> Array:
        """Income z h exp(−κ Δθ/z) of every row, USD/s."""
        return np.asarray(
            self.rate * np.exp(self.slope * (value[self.target] - value[self.source]))
        )

    def total(self, flow: Array) -> Array:
        """Sum of the rows that leave each point, (points,)."""
        return np.bincount(self.source, flow, minlength=self.risk.size).astype(np.float64)

    def jacobian(self, flow: Array) -> sparse.csc_array:
        """Differentiate `total` of `flow` with respect to θ, (points, points)."""
        points = self.risk.size
        weight = self.slope * flow
        row = np.concatenate((self.source, self.source))
        column = np.concatenate((self.target, self.source))
        entries = np.concatenate((weight, -weight))
        return sparse.csc_array((entries, (row, column)), shape=(points, points))

    def quotes(self, value: Array) -> tuple[Array, Array]:
        """Bid and ask of every point."""
        count = self.inventory.shape[1]
        depth = self.static + (value[self.source] - value[self.target]) / self.size
        table = np.full((self.risk.size, count, 2), np.inf)
        table[self.source, self.asset, self.side] = depth
        table = table.reshape(*self.shape, count, 2)
        return -table[..., 0], table[..., 1]


def solve(
    covariance: ArrayLike,
    gamma: float,
    arrival: ArrayLike,
    decay: ArrayLike,
    size: ArrayLike,
    limit: int,
    *,
    cost: ArrayLike = 0.0,
    drift: ArrayLike = 0.0,
) -> Exact:
    """Solve the stationary problem by Newton's method, which here is policy iteration.

    Parameters
    ----------
    covariance, gamma, arrival, decay, size, cost, drift
        As in `closed_form.solve`, arrival positive; funding is a negative drift.
    limit
        Largest inventory of every asset, in lots of z.

    Returns
    -------
    Exact

    Raises
    ------
    ValueError
        For an invalid argument.
    RuntimeError
        Where the iteration does not converge.
    """
    grid = _build(covariance, gamma, arrival, decay, size, limit, cost)
    start = closed_form.solve(covariance, gamma, arrival, decay, size)
    gain = grid.inventory @ checked("drift", drift, (grid.inventory.shape[1],)) - grid.risk
    return _stationary(grid, gain, start.curvature)


def solve_decaying_drift(
    covariance: ArrayLike,
    gamma: float,
    arrival: ArrayLike,
    decay: ArrayLike,
    size: ArrayLike,
    limit: int,
    drift: ArrayLike,
    drift_reversion: ArrayLike,
    *,
    cost: ArrayLike = 0.0,
) -> Exact:
    """Quotes now when the drift decays as μ exp(−kt).

    The value function of the stationary problem without drift, carried back over 40/k seconds::

        −∂θ/∂t = xᵀμ e^(−kt) − ½ γ xᵀΣx + Σ z h exp(−κ (θ(x) − θ(x ± z e_i)) / z) − ϱ

    Parameters
    ----------
    covariance, gamma, arrival, decay, size, limit, cost
        As in `solve`.
    drift, drift_reversion
        μ and k > 0, (N,) or scalar, 1/s.

    Returns
    -------
    Exact

    Raises
    ------
    ValueError, RuntimeError
        As `solve`.
    """
    grid = _build(covariance, gamma, arrival, decay, size, limit, cost)
    count = grid.inventory.shape[1]
    mu = checked("drift", drift, (count,))
    k = checked("drift_reversion", drift_reversion, (count,), Sign.POSITIVE)
    start = closed_form.solve(covariance, gamma, arrival, decay, size)
    end = _stationary(grid, -grid.risk, start.curvature)
    span = 40.0 / float(k.min())

    def backward(elapsed: float, value: Array) -> Array:
        now = mu * np.exp(-k * (span - elapsed))
        return grid.inventory @ now - grid.risk + grid.total(grid.flow(value)) - end.income

    path = solve_ivp(
        backward,
        (0.0, span),
        end.value.ravel(),
        method="BDF",
        jac=lambda _, value: grid.jacobian(grid.flow(value)),
        t_eval=(span,),
        rtol=1e-8,
        atol=1e-10 * float(np.abs(end.value).max()),
    )
    if not path.success:
        raise RuntimeError(f"the backward equation was not integrated: {path.message}")
    return _result(grid, end.income, path.y[:, -1])


def _build(
    covariance: ArrayLike,
    gamma: float,
    arrival: ArrayLike,
    decay: ArrayLike,
    size: ArrayLike,
    limit: int,
    cost: ArrayLike,
) -> _Grid:
    """Enumerate the points and the fills that stay on the grid."""
    if limit < 1:
        raise ValueError(f"limit must be at least 1, got {limit}")
    count = np.size(size)
    z = checked("size", size, (count,), Sign.POSITIVE)
    a = checked("arrival", arrival, (count, 2), Sign.POSITIVE)
    kappa = checked("decay", decay, (count, 2), Sign.POSITIVE)
    c = checked("cost", cost, (count, 2))
    sigma = checked("covariance", np.atleast_2d(covariance), (count, count))
    h, monopoly = closed_form.value_rate(gamma, a, kappa, z, c)

    shape = (2 * limit + 1,) * count
    points = np.arange((2 * limit + 1) ** count).reshape(shape)
    lots = np.stack(np.unravel_index(points.ravel(), shape), axis=1) - limit
    inventory = lots * z
    rows: list[tuple[Index, Index, Index, Index]] = []
    for asset in range(count):
        below = np.delete(points, -1, axis=asset).ravel()
        above = np.delete(points, 0, axis=asset).ravel()
        label = np.full(below.size, asset)
        buy, sell = np.zeros_like(label), np.ones_like(label)
        rows += [(below, above, label, buy), (above, below, label, sell)]
    source, target, asset_of, side = (np.concatenate(column) for column in zip(*rows, strict=True))
    return _Grid(
        shape=shape,
        inventory=inventory,
        risk=0.5 * gamma * np.einsum("pi,ij,pj->p", inventory, sigma, inventory),
        source=source,
        target=target,
        asset=asset_of,
        side=side,
        rate=z[asset_of] * h[asset_of, side],
        slope=kappa[asset_of, side] / z[asset_of],
        size=z[asset_of],
        static=(c + monopoly)[asset_of, side],
    )


def _stationary(grid: _Grid, gain: Array, curvature: Array) -> Exact:
    """Newton's method for θ and ϱ, from the parabola of the closed form.

    The parabola is steeper than the solution, and an exponential is left downwards in steps of
    one, so the number of steps is about the largest exponent κΔθ/z.
    """
    centre = grid.risk.size // 2
    unit = np.ones(grid.risk.size)
    value = -np.einsum("pi,ij,pj->p", grid.inventory, curvature, grid.inventory)
    for _ in range(500):
        flow = grid.flow(value)
        # The unknown θ at zero inventory is zero by convention; its column serves ϱ.
        matrix = grid.jacobian(flow).tolil()
        matrix[:, [centre]] = -unit[:, None]
        total = grid.total(flow)
        step = splu(matrix.tocsc()).solve(-(gain + total))
        income, step[centre] = step[centre], 0.0
        value = value + step
        change = np.max(grid.slope * np.abs(step[grid.target] - step[grid.source]))
        if change < 1e-11:
            return _result(grid, float(income), value)
    raise RuntimeError(f"Newton's method stopped at a relative change of {change:.3g}")


def _result(grid: _Grid, income: float, value: Array) -> Exact:
    bid, ask = grid.quotes(value)
    return Exact(income=income, value=value.reshape(grid.shape), bid=bid, ask=ask)
