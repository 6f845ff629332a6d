from __future__ import annotations

from dataclasses import fields
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portfolio_mm.theory import closed_form, glosten_milgrom
from portfolio_mm.theory.closed_form import ClosedForm, solve

BPS = 1e-4
Z = 500.0
KAPPA = 2000.0
GAMMA = 0.02
ONE_ASSET = np.array([[1e-8]])
TWO_ASSETS = np.array([[1.0, 0.96], [0.96, 2.56]]) * 1e-8


def more_buyers(*assets: int) -> np.ndarray:
    arrival = np.full((2, 2), 0.05)
    arrival[list(assets), 1] *= 1.3
    return arrival


# (name, covariance, arrival, inventory in lots, drift, formula, exact), bps of the first asset.
SHIFTS = [
    ("own inventory", TWO_ASSETS, 0.05, (4, 0), 0.0, -1.357, -1.375),
    ("hedged inventory", TWO_ASSETS, 0.05, (4, -4), 0.0, -0.788, -0.795),
    ("inventory of the other asset", TWO_ASSETS, 0.05, (0, 5), 0.0, -0.715, -0.723),
    ("drift", TWO_ASSETS, 0.05, (0, 0), (1e-7, 0.0), 0.448, 0.453),
    ("buyers more frequent", TWO_ASSETS, more_buyers(0), (0, 0), 0.0, 0.631, 0.656),
    ("thin, 8 lots", ONE_ASSET, 0.005, (8,), 0.0, -8.338, -8.567),
    ("thin, 16 lots", ONE_ASSET, 0.005, (16,), 0.0, -13.83, -14.03),
    ("very thin, 8 lots", ONE_ASSET, 5e-4, (8,), 0.0, -18.04, -18.51),
    ("very thin, 16 lots", ONE_ASSET, 5e-4, (16,), 0.0, -24.76, -25.04),
    ("two thin assets", TWO_ASSETS, 0.005, (4, 4), 0.0, (-5.79, -8.13), (-5.93, -8.53)),
]
CASES = pytest.mark.parametrize(
    ("covariance", "arrival", "lots", "drift", "formula", "optimum"),
    [case[1:] for case in SHIFTS],
    ids=[case[0] for case in SHIFTS],
)


def shift_bps(covariance: np.ndarray, arrival: object, lots: object, drift: object) -> np.ndarray:
    size = np.full(len(covariance), Z)
    solution = solve(
        covariance,
        GAMMA,
        arrival,
        KAPPA,
        size,
        drift=drift,
        inventory=np.asarray(lots) * Z,
    )
    return solution.shift / BPS


@CASES
def test_reservation_price_is_the_published_formula(
    covariance, arrival, lots, drift, formula, optimum
):
    expected = np.atleast_1d(formula)
    shift = shift_bps(covariance, arrival, lots, drift)[: expected.size]
    np.testing.assert_allclose(shift, expected, rtol=0.01)


@CASES
def test_reservation_price_is_near_the_optimum(covariance, arrival, lots, drift, formula, optimum):
    size = np.full(len(covariance), Z)
    flat = solve(covariance, GAMMA, arrival, KAPPA, size)
    expected = np.atleast_1d(optimum)
    shift = shift_bps(covariance, arrival, lots, drift)[: expected.size]
    thickness = KAPPA * np.diag(flat.curvature)[: expected.size] * Z
    relative = np.where(thickness <= 0.05, 0.05, 0.12)
    assert np.all(np.abs(shift - expected) <= np.maximum(relative * np.abs(expected), 0.07))


@pytest.mark.parametrize(
    ("arrival", "lots", "linear"),
    [(0.005, 8, -9.34), (0.005, 16, -18.68), (5e-4, 8, -29.5), (5e-4, 16, -59.1)],
)
def test_linear_skew_of_thin_markets(arrival, lots, linear):
    solution = solve(ONE_ASSET, GAMMA, arrival, KAPPA, [Z])
    assert -2.0 * solution.curvature[0, 0] * lots * Z / BPS == pytest.approx(linear, rel=0.01)


def test_half_width_has_cost_monopoly_and_the_risk_of_one_more_fill():
    solution = solve(TWO_ASSETS, GAMMA, 0.05, KAPPA, [Z, Z], cost=[[1e-4, 2e-4], [0.0, 0.0]])
    extra = np.diag(solve(TWO_ASSETS, GAMMA, 0.05, KAPPA, [Z, Z]).curvature)[0] * Z
    assert extra / BPS == pytest.approx(0.170, rel=0.01)
    monopoly = np.log1p(GAMMA * Z / KAPPA) / (GAMMA * Z)
    own = np.diag(solution.curvature) * Z
    np.testing.assert_allclose(
        solution.half_width, [[1e-4, 2e-4], [0.0, 0.0]] + monopoly + own[:, None], rtol=1e-13
    )


