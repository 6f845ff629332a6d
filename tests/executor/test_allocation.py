"""The allocation programme: optimality checked outside cvxpy, invariances, determinism, guards."""

from __future__ import annotations

from dataclasses import fields, replace
from functools import cache

import cvxpy as cp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portfolio_mm.executor import compiled
from portfolio_mm.executor.allocation import Allocation, Allocator, Programme
from portfolio_mm.executor.factor import factor_model
from portfolio_mm.executor.programme import REGULARISER, sample, scale, state

SHAPES = ((1, 1, 1), (1, 3, 2), (2, 3, 3), (3, 1, 2), (7, 3, 3), (20, 2, 2), (50, 3, 3))


@cache
def allocator(n: int, n_levels: int, n_rows: int) -> Allocator:
    return Allocator(n, n_levels, n_rows=n_rows)


def everywhere(n: int, n_rows: int) -> np.ndarray:
    return np.ones((n_rows, n, 2), dtype=bool)


def draw(seed: int, n: int, n_levels: int = 3, n_rows: int = 3) -> Programme:
    return sample(np.random.default_rng(seed), everywhere(n, n_rows), n_levels)


def solve(p: Programme) -> Allocation:
    n, _, n_levels = p.margin.shape
    return allocator(n, n_levels, len(p.margin_free)).solve(p)


def one_asset(**changes: object) -> Programme:
    """One asset, one level, generous limits: value 0.3 USD per unit of 500 USD, curvature 1e-6."""
    ones = np.ones((1, 2, 1))
    p = Programme(
        margin=1e-3 * ones,
        probability=0.5 * ones,
        adverse_selection=2e-4 * ones,
        cap=1000.0 * ones,
        side_cap=np.full((1, 2), 1000.0),
        size=np.array([500.0]),
        curvature=np.array([[1e-6]]),
        inventory=np.zeros(1),
        life=5.0,
        sweep=0.0,
        side_weights=np.array([0.5, 0.5]),
        toxicity_budget=np.inf,
        exposure_limit=np.inf,
        margin_rate=np.full((1, 1, 2), 0.1),
        margin_free=np.array([np.inf]),
        action_price=0.0 * ones,
    )
    return replace(p, **changes)  # type: ignore[arg-type]


def permuted(p: Programme, order: np.ndarray) -> Programme:
    per_asset = {
        name: getattr(p, name)[order]
        for name in ("margin", "probability", "adverse_selection", "cap", "side_cap", "size")
    }
    return replace(
        p,
        **per_asset,
        curvature=p.curvature[np.ix_(order, order)],
        inventory=p.inventory[order],
        margin_rate=p.margin_rate[:, order],
        action_price=p.action_price[order],
    )


# --- an independent account of the programme, in USD, from the documented equations


