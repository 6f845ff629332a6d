"""The joint Gaussian of fair values and drifts against dense and brute-force references."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portfolio_mm.belief import joint
from portfolio_mm.theory import glosten_milgrom

K = 0.02
N = 3
ROOT = np.array([[1e-4, 0.0, 0.0], [0.8e-4, 1e-4, 0.0], [0.5e-4, -0.2e-4, 2e-4]])
SIGMA = ROOT @ ROOT.T
DRIFT = joint.drift_stationary(SIGMA, K, 0.3)


def known(seed=0):
    """A state with all fair values known and correlated with the drifts."""
    root = np.random.default_rng(seed).normal(size=(2 * N, 2 * N))
    root[:N] *= 1e-4
    root[N:] *= 1e-6
    mean = np.concatenate([[1.0, 2.0, 3.0], [1e-6, -2e-6, 0.0]])
    return joint.Joint(mean, root @ root.T, np.ones(N, dtype=bool))


def agree(a, b, rtol=1e-9):
    np.testing.assert_allclose(a.mean, b.mean, rtol=rtol, atol=1e-18)
    scale = np.sqrt(np.outer(b.covariance.diagonal(), b.covariance.diagonal()))
    np.testing.assert_allclose(a.covariance / scale, b.covariance / scale, atol=rtol)


def test_predict_composes():
    state = known()
    once = joint.predict(state, 7.5, SIGMA, DRIFT, K)
    half = joint.predict(state, 2.0, SIGMA, DRIFT, K)
    agree(joint.predict(half, 5.5, SIGMA, DRIFT, K), once)
    agree(joint.predict(state, 0.0, SIGMA, DRIFT, K), state)


def test_predict_is_the_limit_of_small_euler_steps():
    state = known()
    steps, horizon = 40_000, 30.0
    dt = horizon / steps
    transition = np.eye(2 * N)
    transition[:N, N:] = dt * np.eye(N)
    transition[N:, N:] -= K * dt * np.eye(N)
    noise = np.zeros((2 * N, 2 * N))
    noise[:N, :N] = SIGMA * dt
    noise[N:, N:] = 2.0 * K * DRIFT * dt
    mean, covariance = state.mean, state.covariance
    for _ in range(steps):
        mean = transition @ mean
        covariance = transition @ covariance @ transition.T + noise
    euler = joint.Joint(mean, covariance, state.known)
    agree(joint.predict(state, horizon, SIGMA, DRIFT, K), euler, rtol=2e-5)


def test_observe_is_the_textbook_update():
    state = known()
    rows = np.array([0, 2, N + 1])
    value, noise = np.array([1.0001, 2.9998, 1e-6]), np.array([1e-8, 3e-8, 1e-12])
    h = np.eye(2 * N)[rows]
    scale = h @ state.covariance @ h.T + np.diag(noise)
    gain = state.covariance @ h.T @ np.linalg.inv(scale)
    expected = joint.Joint(
        state.mean + gain @ (value - h @ state.mean),
        (np.eye(2 * N) - gain @ h) @ state.covariance,
        state.known,
    )
    agree(joint.observe(state, rows, value, noise), expected)


def test_filter_equals_the_joint_gaussian_of_the_whole_trajectory():
    """Asynchronous observations of three assets, conditioned all at once as one big Gaussian."""
    rng = np.random.default_rng(5)
    times = np.cumsum(rng.exponential(2.0, 12))
    asset = rng.integers(0, N, 12)
    asset[:3] = [0, 1, 2]
    value = np.array([4.0, 2.0, 7.0])[asset] + 3e-4 * rng.normal(size=12)
    noise = rng.uniform(0.5e-8, 3e-8, 12)

    state, clock = joint.stationary(DRIFT), 0.0
    for i in range(12):
        state = joint.predict(state, times[i] - clock, SIGMA, DRIFT, K)
        state = joint.observe(state, asset[[i]], value[[i]], noise[[i]])
        clock = times[i]

    # Prior covariance of v(t) and v(u), t <= u, with v(0) diffuse: W is the law of the diffuse
    # start, and the integral of a stationary Ornstein-Uhlenbeck drift is added to the Wiener part.
    def integral(t, u):
        low = min(t, u)
        g = (math.exp(-K * t) + math.exp(-K * u) - math.exp(-K * abs(t - u)) - 1.0) / K**2
        return 2.0 * low / K + g

    def prior(t, u):
        return SIGMA * min(t, u) + DRIFT * integral(t, u)

    big = 1.0
    seen = list(zip(times, asset, strict=True))
    cov = np.array([[prior(t, u)[i, j] + big * (i == j) for u, j in seen] for t, i in seen])
    end = times[-1]
    cross = np.array([[prior(t, end)[i, j] + big * (i == j) for t, i in seen] for j in range(N)])
    # Σ_t ∫ of the drift against μ(end): S (e^{-K(end - t)} - e^{-K end}) / K.
    with_drift = np.array(
        [
            [DRIFT[i, j] * (math.exp(-K * (end - t)) - math.exp(-K * end)) / K for t, i in seen]
            for j in range(N)
        ]
    )
    cross = np.concatenate([cross, with_drift])
    here = np.block(
        [[prior(end, end) + big * np.eye(N), np.zeros((N, N))], [np.zeros((N, N)), DRIFT]]
    )
    here[:N, N:] = DRIFT * (1.0 - math.exp(-K * end)) / K
    here[N:, :N] = here[:N, N:].T
    gain = np.linalg.solve(cov + np.diag(noise), cross.T).T
    centre = np.array([4.0, 2.0, 7.0])
    mean = np.concatenate([centre, np.zeros(N)]) + gain @ (value - centre[asset])
    covariance = here - gain @ cross.T
    np.testing.assert_allclose(state.mean[:N], mean[:N], atol=1e-9)
    np.testing.assert_allclose(state.mean[N:], mean[N:], atol=1e-10)
    deviation = np.sqrt(state.covariance.diagonal())
    np.testing.assert_allclose(
        state.covariance / np.outer(deviation, deviation),
        covariance / np.outer(deviation, deviation),
        atol=2e-6,
    )


def test_first_observation_is_taken_as_it_is():
    state = joint.predict(joint.stationary(DRIFT), 5.0, SIGMA, DRIFT, K)
    assert not state.covariance[:N, :N].any()
    state = joint.observe(state, np.array([1]), np.array([3.5]), np.array([2e-8]))
    assert state.known.tolist() == [False, True, False]
    assert state.mean[1] == 3.5
    assert state.covariance[1, 1] == 2e-8
    later = joint.predict(state, 1.0, SIGMA, DRIFT, K)
    assert later.covariance[1, 1] > 2e-8 + SIGMA[1, 1]
    assert not later.covariance[[0, 2], :N].any()


def test_drift_is_stationary_from_the_start_and_reverts():
    state = joint.stationary(DRIFT)
    for dt in (0.0, 1.0, 100.0):
        state = joint.predict(state, dt, SIGMA, DRIFT, K)
        np.testing.assert_allclose(state.covariance[N:, N:], DRIFT, rtol=1e-12)
    state = known()
    half_life = math.log(2.0) / K
    np.testing.assert_allclose(
        joint.predict(state, half_life, SIGMA, DRIFT, K).mean[N:], 0.5 * state.mean[N:]
    )


def test_a_leader_moves_a_correlated_follower():
    state = known()
    moved = joint.observe(state, np.array([0]), state.mean[[0]] + 1e-3, np.array([1e-8]))
    p = state.covariance
    expected = p[1, 0] / (p[0, 0] + 1e-8) * 1e-3
    assert moved.mean[1] - state.mean[1] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("side", "price"), [(1, 1.9999), (-1, 2.0001)])
def test_fill_gives_the_glosten_milgrom_marginal_and_regresses_the_rest(side, price):
    state = known()
    filled = joint.condition_on_fill(state, 1, side, price, 0.3, 0.4)
    mean, variance, _ = glosten_milgrom.posterior(
        state.mean[1], state.covariance[1, 1], price, side, 0.3, 0.4
    )
    assert filled.mean[1] == pytest.approx(float(mean), rel=1e-12)
    assert filled.covariance[1, 1] == pytest.approx(float(variance), rel=1e-9)
    slope = state.covariance[:, 1] / state.covariance[1, 1]
    np.testing.assert_allclose(
        filled.mean - state.mean, slope * (float(mean) - state.mean[1]), rtol=1e-6, atol=1e-18
    )
    # What v_1 does not explain of the rest stays as it was.
    for before, after in ((state, filled),):
        rest = before.covariance - np.outer(slope, slope) * before.covariance[1, 1]
        rest_after = after.covariance - np.outer(slope, slope) * after.covariance[1, 1]
        np.testing.assert_allclose(rest_after, rest, rtol=1e-6, atol=1e-16)


def test_fill_by_someone_who_sees_ahead_is_the_same_update_of_what_he_sees():
    """y = v + φμ + ε as one more state of a dense Gaussian."""
    state, phi, ahead = known(), 8.0, 5e-9
    filled = joint.condition_on_fill(state, 1, 1, 1.9999, 0.3, 0.4, drift_s=phi, ahead=ahead)
    h = np.zeros(2 * N)
    h[1], h[N + 1] = 1.0, phi
    before = h @ state.covariance @ h + ahead
    mean, variance, _ = glosten_milgrom.posterior(h @ state.mean, before, 1.9999, 1, 0.3, 0.4)
    slope = state.covariance @ h / before
    expected = joint.Joint(
        state.mean + slope * (float(mean) - h @ state.mean),
        state.covariance - np.outer(slope, slope) * (before - float(variance)),
        state.known,
    )
    agree(filled, expected)
    assert filled.mean[N + 1] < state.mean[N + 1], "a sale says that the price will fall"


def test_fill_of_an_unknown_asset_changes_nothing():
    state = joint.stationary(DRIFT)
    assert joint.condition_on_fill(state, 0, 1, 1.0, 0.3, 0.4) is state


def healthy(state):
    p = state.covariance
    deviation = np.sqrt(p.diagonal())
    assert (deviation[:N][state.known] > 0.0).all()
    live = deviation > 0
    correlation = p[np.ix_(live, live)] / np.outer(deviation[live], deviation[live])
    assert np.linalg.eigvalsh(correlation)[0] > -1e-9
    assert np.isfinite(state.mean).all()


moves = st.lists(
    st.tuples(
        st.sampled_from(["predict", "price", "drift", "fill"]),
        st.integers(0, N - 1),
        st.floats(-3.0, 3.0),
        st.floats(0.0, 1.0),
    ),
    min_size=1,
    max_size=60,
)


def play(state, kind, asset, number, share):
    match kind:
        case "predict":
            return joint.predict(state, 10.0 * share, SIGMA, DRIFT, K)
        case "price":
            value = state.mean[[asset]] + 1e-4 * number
            return joint.observe(state, np.array([asset]), value, np.array([1e-10 + 1e-8 * share]))
        case "drift":
            value, noise = np.array([1e-6 * number]), np.array([1e-12])
            return joint.observe(state, np.array([N + asset]), value, noise)
        case _:
            side = 1 if number > 0 else -1
            price = state.mean[asset] - 3e-4 * number
            return joint.condition_on_fill(state, asset, side, price, share, 0.5)


@settings(deadline=None)
@given(moves=moves)
def test_covariance_stays_positive_under_any_sequence(moves):
    state = joint.stationary(DRIFT)
    for move in moves:
        state = play(state, *move)
        healthy(state)


def test_covariance_stays_positive_for_ten_thousand_steps():
    rng = np.random.default_rng(9)
    state = joint.stationary(DRIFT)
    kinds = ["predict", "price", "price", "drift", "fill"]
    for _ in range(10_000):
        kind = kinds[rng.integers(len(kinds))]
        state = play(state, kind, int(rng.integers(N)), rng.normal(), rng.random())
    healthy(state)
    np.testing.assert_array_equal(state.covariance[:N, :N], state.covariance[:N, :N].T)


def test_innovations_are_consistent_when_the_model_is_right():
    """NIS of log-price innovations on a simulated linear Gaussian market, inside its chi2 band."""
    rng = np.random.default_rng(4)
    steps, noise = 3000, 2e-8
    value, drift = np.zeros(N), ROOT @ rng.normal(size=N) * math.sqrt(0.09 * K)
    state = joint.stationary(DRIFT)
    everything = np.arange(N)
    nis = []
    e = math.exp(-K)
    for _ in range(steps):
        # Integrated drift and diffusion over one second, drawn exactly.
        phi = (1.0 - e) / K
        spread = (2.0 / K) * (1.0 - 2.0 * phi + (1.0 - e * e) / (2.0 * K))
        both = (1.0 - e) ** 2 / K
        var_mu = 1.0 - e * e
        root = np.linalg.cholesky(np.array([[spread, both], [both, var_mu]]))
        z = 0.3 * math.sqrt(K) * (root @ rng.normal(size=(2, N))) @ ROOT.T
        value = value + phi * drift + z[0] + ROOT @ rng.normal(size=N)
        drift = e * drift + z[1]
        price = value + math.sqrt(noise) * rng.normal(size=N)
        state = joint.predict(state, 1.0, SIGMA, DRIFT, K)
        if state.known.all():
            innovation = price - state.mean[:N]
            scale = state.covariance[:N, :N] + noise * np.eye(N)
            nis.append(innovation @ np.linalg.solve(scale, innovation))
        state = joint.observe(state, everything, price, np.full(N, noise))
    assert np.mean(nis) == pytest.approx(N, abs=4.0 * math.sqrt(2.0 * N / len(nis)))