def test_risk_aversion_prices_inventory_and_barely_the_flat_spread():
    calm, averse = (solve(ONE_ASSET, g, 0.05, KAPPA, [Z]) for g in (GAMMA, 30 * GAMMA))
    widths = np.array([calm.half_width[0, 0], averse.half_width[0, 0]]) / BPS
    np.testing.assert_allclose(widths, [5.16, 5.71], rtol=0.01)


def test_mean_reverting_drift():
    solution = solve(ONE_ASSET, GAMMA, 0.05, KAPPA, [Z], drift=1.75e-6, drift_reversion=0.02)
    assert solution.drift_shift[0] / BPS == pytest.approx(0.7706, rel=0.01)
    assert solution.drift_shift[0] / BPS == pytest.approx(0.7719, rel=0.05)


@pytest.mark.parametrize(
    ("variance", "arrival", "slope", "at_zero"),
    [(0.09, 0.9, 0.067866, 3.31292), (0.16, 0.9, 0.090488, 3.32423), (1.0, 0.2, 0.479884, 3.51892)],
)
def test_gueant_lehalle_fernandez_tapia_2013(variance, arrival, slope, at_zero):
    """Ticks; their closed form is linear in inventory."""
    solution = solve([[variance]], 0.01, arrival, 0.3, [1.0])
    per_lot = 2.0 * solution.curvature[0, 0]
    assert per_lot == pytest.approx(slope, abs=1e-6)
    assert solution.half_width[0, 0] == pytest.approx(at_zero, abs=1e-3)
    assert solution.half_width[0, 0] - 0.5 * per_lot == pytest.approx(3.278982, abs=1e-6)


def test_gueant_lehalle_fernandez_tapia_2013_with_inventory():
    solution = solve([[0.09]], 0.01, 0.9, 0.3, [1.0])
    linear = 2.0 * solution.curvature[0, 0] * np.array([-5.0, 5.0])
    np.testing.assert_allclose(
        solution.half_width[0, 0] + linear, [2.97359, 3.65224], rtol=0.0, atol=1e-3
    )


def test_gueant_2017_two_assets():
    deviation = np.array([5.83e-6, 2.15e-5])
    covariance = np.outer(deviation, deviation) * [[1.0, 0.9], [0.9, 1.0]]
    arrival = np.repeat([[9.10e-4], [1.06e-3]], 2, axis=1)
    decay = np.repeat([[1.79e4], [5.47e3]], 2, axis=1)
    solution = solve(covariance, 6e-5, arrival, decay, [50e6, 10e6])
    published = [[1.627397e-12, 3.765002e-12], [3.765002e-12, 2.217149e-11]]
    np.testing.assert_allclose(2.0 * solution.curvature, published, rtol=1e-6)
    assert solution.half_width[1, 0] == pytest.approx(2.84324e-4, rel=1e-5)


def random_problem(count: int, seed: int) -> dict[str, object]:
    rng = np.random.default_rng(seed)
    deviation = rng.uniform(0.5e-4, 3e-4, count)
    factor = rng.standard_normal((count, count + 2))
    correlation = np.corrcoef(factor) if count > 1 else np.ones((1, 1))
    return {
        "covariance": np.outer(deviation, deviation) * correlation,
        "gamma": 10.0 ** rng.uniform(-4, -1),
        "arrival": rng.uniform(0.005, 0.1, (count, 2)),
        "decay": rng.uniform(500.0, 4000.0, (count, 2)),
        "size": rng.uniform(100.0, 1000.0, count),
        "cost": rng.uniform(0.0, 3e-4, (count, 2)),
        "drift": rng.normal(0.0, 1e-7, count),
        "drift_reversion": rng.uniform(0.0, 0.05, count),
        "funding": rng.normal(0.0, 1e-8, count),
        "settlement": 1234.0,
        "inventory": rng.normal(0.0, 3000.0, count),
    }