class Account:
    """Value, gradient and limits of the programme with the cross terms of the factor model."""

    def __init__(self, p: Programme) -> None:
        self.p = p
        self.probability = np.minimum.accumulate(p.probability, axis=2)
        loadings, specific = factor_model(p.curvature, 3)
        self.joint = loadings @ loadings.T + np.diag(specific)
        following = np.concatenate(
            [self.probability[:, :, 1:], np.zeros_like(self.probability[:, :, :1])], axis=2
        )
        own = np.diagonal(p.curvature)[:, None, None]
        gain = (
            (1 - p.sweep) * self.probability + p.sweep * p.side_weights[None, :, None]
        ) * p.margin - p.action_price / p.size[:, None, None]
        self.gain = gain
        self.worth = float(np.max(np.where(p.cap > 0, gain * p.size[:, None, None], 0.0)))
        regulariser = REGULARISER * (self.worth or 1.0) / p.size[:, None, None] ** 2
        self.weight = (1 - p.sweep) * (self.probability - following) * own + regulariser
        self.consumption = self.probability * p.adverse_selection / p.life

    def value(self, s: np.ndarray) -> float:
        cumulative = np.cumsum(s, axis=2)
        sides = cumulative[:, :, -1]
        sweep = self.p.sweep * self.p.side_weights
        return float(
            (self.gain * s).sum()
            - (self.weight * cumulative**2).sum()
            - sum(sweep[k] * sides[:, k] @ self.joint @ sides[:, k] for k in (0, 1))
        )

    def gradient(self, s: np.ndarray) -> np.ndarray:
        cumulative = np.cumsum(s, axis=2)
        pull = 2 * self.weight * cumulative
        tail = np.cumsum(pull[:, :, ::-1], axis=2)[:, :, ::-1]
        cross = 2 * self.p.sweep * self.p.side_weights * (self.joint @ cumulative[:, :, -1])
        return self.gain - tail - cross[:, :, None]

    def used(self, s: np.ndarray) -> tuple[np.ndarray, float, float]:
        sides = s.sum(axis=2)
        worst = np.maximum(self.p.inventory + sides[:, 0], sides[:, 1] - self.p.inventory)
        return (
            np.einsum("ris,is->r", self.p.margin_rate, sides),
            float(worst.sum()),
            float((self.consumption * s).sum()),
        )

    def limits(self) -> tuple[np.ndarray, float, float]:
        """A limit that inventory alone exceeds is the inventory's own use: nothing is added."""
        return (
            np.maximum(self.p.margin_free, 0.0),
            max(self.p.exposure_limit, float(np.abs(self.p.inventory).sum())),
            max(self.p.toxicity_budget, 0.0),
        )

    def best_response(self, price: np.ndarray, exposure_dual: float) -> float:
        """Maximum of price·s − dual·exposure(s) over the caps: one small problem per asset."""
        p, total = self.p, 0.0
        for i in range(len(p.size)):
            x = p.inventory[i]
            curves = []
            for side in (0, 1):
                knots, values, room = [0.0], [0.0], p.side_cap[i, side]
                for level in np.argsort(-price[i, side]):
                    step = min(p.cap[i, side, level], room)
                    if price[i, side, level] <= 0 or step <= 0:
                        break
                    room -= step
                    knots.append(knots[-1] + step)
                    values.append(values[-1] + step * price[i, side, level])
                curves.append((np.array(knots), np.array(values)))
            # the exposure e is the only link: concave, piecewise linear between these points
            exposures = np.concatenate([[abs(x)], curves[0][0] + x, curves[1][0] - x])
            exposures = exposures[exposures >= abs(x)]
            best = max(
                np.interp(e - x, *curves[0]) + np.interp(e + x, *curves[1]) - exposure_dual * e
                for e in exposures
            )
            total += float(best)
        return total


def check_optimal(p: Programme, a: Allocation, tolerance: float = 1e-6) -> None:
    """Primal and dual feasibility, complementarity, and a vanishing gap of the Lagrangian."""
    account = Account(p)
    s = a.sizes
    money = max(account.worth, 1e-12) * max(1.0, float((s / p.size[:, None, None]).sum()))
    assert (s >= 0).all()
    assert (s <= p.cap).all()
    assert (s.sum(axis=2) <= p.side_cap + tolerance * p.size[:, None]).all()
    duals = (a.margin_dual, a.exposure_dual, a.toxicity_dual)
    slack_value = 0.0
    for dual, used, limit in zip(duals, account.used(s), account.limits(), strict=True):
        assert np.all(np.asarray(dual) >= 0)
        reference = np.maximum(np.abs(limit), np.abs(used))
        assert np.all(used <= limit + tolerance * reference + 1e-9 * p.size.max())
        slack_value += float(np.sum(np.where(np.isinf(limit), 0.0, dual * np.abs(limit - used))))
    assert slack_value <= tolerance * money
    price = (
        account.gradient(s)
        - np.einsum("ris,r->is", p.margin_rate, a.margin_dual)[:, :, None]
        - a.toxicity_dual * account.consumption
    )
    here = (price * s).sum() - a.exposure_dual * account.used(s)[1]
    gap = account.best_response(price, a.exposure_dual) - here
    assert -tolerance * money <= gap <= tolerance * money


KINDS = ("plain", "over margin", "over exposure", "over all", "quiet", "swept", "flat")


