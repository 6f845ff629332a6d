"""Sizes of all quotes of one account: one convex programme per cycle.

Per asset i, side (0 bid, 1 ask) and level l, ordered by depth, the sizes s ≥ 0 in USD maximise

    (1−ω) [ Σ P_l m_l s_l − Σ (P_l − P_{l+1}) A_ii S_l² ]           single fills; P_{L+1} = 0
      + ω Σ_side q_side [ Σ m s − S_sideᵀ A S_side ]                a whole side swept at once
      − Σ action price · s / z

with S_l the size down to level l and S_side the sizes of a whole side, subject to

    s ≤ cap,   S_side ≤ side cap
    Σ P AS s / life ≤ toxicity budget
    Σ_i e_i ≤ exposure limit,   e_i ≥ x_i + S_bid,i,   e_i ≥ S_ask,i − x_i      worst side, gross
    Σ_i,side rate_r,i,side S_side,i ≤ free margin_r                 both sides rest, both count

The three shared limits are soft with exact penalties, so there always is a solution: the sizes
that draw on a limit vanish where inventory alone exceeds it. The multiplier of a limit that can
be met is at most the largest value of a size per unit of the limit it uses; the penalty is twice
that (a use below 10⁻⁴ of the limit's largest counts as 10⁻⁴).

A is dense, and a dense programme costs ten times a sparse one at a hundred assets: the diagonal
of A is exact in both terms, its cross terms, which only the sweep has, are those of a K-factor
model. Every cumulative size carries a quadratic price of 10⁻⁵ (S_l/z)² times the largest value of
a reference size: that makes the optimum unique, hence continuous in the data, where A gives no
curvature (P_l = P_{l+1}, ω = 0).

Source: MODEL section 7.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from portfolio_mm.executor import programme as definition
from portfolio_mm.executor.canonical import Status
from portfolio_mm.executor.compiled import CompiledQP
from portfolio_mm.executor.programme import Programme

__all__ = ["Allocation", "Allocator", "Programme"]

Array = NDArray[np.float64]

DUST = 1e-9  # a size below this, in reference sizes, is zero
FIELDS = tuple(field.name for field in fields(Programme))
LIMITS = ("toxicity_budget", "exposure_limit", "margin_free")


@dataclass(frozen=True, slots=True, eq=False)
class Allocation:
    """Sizes, and what one more unit of each shared limit is worth.

    The multiplier of a limit that inventory alone exceeds is its penalty: a bound on that worth.
    """

    sizes: Array  # (N, 2, L) USD
    objective: float  # USD: the value of these sizes, penalties left out
    margin_dual: Array  # (R,) >= 0, USD per USD of margin
    exposure_dual: float  # >= 0, USD per USD of exposure
    toxicity_dual: float  # >= 0, USD per USD/s of adverse selection
    status: Status  # "optimal", "fallback" (solved by the slow path), "failed" (no sizes)
    solver: str
    iterations: int


class Allocator:
    """The programme for one shape: compiled once, solved every cycle.

    An answer depends on the data of its cycle alone: there is no warm start.

    Parameters
    ----------
    n_assets, n_levels, n_rows
        N, L and R, each at least 1.
    n_factors
        K ≥ 1, factors of A in joint sweeps.
    margin_pattern
        (R, N, 2), where margin rates may differ from zero; everywhere by default. It keeps the
        programme sparse when every isolated position has a row of its own.

    Raises
    ------
    ValueError
        If a dimension is below 1.
    """

    def __init__(
        self,
        n_assets: int,
        n_levels: int,
        *,
        n_rows: int,
        n_factors: int = 3,
        margin_pattern: NDArray[np.bool_] | None = None,
    ) -> None:
        if min(n_assets, n_levels, n_rows, n_factors) < 1:
            raise ValueError("assets, levels, rows and factors are at least 1 each")
        everywhere = np.ones((n_rows, n_assets, 2), dtype=np.bool_)
        self._pattern = everywhere if margin_pattern is None else margin_pattern.copy()
        self._n_factors = n_factors
        self._shapes = _shapes(n_assets, n_levels, n_rows)
        statement = definition.state(n_levels, n_factors, self._pattern)
        samples = (
            definition.sample(np.random.default_rng(seed), self._pattern, n_levels)
            for seed in range(3)
        )
        self._compiled = CompiledQP(
            statement.problem,
            (statement.cumulative,),
            statement.limits,
            [definition.scale(p, n_factors, self._pattern)[0] for p in samples],
        )

    @property
    def fast(self) -> bool:
        """Whether the compiled path passed its check; without it every solve is a fallback."""
        return self._compiled.fast

    def solve(self, programme: Programme) -> Allocation:
        """Solve one cycle; unusable data gives no sizes and the status "failed".

        Unusable is what is not finite (limits may be infinite), a reference size or life that is
        not positive, ω outside [0, 1], a negative side weight or diagonal of A.

        Raises
        ------
        ValueError
            If an array has another shape than compiled for, or a margin rate stands outside the
            pattern.
        """
        self._check(programme)
        if not _usable(programme):
            return self._failed()
        try:
            values, units = definition.scale(programme, self._n_factors, self._pattern)
        except np.linalg.LinAlgError:
            return self._failed()
        solution = self._compiled.solve(values)
        if solution.status == "failed":
            return self._failed()
        z = programme.size[:, None, None]
        cumulative = solution.primal[0].reshape(programme.cap.shape)
        sizes = cumulative * z
        sizes[:, :, 1:] -= sizes[:, :, :-1].copy()
        sizes = np.minimum(np.maximum(sizes, 0.0), programme.cap)
        sizes[sizes < DUST * z] = 0.0
        margin, exposure, toxicity = (np.maximum(d, 0.0) * units.value for d in solution.dual)
        return Allocation(
            sizes=sizes,
            objective=units.value * definition.objective(values, sizes / z),
            margin_dual=margin / units.margin,
            exposure_dual=float(exposure) / units.exposure,
            toxicity_dual=float(toxicity) / units.toxicity,
            status=solution.status,
            solver=solution.solver,
            iterations=solution.iterations,
        )

    def _check(self, programme: Programme) -> None:
        for name, shape in self._shapes.items():
            if np.shape(getattr(programme, name)) != shape:
                raise ValueError(
                    f"{name} has shape {np.shape(getattr(programme, name))}, not {shape}"
                )
        if programme.margin_rate[~self._pattern].any():
            raise ValueError("a margin rate stands outside the margin pattern")

    def _failed(self) -> Allocation:
        return Allocation(
            sizes=np.zeros(self._shapes["margin"]),
            objective=0.0,
            margin_dual=np.zeros(self._shapes["margin_free"]),
            exposure_dual=0.0,
            toxicity_dual=0.0,
            status="failed",
            solver="none",
            iterations=0,
        )


def _shapes(n: int, n_levels: int, n_rows: int) -> dict[str, tuple[int, ...]]:
    levels = (n, 2, n_levels)
    return {
        "margin": levels,
        "probability": levels,
        "adverse_selection": levels,
        "cap": levels,
        "side_cap": (n, 2),
        "size": (n,),
        "curvature": (n, n),
        "inventory": (n,),
        "life": (),
        "sweep": (),
        "side_weights": (2,),
        "toxicity_budget": (),
        "exposure_limit": (),
        "margin_rate": (n_rows, n, 2),
        "margin_free": (n_rows,),
        "action_price": levels,
    }


def _usable(programme: Programme) -> bool:
    """Whether all data is finite (limits may be infinite) and where the programme is convex."""
    for field in FIELDS:
        value = getattr(programme, field)
        square = float(np.vdot(value, value))
        if not math.isfinite(square) and (field not in LIMITS or math.isnan(square)):
            return False
    return bool(
        programme.life > 0.0
        and programme.size.min() > 0.0
        and 0.0 <= programme.sweep <= 1.0
        and programme.side_weights.min() >= 0.0
        and np.diagonal(programme.curvature).min() >= 0.0
    )