@pytest.mark.parametrize("count", [1, 2, 7, 30])
def test_matrix_identities(count):
    problem = random_problem(count, seed=count)
    solution = solve(**problem)
    sigma, gamma = problem["covariance"], problem["gamma"]
    np.testing.assert_allclose(
        2.0 * solution.curvature, gamma * solution.horizon @ sigma, rtol=1e-8, atol=1e-20
    )
    rates = np.linalg.inv(solution.horizon)
    unit = rates @ solution.drift_response + solution.drift_response * problem["drift_reversion"]
    np.testing.assert_allclose(unit, np.eye(count), atol=1e-8)
    # K = 2AD: what is left of K when 2A is divided out is diagonal and positive.
    depth = np.linalg.solve(2.0 * solution.curvature, rates)
    np.testing.assert_allclose(depth - np.diag(np.diag(depth)), 0.0, atol=1e-7 * depth.max())
    assert np.all(np.diag(depth) > 0.0)


def test_settlements_are_a_geometric_series_with_the_continuous_carry_as_mean():
    problem = random_problem(3, seed=5)
    values, vectors = np.linalg.eig(np.linalg.inv(solve(**problem).horizon))
    paid = np.asarray(problem["funding"]) * 3600.0
    by_hand = np.zeros(3)
    for settlement in range(400):
        decayed = np.exp(-(problem["settlement"] + 3600.0 * settlement) * values)
        by_hand += (vectors * decayed) @ np.linalg.solve(vectors, paid)
    np.testing.assert_allclose(solve(**problem).carry, by_hand, rtol=1e-9)

    phases = (np.arange(2000) + 0.5) * 3600.0 / 2000
    mean = np.mean([solve(**problem | {"settlement": tau}).carry for tau in phases], axis=0)
    np.testing.assert_allclose(mean, solve(**problem | {"settlement": None}).carry, rtol=1e-4)


def test_one_asset_is_avellaneda_stoikov_with_a_derived_horizon():
    solution = solve(
        ONE_ASSET, GAMMA, 0.05, KAPPA, [Z], drift=1e-7, drift_reversion=0.01, inventory=0.1 * Z
    )
    horizon = solution.horizon[0, 0]
    expected = 1e-7 / (1.0 / horizon + 0.01) - GAMMA * 1e-8 * horizon * 0.1 * Z
    assert solution.shift[0] == pytest.approx(expected, rel=1e-5)


def test_effective_covariance_expands_as_stated():
    rng = np.random.default_rng(3)
    sigma = random_problem(4, seed=1)["covariance"]
    root = rng.standard_normal((4, 4))
    uncertainty = root @ root.T * 1e-14
    response = rng.standard_normal((4, 4)) * 100.0
    product = response @ uncertainty
    expected = sigma + product + product.T + product @ np.linalg.inv(sigma) @ product.T
    result = closed_form.effective_covariance(sigma, response, uncertainty)
    np.testing.assert_allclose(result, expected, rtol=1e-9, atol=1e-20)
    assert np.linalg.eigvalsh(result)[0] > 0.0


def arrays(solution: ClosedForm) -> dict[str, np.ndarray]:
    return {field.name: getattr(solution, field.name) for field in fields(solution)}


@pytest.mark.parametrize("count", [2, 7])
def test_permuting_assets_permutes_the_answer(count):
    problem = random_problem(count, seed=11)
    order = np.random.default_rng(0).permutation(count)
    shuffled = {
        name: value[order] if isinstance(value, np.ndarray) else value
        for name, value in problem.items()
    }
    shuffled["covariance"] = problem["covariance"][np.ix_(order, order)]
    for name, value in arrays(solve(**problem)).items():
        square = value.ndim == 2 and name != "half_width"
        expected = value[np.ix_(order, order)] if square else value[order]
        np.testing.assert_allclose(
            arrays(solve(**shuffled))[name],
            expected,
            rtol=1e-9,
            atol=1e-10 * np.abs(value).max(),
            err_msg=name,
        )


@pytest.mark.parametrize("count", [1, 2, 7])
@pytest.mark.parametrize("settlement", [None, 60.0])
def test_a_dead_asset_changes_nothing(count, settlement):
    problem = random_problem(count, seed=23) | {"settlement": settlement}
    wider = {
        name: np.append(value, np.zeros_like(value[:1]), axis=0)
        if isinstance(value, np.ndarray)
        else value
        for name, value in problem.items()
    }
    wider["covariance"] = np.zeros((count + 1, count + 1))
    wider["covariance"][:count, :count] = problem["covariance"]
    wider["covariance"][count, count] = 1e-8
    wider["decay"][count], wider["size"][count] = 1000.0, 400.0
    alone, joined = arrays(solve(**problem)), arrays(solve(**wider))
    for name, value in alone.items():
        inner = joined[name][:count]
        if value.ndim == 2 and name != "half_width":
            inner = inner[:, :count]
        np.testing.assert_allclose(
            inner, value, rtol=1e-9, atol=1e-9 * np.abs(value).max(), err_msg=name
        )
        assert np.all(np.isfinite(joined[name]))