def vary(p: Programme, kind: str) -> Programme:
    over = {"margin_free": -p.margin_free}
    exposed = {"exposure_limit": 0.6 * float(np.abs(p.inventory).sum())}
    return {
        "plain": p,
        "over margin": replace(p, margin_free=np.where(np.arange(len(p.margin_free)), 1, -1)
                               * p.margin_free),
        "over exposure": replace(p, **exposed),
        "over all": replace(p, **over, **exposed, toxicity_budget=-1.0),
        "quiet": replace(p, sweep=0.0),
        "swept": replace(p, sweep=1.0),
        "flat": replace(p, sweep=0.0, probability=np.full_like(p.probability, 0.3)),
    }[kind]  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", KINDS)
def test_optimality_conditions_hold(shape: tuple[int, int, int], kind: str) -> None:
    for seed in range(5):
        p = vary(draw(seed, *shape), kind)
        a = solve(p)
        assert a.status == "optimal"
        check_optimal(p, a)
        account = Account(p)
        regulariser = account.worth * REGULARISER * (
            (np.cumsum(a.sizes, axis=2) / p.size[:, None, None]) ** 2
        ).sum()  # fmt: skip
        assert a.objective == pytest.approx(
            account.value(a.sizes) + regulariser, rel=1e-6, abs=1e-9
        )


def naive(p: Programme) -> tuple[float, np.ndarray]:
    """The programme as written, in USD, with the dense curvature and hard limits."""
    n, _, n_levels = p.margin.shape
    s = [[cp.Variable(n_levels, nonneg=True) for _ in (0, 1)] for _ in range(n)]
    sides = [cp.hstack([cp.sum(s[i][k]) for i in range(n)]) for k in (0, 1)]
    worst = cp.Variable(n)
    probability = np.minimum.accumulate(p.probability, axis=2)
    value = 0.0
    toxicity = 0.0
    constraints = [worst >= p.inventory + sides[0], worst >= sides[1] - p.inventory]
    for i in range(n):
        for k in (0, 1):
            cumulative = cp.cumsum(s[i][k])
            steps = probability[i, k] - np.append(probability[i, k, 1:], 0.0)
            value += (1 - p.sweep) * (
                (probability[i, k] * p.margin[i, k]) @ s[i][k]
                - p.curvature[i, i] * (steps @ cp.square(cumulative))
            )
            value += p.sweep * p.side_weights[k] * (p.margin[i, k] @ s[i][k])
            value -= p.action_price[i, k] @ s[i][k] / p.size[i]
            toxicity += (probability[i, k] * p.adverse_selection[i, k]) @ s[i][k] / p.life
            constraints += [s[i][k] <= p.cap[i, k], cp.sum(s[i][k]) <= p.side_cap[i, k]]
    for k in (0, 1):
        value -= p.sweep * p.side_weights[k] * cp.quad_form(sides[k], p.curvature)
    constraints += [
        toxicity <= p.toxicity_budget,
        cp.sum(worst) <= p.exposure_limit,
        p.margin_rate[:, :, 0] @ sides[0] + p.margin_rate[:, :, 1] @ sides[1] <= p.margin_free,
    ]
    problem = cp.Problem(cp.Maximize(value), constraints)
    problem.solve(solver=cp.CLARABEL)
    assert problem.status == cp.OPTIMAL
    return float(problem.value), np.array([[v.value for v in row] for row in s])


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 3, 2), (2, 3, 3), (2, 1, 1)])
def test_equals_the_naive_statement_where_the_factors_are_exact(
    shape: tuple[int, int, int],
) -> None:
    for seed in range(4):
        p = draw(seed, *shape)
        expected, _ = naive(p)
        assert solve(p).objective == pytest.approx(expected, rel=3e-5, abs=1e-7)


@pytest.mark.parametrize("n", [5, 10])
def test_factor_model_costs_little_of_the_dense_optimum(n: int) -> None:
    for seed in range(4):
        p = draw(seed, n)
        best, _ = naive(p)
        account = Account(p)
        account.joint = p.curvature
        assert account.value(solve(p).sizes) >= (1 - 1e-3) * best


# --- factor model


