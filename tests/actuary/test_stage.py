"""The surface: identities, signs, monotonicity, and the cost of a fill."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from portfolio_mm.actuary import stage
from portfolio_mm.theory import glosten_milgrom
from portfolio_mm.types import NS

replace = msgspec.structs.replace


@pytest.fixture(scope="module", params=[1, 2, 7])
def bench_run(run_path, request):
    n = request.param
    return run_path(n, 80, position=np.linspace(-20.0, 30.0, n))


def settle(run, belief=None, budget=None, snapshot=None, rounds=30, params=None):
    """Price until the response to drift has settled."""
    stages, state, seen, _, cycle = run
    prior = state.actuary
    for _ in range(rounds):
        prior, surface = stage.step(
            params or stages.actuary,
            prior,
            belief or cycle.belief,
            budget or cycle.budget,
            snapshot or seen,
        )
    return surface


SIGN = stage.SIGN[:, None]


def test_margin_is_profit_relative_to_the_reservation_price(bench_run):
    surface = bench_run[-1].surface
    w = surface.reservation + surface.skew - drift_and_carry(surface)
    price_of_inventory = SIGN * (surface.skew - w)[:, None, None]
    expected = (
        surface.edge
        - surface.adverse_selection
        - surface.impact
        - surface.fee[:, None, None]
        - price_of_inventory
    )
    np.testing.assert_allclose(surface.margin, expected, rtol=1e-9, atol=1e-15)
    from_reservation = SIGN * (surface.reservation[:, None, None] + SIGN * surface.depth)
    costs = surface.adverse_selection + surface.impact + surface.fee[:, None, None]
    np.testing.assert_allclose(surface.margin, from_reservation - costs, rtol=1e-7, atol=1e-12)


def drift_and_carry(surface):
    return (SIGN * (surface.edge - surface.depth))[:, 0, 0]


def test_edge_is_the_distance_from_fair_value(bench_run):
    surface = bench_run[-1].surface
    np.testing.assert_allclose(
        SIGN * np.log(surface.fair[:, None, None] / surface.price), surface.depth, atol=1e-13
    )


def test_drift_and_funding_enter_edge_with_their_signs(bench_run):
    belief, snapshot = bench_run[-1].belief, bench_run[2]
    n = len(belief.drift)
    flat = replace(belief, drift=np.zeros(n))
    calm = replace(snapshot, funding=np.zeros(n))
    rising = settle(bench_run, replace(belief, drift=np.full(n, 1e-6)), snapshot=calm)
    still = settle(bench_run, flat, snapshot=calm)
    costly = settle(bench_run, flat, snapshot=replace(snapshot, funding=np.full(n, 1e-4)))
    np.testing.assert_allclose(still.edge, still.depth)
    for surface, sign in ((rising, 1.0), (costly, -1.0)):
        part = surface.edge - surface.depth
        assert (sign * part[:, 0] > 0.0).all(), "buying before a rise gains, before paying loses"
        assert (sign * part[:, 1] < 0.0).all()


def test_no_candidate_crosses_the_book(bench_run):
    surface, snapshot = settle(bench_run), bench_run[2]
    assert (surface.price[:, 0] < snapshot.ask_price[:, :1]).all()
    assert (surface.price[:, 1] > snapshot.bid_price[:, :1]).all()
    pushed = replace(
        snapshot,
        bid_price=snapshot.bid_price * np.exp(-5e-3),
        ask_price=snapshot.ask_price * np.exp(-5e-3),
    )
    assert (settle(bench_run, snapshot=pushed).price[:, 0] < pushed.ask_price[:, :1]).all()


def test_levels_go_outwards_and_are_hit_less(bench_run):
    surface = bench_run[-1].surface
    assert (np.diff(surface.price[:, 0], axis=1) < 0.0).all()
    assert (np.diff(surface.price[:, 1], axis=1) > 0.0).all()
    assert (np.diff(surface.probability, axis=2) < 0.0).all()
    assert ((surface.probability >= 0.0) & (surface.probability <= 1.0)).all()


def test_candidates_keep_the_floor(bench_run):
    surface = bench_run[-1].surface
    assert (surface.depth >= surface.floor[:, :, None] - 1e-15).all()


def test_probability_and_expected_pnl_by_hand(bench_run):
    stages, _, _, _, cycle = bench_run
    surface, belief = cycle.surface, cycle.belief
    rate = belief.arrival[0, 1] * np.exp(-belief.decay[0, 1] * max(surface.depth[0, 1, 1], 0.0))
    assert surface.probability[0, 1, 1] == pytest.approx(1.0 - np.exp(-rate * 1.0))
    profit = surface.edge - surface.adverse_selection - surface.impact - surface.fee[:, None, None]
    size = stages.actuary.universe.size_usd[0]
    expected = surface.probability[0, 1, 1] * size * profit[0, 1, 1]
    assert surface.expected_pnl[0, 1, 1] == pytest.approx(expected)


def test_the_charge_for_a_fill_is_the_move_of_the_belief(bench_run):
    stages, state, _, _, cycle = bench_run
    surface, belief = cycle.surface, cycle.belief
    seconds = stages.actuary.stale_s + belief.foresight_s[0]
    variance = (
        state.actuary.displacement[0, 0]
        + belief.variance[0]
        + (belief.tail * belief.sigma)[0] ** 2 * seconds
    )
    depth = surface.depth[0, 0, 0]
    mean, _, _ = glosten_milgrom.posterior(
        0.0, variance, -depth, 1, belief.informed[0, 0], np.exp(-belief.decay[0, 0] * depth)
    )
    assert surface.adverse_selection[0, 0, 0] == pytest.approx(-float(mean), rel=1e-9)


def flat(run):
    budget, belief = run[-1].budget, run[-1].belief
    n = len(budget.inventory)
    return replace(belief, drift=np.zeros(n)), replace(budget, inventory=np.zeros(n))


def test_twice_the_informed_flow_widens_both_sides_of_a_flat_book(bench_run):
    belief, budget = flat(bench_run)
    usual = settle(bench_run, belief, budget)
    toxic = settle(bench_run, replace(belief, informed=2.0 * belief.informed), budget)
    assert (toxic.half_width > usual.half_width).all()


def test_more_volatility_widens(bench_run):
    belief, budget = flat(bench_run)
    usual = settle(bench_run, belief, budget)
    wild = replace(belief, sigma=3.0 * belief.sigma, covariance=9.0 * belief.covariance)
    wild = settle(bench_run, wild, budget)
    assert (wild.half_width > usual.half_width).all()
    assert (wild.floor > usual.floor).all()


def test_cost_is_what_a_fill_must_earn_to_break_even(bench_run):
    """c = fee + Glosten–Milgrom floor, by hand; half-width and risk aversion follow from it."""
    stages, state, snapshot, _, cycle = bench_run
    config, universe = stages.actuary.config, stages.actuary.universe
    free = stages.actuary._replace(config=replace(config, impact=0.0))
    belief, gamma = cycle.belief, cycle.budget.gamma
    prior = state.actuary
    _, surface = stage.step(free, prior, belief, cycle.budget, snapshot)
    seconds = stages.actuary.stale_s + belief.foresight_s
    variance = belief.variance + (belief.tail * belief.sigma) ** 2 * seconds
    charge = glosten_milgrom.floor(
        variance[:, None] + prior.displacement, belief.informed, belief.decay
    )
    g = gamma * universe.size_usd[:, None]
    risk = (surface.curvature.diagonal() * universe.size_usd)[:, None]
    expected = surface.fee[:, None] + charge + np.log1p(g / belief.decay) / g + risk
    np.testing.assert_allclose(surface.half_width, expected, rtol=1e-9)
    earned = universe.requests_per_usd - 1.0 / universe.size_usd
    worth = prior.action_price * earned * cycle.budget.volume_earns
    np.testing.assert_allclose(surface.fee, universe.maker_fee - worth, rtol=1e-12)


def test_a_flat_book_never_quotes_at_a_loss(bench_run):
    """At x = 0 without drift every candidate earns its adverse selection, impact and fee."""
    belief, budget = flat(bench_run)
    for informed in (0.05, 0.3, 0.9):
        toxic = replace(belief, informed=np.full_like(belief.informed, informed))
        assert (settle(bench_run, toxic, budget).margin > 0.0).all()


def test_pricing_settles_along_the_cycles(bench_run):
    stages, _, snapshot, _, cycle = bench_run
    inputs = cycle.belief, cycle.budget, snapshot
    state = stage.init(stages.actuary.config, stages.actuary.universe, 1.0)[1]
    reservations = []
    for _ in range(20):
        state, surface = stage.step(stages.actuary, state, *inputs)
        reservations.append(surface.reservation)
    changes = np.abs(np.diff(reservations, axis=0)).max(axis=1)
    assert changes[-1] < 1e-12


def test_cost_holds_self_impact(bench_run):
    stages = bench_run[0]
    config = stages.actuary.config
    free = stages.actuary._replace(config=replace(config, impact=0.0))
    dear = stages.actuary._replace(config=replace(config, impact=1.0))
    without, with_it = (settle(bench_run, params=params) for params in (free, dear))
    assert not without.impact.any()
    assert (with_it.half_width > without.half_width).all()


def test_an_empty_book_is_priced_by_the_model_alone(bench_run):
    snapshot = bench_run[2]
    nothing, none = np.full_like(snapshot.bid_price, np.nan), np.zeros_like(snapshot.bid_price)
    empty = replace(snapshot, bid_price=nothing, ask_price=nothing, bid_size=none, ask_size=none)
    surface = settle(bench_run, snapshot=empty)
    for name in surface.__struct_fields__:
        assert np.isfinite(getattr(surface, name)).all(), name


def test_carry_nears_with_the_settlement(run_path):
    run = run_path(1, 40)
    snapshot = replace(run[2], funding=np.array([1e-4]))
    belief = replace(run[-1].belief, drift=np.zeros(1))
    soon = replace(snapshot, settlement_ns=snapshot.time_ns + NS)
    late = replace(snapshot, settlement_ns=snapshot.time_ns + 3500 * NS)
    carry = [-drift_and_carry(settle(run, belief, snapshot=when))[0] for when in (soon, late)]
    assert carry[0] > carry[1] > 0.0
