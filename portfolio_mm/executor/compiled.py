"""A parametrised quadratic programme, compiled once and solved every cycle.

The programme is stated once, in cvxpy, with all data as parameters θ. Under the rules of
disciplined parametrised programming its canonical form

    minimise ½ xᵀP(θ)x + q(θ)ᵀx   subject to   A(θ)x = b(θ),  G(θ)x ≤ h(θ),  l(θ) ≤ x ≤ u(θ)

is affine in θ, so one sparse matrix, extracted at compile time, turns θ into every number the
interior point solver needs. A cycle is then one sparse product, an in-place update of PIQP and a
solve. cvxpy stays the one definition of the programme: the extraction is checked against it on
sample parameters before it is used, and `cvxpy.Problem.solve` with Clarabel answers whenever the
fast path does not.

The answer is a function of θ alone. Nothing is warm started, every number is passed anew and the
preconditioner is computed from the data of the cycle, so an answer does not depend on what was
solved before it. Iteration limits end a solve, never a clock.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import cvxpy as cp
import numpy as np
from numpy.typing import NDArray

from portfolio_mm.executor.canonical import FAILED, InPlaceQP, Solution

Array = NDArray[np.float64]

REFERENCE = {"max_iter": 200, "tol_gap_abs": 1e-10, "tol_gap_rel": 1e-10, "tol_feas": 1e-10}
AGREEMENT = 1e-4  # between two interior point solvers, absolute and relative


class CompiledQP:
    """A cvxpy problem, solved repeatedly for new parameter values.

    Parameters
    ----------
    problem
        A quadratic programme. Every parameter has a name; bounds are stated as constraints.
    variables, constraints
        What a solution reports: values of variables, multipliers of inequality constraints.
    samples
        Parameter values by name. The fast path is used only if it agrees with cvxpy on each.

    Raises
    ------
    ValueError
        If the problem is not a disciplined parametrised programme.
    """

    def __init__(
        self,
        problem: cp.Problem,
        variables: Sequence[cp.Variable],
        constraints: Sequence[cp.Constraint],
        samples: Sequence[Mapping[str, Array]],
    ) -> None:
        if not all(part.is_dcp(dpp=True) for part in (problem.objective, *problem.constraints)):
            raise ValueError("the problem is not a disciplined parametrised programme")
        self._problem: Any = problem  # its methods are not annotated
        self._variables = tuple(variables)
        self._constraints = tuple(constraints)
        self._fast = self._compile(samples)

    @property
    def fast(self) -> bool:
        """Whether the compiled path passed its check and is in use."""
        return self._fast is not None

    def solve(self, values: Mapping[str, Array]) -> Solution:
        """Solve for the parameter values: the fast path, cvxpy where it gives no answer."""
        if self._fast is not None:
            solution = self._fast.solve(values)
            if solution.status == "optimal":
                return solution
        return self.reference(values)

    def canonical(self, values: Mapping[str, Array]) -> dict[str, Any]:
        """Own copy of the numbers P, c, A, b, G, h_u, x_l, x_u that PIQP is given.

        Raises
        ------
        RuntimeError
            If the fast path is not in use.
        """
        if self._fast is None:
            raise RuntimeError("no canonical numbers: the fast path is not in use")
        return {name: number.copy() for name, number in self._fast.canonical(values).items()}

    def reference(self, values: Mapping[str, Array]) -> Solution:
        """Solve through cvxpy with Clarabel; status "fallback" or "failed"."""
        try:
            self._assign(values)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # inaccurate: its status tells
                self._problem.solve(
                    solver=cp.CLARABEL, enforce_dpp=True, warm_start=False, **REFERENCE
                )
        except (cp.SolverError, ValueError):
            return FAILED
        if self._problem.status != cp.OPTIMAL:
            return FAILED
        return Solution(
            "fallback",
            "CLARABEL",
            int(self._problem.solver_stats.num_iters),
            tuple(np.array(v.value) for v in self._variables),
            tuple(np.array(c.dual_value) for c in self._constraints),
        )

    def _assign(self, values: Mapping[str, Array]) -> None:
        for parameter in self._problem.parameters():
            parameter.value = values[parameter.name()]

    def _compile(self, samples: Sequence[Mapping[str, Array]]) -> InPlaceQP | None:
        """Extract and check the fast path; None where the libraries are not as expected."""
        try:
            self._assign(samples[0])
            fast = InPlaceQP(self._problem, self._variables, self._constraints, samples[0])
            agrees = all(_agree(fast.solve(s), self.reference(s)) for s in samples)
        except (AttributeError, LookupError, RuntimeError, TypeError, ValueError, cp.SolverError):
            return None
        return fast if agrees else None


def _agree(a: Solution, b: Solution) -> bool:
    return "failed" not in {a.status, b.status} and all(
        np.allclose(u, v, rtol=AGREEMENT, atol=AGREEMENT)
        for u, v in zip((*a.primal, *a.dual), (*b.primal, *b.dual), strict=True)
    )