@given(st.integers(1, 30), st.integers(0, 2**32 - 1))
@settings(max_examples=50, deadline=None)
def test_factor_model_keeps_the_diagonal_and_is_positive(n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(n, rng.integers(1, n + 2))) * 10.0 ** rng.uniform(-4, 1, (n, 1))
    curvature = root @ root.T
    loadings, specific = factor_model(curvature, 3)
    assert (specific >= 0).all()
    np.testing.assert_allclose(
        (loadings**2).sum(axis=1) + specific, np.diagonal(curvature), rtol=1e-12
    )


def test_factor_model_is_exact_for_two_assets_and_for_equal_correlations() -> None:
    two = np.array([[4.0, -1.2], [-1.2, 9.0]])
    equal = (
        np.diag([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
        @ (0.4 + 0.6 * np.eye(6))
        @ np.diag([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    )
    for curvature in (two, equal):
        loadings, specific = factor_model(curvature, 3)
        np.testing.assert_allclose(
            loadings @ loadings.T + np.diag(specific), curvature, rtol=1e-12, atol=1e-12
        )


@pytest.mark.parametrize(("n", "tolerance"), [(5, 0.06), (10, 0.08), (50, 0.06), (100, 0.05)])
def test_factor_model_gives_the_joint_risk_of_a_swept_side(n: int, tolerance: float) -> None:
    rng = np.random.default_rng(n)
    for _ in range(10):
        curvature = sample(rng, everywhere(n, 1), 1).curvature
        loadings, specific = factor_model(curvature, 3)
        side = rng.uniform(0.0, 500.0, n) * (rng.uniform(size=n) < 0.7)
        dense = side @ curvature @ side
        factors = ((loadings.T @ side) ** 2).sum() + specific @ side**2
        assert factors == pytest.approx(dense, rel=tolerance)


# --- meaning


def test_one_asset_has_the_size_of_the_first_order_condition() -> None:
    p = one_asset()
    # P m = 2 P A s, so s = m / 2A = 500 USD; the regulariser moves it by 10 ppm of the value
    np.testing.assert_allclose(solve(p).sizes, 500.0, rtol=1e-4)


def test_binding_margin_is_priced_at_its_marginal_value() -> None:
    p = one_asset(margin_free=np.array([60.0]))
    a = solve(p)
    np.testing.assert_allclose(a.sizes, 300.0, rtol=1e-6)
    # dV = P (m − 2 A s) ds = 0.5 (1e-3 − 6e-4) per USD of size, 10 USD of size per USD of margin
    assert a.margin_dual[0] == pytest.approx(2e-3, rel=1e-4)
    assert a.exposure_dual == pytest.approx(0.0, abs=1e-9)


def test_reducing_side_keeps_its_size_when_inventory_exceeds_the_exposure() -> None:
    p = one_asset(inventory=np.array([400.0]), exposure_limit=300.0)
    bid, ask = solve(p).sizes[0, :, 0]
    assert bid == 0.0
    assert ask == pytest.approx(500.0, rel=1e-4)


def test_sizes_that_draw_on_an_exceeded_margin_vanish() -> None:
    for seed in range(5):
        p = draw(seed, 7)
        exceeded = replace(p, margin_free=np.array([-1e-3, -10.0, -1e6]))
        assert solve(exceeded).sizes.max() == 0.0
        isolated = replace(
            p,
            margin_free=np.array([-5.0, np.inf, np.inf]),
            margin_rate=p.margin_rate * (np.arange(7) < 3)[:, None],
        )
        sizes = solve(isolated).sizes
        assert sizes[:3].max() == 0.0
        assert sizes[3:].max() > 0.0


def test_negative_margins_get_nothing() -> None:
    for seed in range(5):
        p = draw(seed, 7)
        lossy = replace(p, margin=np.where(p.margin > 0, p.margin, -1e-4 + p.margin))
        sizes = solve(replace(lossy, sweep=0.0)).sizes
        assert sizes[lossy.margin < 0].max() == 0.0
        none = solve(replace(p, margin=-1e-5 - np.abs(p.margin)))
        assert none.sizes.max() == 0.0
        assert none.objective == 0.0


def test_more_margin_is_never_worth_less() -> None:
    for seed in range(3):
        p = draw(seed, 7)
        values, duals = [], []
        for share in np.linspace(-0.2, 1.5, 35):
            a = solve(replace(p, margin_free=p.margin_free * share))
            values.append(a.objective)
            duals.append(a.margin_dual.sum())
        assert (np.diff(values) >= -1e-8 * values[-1]).all()
        assert duals[0] > duals[-1]


@pytest.mark.parametrize("limit", ["margin_free", "exposure_limit", "toxicity_budget"])
def test_dual_is_the_derivative_of_the_value(limit: str) -> None:
    checked = 0
    for seed in range(12):
        p = draw(seed, 7)
        if limit == "margin_free":
            binding = replace(p, margin_free=np.array([0.3, np.inf, np.inf]) * p.margin_free)
            step = 1e-4 * np.array([binding.margin_free[0], 0.0, 0.0])
            dual = "margin_dual"
        else:
            tight = 0.5 * p.toxicity_budget if limit == "toxicity_budget" else p.toxicity_budget
            binding = replace(p, margin_free=np.full(3, np.inf), toxicity_budget=tight)
            step, dual = 1e-4 * getattr(p, limit), limit.partition("_")[0] + "_dual"
        centre = getattr(binding, limit)
        low, mid, high = (
            solve(replace(binding, **{limit: centre + k * step})).objective for k in (-1, 0, 1)
        )
        size = float(np.sum(step))
        left, right = (mid - low) / size, (high - mid) / size
        multiplier = float(np.sum(getattr(solve(binding), dual)))
        assert multiplier >= 0.0
        if multiplier * size > 1e-6 * mid and left == pytest.approx(right, rel=2e-2):
            checked += 1
            assert (left + right) / 2 == pytest.approx(multiplier, rel=5e-3)
    assert checked >= 3


# --- invariances


def test_permuting_assets_permutes_the_answer() -> None:
    for seed in range(5):
        p = draw(seed, 7)
        order = np.random.default_rng(seed).permutation(7)
        a, b = solve(p), solve(permuted(p, order))
        np.testing.assert_allclose(b.sizes, a.sizes[order], atol=1e-5 * p.size.max())
        np.testing.assert_allclose(b.margin_dual, a.margin_dual, rtol=1e-5, atol=1e-8)
        assert b.objective == pytest.approx(a.objective, rel=1e-8)


@pytest.mark.parametrize("dead", ["no cap", "no fills"])
def test_a_dead_asset_changes_nothing(dead: str) -> None:
    for seed in range(5):
        p, extra = draw(seed, 7), draw(seed + 100, 1)
        sweep = p.sweep if dead == "no cap" else 0.0
        p = replace(p, sweep=sweep)
        joined = {
            f.name: np.concatenate([getattr(p, f.name), getattr(extra, f.name)])
            for f in fields(Programme)
            if f.name in {"margin", "probability", "adverse_selection", "cap", "side_cap", "size",
                          "action_price"}
        }  # fmt: skip
        if dead == "no cap":
            joined["cap"][-1] = 0.0
        else:
            joined["probability"][-1] = 0.0
        curvature = np.zeros((8, 8))
        curvature[:7, :7], curvature[7, 7] = p.curvature, extra.curvature[0, 0]
        curvature[7, :7] = curvature[:7, 7] = 0.3 * np.sqrt(curvature[7, 7] * np.diag(p.curvature))
        a = solve(p)
        b = solve(
            replace(
                p,
                **joined,
                curvature=curvature,
                inventory=np.append(p.inventory, 0.0),
                margin_rate=np.concatenate([p.margin_rate, extra.margin_rate], axis=1),
            )
        )
        assert b.sizes[7].max() == 0.0
        np.testing.assert_allclose(b.sizes[:7], a.sizes, atol=1e-6 * p.size.max())
        np.testing.assert_allclose(b.margin_dual, a.margin_dual, rtol=1e-6, atol=1e-9)
        assert b.objective == pytest.approx(a.objective, rel=1e-9)


def test_sizes_are_continuous_in_inventory() -> None:
    p = draw(3, 3)
    p = replace(p, exposure_limit=2.0 * p.size.sum(), inventory=0.2 * p.inventory)
    steps = np.linspace(-3.0, 3.0, 301) * p.size[0]
    path = np.array(
        [solve(replace(p, inventory=np.append(x, p.inventory[1:]))).sizes for x in steps]
    )
    jumps = np.abs(np.diff(path, axis=0)).sum(axis=(1, 2, 3))
    assert jumps.sum() > p.size[0]
    # one dollar of inventory moves limits by two dollars, two sides, in exchange for other assets
    assert jumps.max() <= 8.0 * (steps[1] - steps[0])


def test_sizes_are_continuous_through_a_tie_without_curvature() -> None:
    p = draw(0, 2)
    p = replace(
        p,
        probability=np.full_like(p.probability, 0.3),
        margin=np.full_like(p.margin, 1e-3),
        margin_rate=np.ones_like(p.margin_rate),
        margin_free=np.full(3, 1.5 * p.size.sum()),
        cap=np.broadcast_to(p.size[:, None, None], p.cap.shape).copy(),
        curvature=1e-12 * np.eye(2),
        sweep=0.0,
        action_price=np.zeros_like(p.margin),
        exposure_limit=np.inf,
        toxicity_budget=np.inf,
    )
    shares = []
    for tilt in np.linspace(-1e-4, 1e-4, 201):
        margin = p.margin.copy()
        margin[0] *= 1.0 + tilt
        shares.append(solve(replace(p, margin=margin)).sizes[0].sum() / p.size.sum())
    assert np.ptp(shares) > 0.2
    assert np.abs(np.diff(shares)).max() < 0.1 * np.ptp(shares)


def test_a_row_that_no_asset_uses_is_no_limit() -> None:
    pattern = np.repeat(np.array([[True, True], [False, False]])[:, :, None], 2, axis=2)
    tool = Allocator(2, 3, n_rows=2, margin_pattern=pattern)
    assert tool.fast
    p = sample(np.random.default_rng(0), pattern, 3)
    a = tool.solve(replace(p, margin_free=np.array([p.margin_free[0], -1.0])))
    only = replace(p, margin_rate=p.margin_rate[:1], margin_free=p.margin_free[:1])
    np.testing.assert_allclose(a.sizes, solve(only).sizes, atol=1e-5 * p.size.max())


def test_isolated_rows_may_be_declared_sparse() -> None:
    rows = np.repeat(np.eye(5, dtype=bool)[:, :, None], 2, axis=2)
    p = sample(np.random.default_rng(1), rows, 3)
    sparse = Allocator(5, 3, n_rows=5, margin_pattern=rows)
    assert sparse.fast
    a, b = sparse.solve(p), solve(p)
    np.testing.assert_allclose(a.sizes, b.sizes, atol=1e-5 * p.size.max())
    np.testing.assert_allclose(a.margin_dual, b.margin_dual, rtol=1e-5, atol=1e-8)
    with pytest.raises(ValueError, match="margin pattern"):
        sparse.solve(replace(p, margin_rate=np.full((5, 5, 2), 0.1)))


# --- determinism and guards


def as_bytes(a: Allocation) -> bytes:
    numbers = [a.sizes, a.margin_dual, [a.objective, a.exposure_dual, a.toxicity_dual]]
    return b"".join(np.asarray(x).tobytes() for x in numbers)


@pytest.mark.parametrize("n", [1, 7, 50])
def test_an_answer_does_not_depend_on_earlier_ones(n: int) -> None:
    tool = Allocator(n, 3, n_rows=3)
    programmes = [draw(0, n), vary(draw(1, n), "over all"), vary(draw(2, n), "swept"), draw(3, n)]
    first = [as_bytes(tool.solve(p)) for p in programmes]
    again = [as_bytes(tool.solve(p)) for p in reversed(programmes)][::-1]
    fresh = [as_bytes(Allocator(n, 3, n_rows=3).solve(p)) for p in programmes]
    assert first == again == fresh


def test_slow_path_does_not_depend_on_earlier_answers() -> None:
    tool = Allocator(3, 3, n_rows=3)
    tool._compiled._fast = None
    a, b = draw(0, 3), draw(1, 3)
    first = as_bytes(tool.solve(a))
    tool.solve(b)
    assert as_bytes(tool.solve(a)) == first


def test_answers_own_their_memory() -> None:
    tool = allocator(7, 3, 3)
    a = tool.solve(draw(0, 7))
    before = as_bytes(a)
    tool.solve(draw(1, 7))
    assert as_bytes(a) == before


@pytest.mark.parametrize("shape", SHAPES)
def test_fast_path_is_in_use_and_equals_cvxpy(shape: tuple[int, int, int]) -> None:
    n, _, n_rows = shape
    tool = allocator(*shape)
    assert tool.fast
    for seed in range(20, 23):
        p = draw(seed, *shape)
        values, _ = scale(p, 3, everywhere(n, n_rows))
        fast, reference = tool._compiled.solve(values), tool._compiled.reference(values)
        assert (fast.status, reference.status) == ("optimal", "fallback")
        for x, y in zip((*fast.primal, *fast.dual), (*reference.primal, *reference.dual),
                        strict=True):  # fmt: skip
            np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-4)


def test_the_statement_is_disciplined() -> None:
    problem = state(3, 3, everywhere(4, 2)).problem
    assert problem.is_dcp(dpp=True)
    undisciplined = cp.Problem(
        cp.Minimize(cp.sum_squares(cp.Parameter(name="a") * cp.Parameter(name="b") * cp.Variable()))
    )
    with pytest.raises(ValueError, match="disciplined"):
        compiled.CompiledQP(undisciplined, (), (), [])


def test_disagreement_at_compile_time_disables_the_fast_path(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(compiled, "_agree", lambda a, b: False)
    tool = Allocator(3, 2, n_rows=2)
    assert not tool.fast
    p = draw(0, 3, 2, 2)
    a, b = tool.solve(p), solve(p)
    assert (a.status, a.solver) == ("fallback", "CLARABEL")
    np.testing.assert_allclose(a.sizes, b.sizes, atol=1e-4 * p.size.max())
    assert a.objective == pytest.approx(b.objective, rel=1e-8)


def test_iteration_limit_leads_to_the_fallback() -> None:
    tool = Allocator(3, 2, n_rows=2)
    assert tool._compiled._fast is not None
    tool._compiled._fast._solver.settings.max_iter = 2
    p = draw(0, 3, 2, 2)
    a = tool.solve(p)
    assert a.status == "fallback"
    check_optimal(p, a, tolerance=1e-5)


@pytest.mark.parametrize(
    "changes",
    [
        {"margin": np.full((3, 2, 3), np.nan)},
        {"curvature": np.full((3, 3), np.inf)},
        {"margin_free": np.full(3, np.nan)},
        {"size": np.zeros(3)},
        {"sweep": 2.0},
        {"side_weights": np.array([0.5, -0.1])},
        {"curvature": -np.eye(3)},
    ],
)
def test_unusable_data_gives_no_sizes(changes: dict[str, object]) -> None:
    a = solve(replace(draw(0, 3), **changes))  # type: ignore[arg-type]
    assert (a.status, a.solver) == ("failed", "none")
    assert a.sizes.shape == (3, 2, 3)
    assert a.sizes.max() == a.objective == a.margin_dual.max() == 0.0


def test_negative_weight_is_no_answer() -> None:
    p = draw(0, 3)
    values, _ = scale(p, 3, everywhere(3, 3))
    values["weight"][0, 0] = -1.0
    assert allocator(3, 3, 3)._compiled.solve(values).status == "failed"


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="cap has shape"):
        solve(replace(draw(0, 3), cap=np.ones((3, 2, 1))))
    with pytest.raises(ValueError, match="at least 1"):
        Allocator(0, 3, n_rows=1)


def test_probability_is_made_nonincreasing_in_depth() -> None:
    p = draw(0, 3)
    rising = p.probability[:, :, ::-1].copy()
    falling = np.minimum.accumulate(rising, axis=2)
    a, b = solve(replace(p, probability=rising)), solve(replace(p, probability=falling))
    assert as_bytes(a) == as_bytes(b)
