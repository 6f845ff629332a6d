"""PIQP fed by the affine map from the parameters of a cvxpy problem to its canonical numbers."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import cvxpy as cp
import numpy as np
import piqp
import scipy.sparse as sp
from numpy.typing import NDArray

Array = NDArray[np.float64]
Indices = NDArray[np.intp]
Status = Literal["optimal", "fallback", "failed"]

SETTINGS = {
    "max_iter": 100,
    "eps_abs": 1e-11,
    "eps_rel": 1e-12,
    "eps_duality_gap_abs": 1e-11,
    "eps_duality_gap_rel": 1e-12,
    "preconditioner_reuse_on_update": False,
}
RESIDUAL = 1e-6  # violation accepted; a programme is expected to be scaled to order one


@dataclass(frozen=True, slots=True)
class Solution:
    """Values of the requested variables, multipliers (≥ 0) of the requested inequalities.

    `status` is "optimal" from the fast path, "fallback" from cvxpy, "failed" with empty tuples.
    """

    status: Status
    solver: str
    iterations: int
    primal: tuple[Array, ...] = ()
    dual: tuple[Array, ...] = ()


FAILED = Solution("failed", "none", 0)


class InPlaceQP:
    """PIQP fed by the affine map from parameters to the numbers of the canonical programme.

    It relies on these internals of cvxpy, which `CompiledQP` checks by their results: the
    canonical cone programme stands under "param_prob"; its tensors `P`, `q`, `A` have one column
    per parameter entry (numbered by `param_id_to_col`, the constant last) and one row per entry,
    column by column, of P, of (q, offset) and of (A, offset); constraints read A x + offset = 0,
    then >= 0, in the order of `constraints`; identities of variables and constraints are kept.
    """

    def __init__(
        self,
        problem: cp.Problem,
        variables: Sequence[cp.Variable],
        constraints: Sequence[cp.Constraint],
        values: Mapping[str, Array],
    ) -> None:
        cone: Any = problem.get_problem_data(cp.PIQP, enforce_dpp=True)[0]["param_prob"]
        if cone.lower_bounds is not None or cone.upper_bounds is not None:
            raise ValueError("bounds are stated as constraints, not as attributes")
        n, n_equal = cone.x.size, cone.cone_dims.zero
        self._theta = np.zeros(cone.total_param_size + 1)
        self._theta[-1] = 1.0
        self._columns = [
            (parameter.name(), slice(first, first + parameter.size))
            for parameter, first in (
                (cone.id_to_param[i], c)
                for i, c in cone.param_id_to_col.items()
                if i in cone.id_to_param
            )
        ]
        starts = np.cumsum([0, *(c.size for c in cone.constraints)])
        rows = {
            c.id: np.arange(s, s + c.size) for c, s in zip(cone.constraints, starts, strict=False)
        }
        reported = np.concatenate([rows[c.id] for c in constraints])

        tensor = sp.csr_array(cone.A)
        n_rows = int(starts[-1])
        offset = tensor[n * n_rows :]
        entry = np.flatnonzero(np.diff(tensor.indptr[: n * n_rows + 1]))
        row, column = entry % n_rows, entry // n_rows
        lower, upper = _bounds(tensor, entry, n_rows, np.union1d(np.arange(n_equal), reported))
        inequal = np.setdiff1d(np.arange(n_equal, n_rows), np.concatenate([lower.rows, upper.rows]))

        quadratic = sp.csr_array(cone.P)
        entry_p = np.flatnonzero(np.diff(quadratic.indptr))
        entry_p = entry_p[entry_p % n <= entry_p // n]  # PIQP reads the upper triangle only
        in_a, in_g = row < n_equal, np.isin(row, inequal)
        blocks = [
            quadratic[entry_p],
            sp.csr_array(cone.q)[:n],
            tensor[entry[in_a]],
            -offset[:n_equal],
            -tensor[entry[in_g]],
            offset[inequal],
            *(sp.diags_array(-1.0 / b.slope) @ offset[b.rows] for b in (lower, upper)),
        ]
        self._map = sp.csr_array(sp.vstack(blocks, format="csr"))
        ends = np.cumsum([0, *(b.shape[0] for b in blocks)])
        self._parts = [slice(s, e) for s, e in itertools.pairwise(ends)]
        self._diagonal = np.flatnonzero(entry_p % n == entry_p // n)
        self._p = _pattern(entry_p % n, entry_p // n, (n, n))
        self._a = _pattern(row[in_a], column[in_a], (n_equal, n))
        self._g = _pattern(np.searchsorted(inequal, row[in_g]), column[in_g], (len(inequal), n))
        self._lower, self._x_l = lower.variables, np.full(n, -np.inf)
        self._upper, self._x_u = upper.variables, np.full(n, np.inf)
        self._primal = [
            (slice(cone.var_id_to_col[v.id], cone.var_id_to_col[v.id] + v.size), v.shape)
            for v in variables
        ]
        self._dual = [(np.searchsorted(inequal, rows[c.id]), c.shape) for c in constraints]

        self._solver: Any = piqp.SparseSolver()
        for name, value in SETTINGS.items():
            setattr(self._solver.settings, name, value)
        self._solver.setup(**self.canonical(values))

    def solve(self, values: Mapping[str, Array]) -> Solution:
        """Solve for the parameter values; "failed" unless the answer is verified feasible."""
        data = self.canonical(values)
        self._solver.update(**data)
        status = self._solver.solve()
        result = self._solver.result
        x = np.array(result.x)  # the solver hands out views of its own memory
        z = np.array(result.z_u)
        if (
            status != piqp.PIQP_SOLVED
            or not self._feasible(x, data)
            or not math.isfinite(z.sum())
            or self._p.data[self._diagonal].min(initial=0.0) < 0.0
        ):
            return FAILED
        return Solution(
            "optimal",
            "PIQP",
            int(result.info.iter),
            tuple(x[part].reshape(shape, order="F") for part, shape in self._primal),
            tuple(z[part].reshape(shape, order="F") for part, shape in self._dual),
        )

    def canonical(self, values: Mapping[str, Array]) -> dict[str, Any]:
        """Canonical numbers for the parameter values, written into the constant patterns."""
        for name, part in self._columns:
            self._theta[part] = np.ravel(values[name], order="F")
        numbers = self._map @ self._theta
        p, q, a, b, g, h, lower, upper = (numbers[part] for part in self._parts)
        self._p.data, self._a.data, self._g.data = p, a, g
        self._x_l[self._lower], self._x_u[self._upper] = lower, upper
        return {
            "P": self._p, "c": q, "A": self._a, "b": b, "G": self._g, "h_u": h,
            "x_l": self._x_l, "x_u": self._x_u,
        }  # fmt: skip

    def _feasible(self, x: Array, data: Mapping[str, Any]) -> bool:
        return bool(
            (x >= self._x_l - RESIDUAL).all()
            and (x <= self._x_u + RESIDUAL).all()
            and (self._g @ x <= data["h_u"] + RESIDUAL).all()
            and (np.abs(self._a @ x - data["b"]) <= RESIDUAL).all()
        )  # comparisons with NaN are false


class _Bounds(NamedTuple):
    """Rows  slope·x_variable + offset ≥ 0  with a constant slope, at most one per variable."""

    rows: Indices
    variables: Indices
    slope: Array


def _bounds(
    tensor: sp.csr_array, entry: Indices, n_rows: int, excluded: Indices
) -> tuple[_Bounds, _Bounds]:
    """Rows that bound one variable from below, and from above; they need no row of G."""
    row, column = entry % n_rows, entry // n_rows
    entries = tensor[entry]
    constant = (np.diff(entries.indptr) == 1) & (
        entries.indices[entries.indptr[:-1]] == tensor.shape[1] - 1
    )
    single = (np.bincount(row, minlength=n_rows) == 1)[row] & constant & ~np.isin(row, excluded)
    slope = entries.data[entries.indptr[:-1]]

    def one_per_variable(chosen: Indices) -> _Bounds:
        first = chosen[np.unique(column[chosen], return_index=True)[1]]
        return _Bounds(row[first], column[first], slope[first])

    return (
        one_per_variable(np.flatnonzero(single & (slope > 0))),
        one_per_variable(np.flatnonzero(single & (slope < 0))),
    )


def _pattern(rows: Indices, columns: Indices, shape: tuple[int, int]) -> sp.csc_matrix:
    """Column-ordered matrix with these entries, in this order, all zero for now."""
    starts = np.searchsorted(columns, np.arange(shape[1] + 1))
    matrix = sp.csc_matrix(
        (np.zeros(len(rows)), rows.astype(np.int32), starts.astype(np.int32)), shape=shape
    )
    if not matrix.has_sorted_indices:
        raise ValueError("entries are not in column order")
    return matrix