@st.composite
def problems(draw: st.DrawFn) -> dict[str, object]:
    count = draw(st.integers(1, 4))
    exponent = st.floats(-1.0, 1.0)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    problem = random_problem(count, seed=draw(st.integers(0, 10_000)))
    problem["gamma"] = 10.0 ** draw(st.floats(-14.0, 1.0))
    problem["decay"] = problem["decay"] * 10.0 ** (4.0 * draw(exponent))
    problem["cost"] = problem["cost"] * min(1.0, 2000.0 / problem["decay"].max())
    problem["arrival"] = problem["arrival"] * rng.integers(0, 2, (count, 2))
    problem["inventory"] = problem["inventory"] * 10.0 ** (4.0 * draw(exponent))
    return problem


@given(problems())
@settings(max_examples=200, deadline=None)
def test_every_number_is_finite_and_bid_is_below_ask(problem):
    solution = solve(**problem)
    for name, value in arrays(solution).items():
        assert np.all(np.isfinite(value)), name
    assert np.all(solution.bid < solution.ask)


@given(st.integers(1, 5), st.integers(0, 10_000), st.floats(1.0, 1e5))
@settings(max_examples=100, deadline=None)
def test_reservation_price_falls_with_own_inventory(count, seed, more):
    problem = random_problem(count, seed)
    for asset in range(count):
        held = problem["inventory"]
        levels = [held + np.eye(count)[asset] * step for step in (0.0, more, 3.0 * more)]
        shifts = [solve(**problem | {"inventory": x}).shift[asset] for x in levels]
        assert all(after < before for before, after in pairwise(shifts))


def test_a_tiny_risk_aversion_loses_no_precision():
    solution = solve(ONE_ASSET, 1e-18, 0.05, KAPPA, [Z])
    assert solution.half_width[0, 0] == pytest.approx(1.0 / KAPPA, rel=1e-6)
    # A goes as √γ once h has reached its limit a e⁻¹/κ.
    halved = solve(ONE_ASSET, 0.25e-18, 0.05, KAPPA, [Z])
    assert halved.curvature[0, 0] == pytest.approx(0.5 * solution.curvature[0, 0], rel=1e-12)


def test_nothing_trades_at_all():
    for value in arrays(solve(TWO_ASSETS, GAMMA, 0.0, KAPPA, [Z, Z], inventory=Z)).values():
        assert np.all(np.isfinite(value))


def test_correlated_beyond_rank_is_finite():
    solution = solve(np.full((3, 3), 1e-8), GAMMA, 0.05, KAPPA, [Z] * 3, inventory=[Z, -Z, Z])
    assert all(np.all(np.isfinite(value)) for value in arrays(solution).values())


def with_adverse_selection(informed: float) -> ClosedForm:
    """Quotes whose cost is the adverse selection at their own depth."""
    variance, cost = 4e-8, np.zeros((2, 2))
    for _ in range(60):
        solution = solve(TWO_ASSETS, GAMMA, 0.05, KAPPA, [Z, Z], cost=cost)
        reach = np.exp(-KAPPA * solution.half_width)
        cost = glosten_milgrom.adverse_selection(solution.half_width, variance, informed, reach)
    return solution


def test_twice_the_informed_fraction_widens_both_sides_of_a_flat_book():
    calm, toxic = with_adverse_selection(0.1), with_adverse_selection(0.2)
    assert np.all(toxic.half_width > calm.half_width)
    assert np.all(toxic.bid < calm.bid)
    assert np.all(toxic.ask > calm.ask)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("gamma", 0.0),
        ("gamma", float("nan")),
        ("covariance", np.eye(3)),
        ("covariance", [[np.nan, 0.0], [0.0, 1.0]]),
        ("arrival", -1.0),
        ("arrival", np.ones(2)),
        ("decay", 0.0),
        ("size", [1.0, 0.0]),
        ("cost", np.inf),
        ("drift", [0.0, np.nan]),
        ("drift_reversion", -1.0),
        ("funding", np.ones(3)),
        ("settlement", -1.0),
        ("inventory", [np.inf, 0.0]),
    ],
)
def test_an_invalid_argument_is_named(name, value):
    problem = random_problem(2, seed=0) | {name: value}
    with pytest.raises(ValueError, match=name):
        solve(**problem)
