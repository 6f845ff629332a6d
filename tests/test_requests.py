"""Scarce requests in the whole cycle: what they change, and that any number of assets is alike."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from portfolio_mm.cycle import build, quote_cycle
from portfolio_mm.executor.stage import moves
from portfolio_mm.types import Events
from sim import synthetic

YOUNG = 10_000.0
BOOK = ("bid_price", "bid_size", "ask_price", "ask_size")
COLUMNS = ("status", "book_time_ns", "mark", "oracle", "funding", *BOOK)


def run(universe, requests, steps=50, order=None, spread=30.0):
    """Run cycles on a path and return the last; `order` permutes the assets."""
    n = len(universe)
    index = np.arange(n) if order is None else order
    back = np.argsort(index)
    universe = msgspec.structs.replace(
        universe, instruments=tuple(universe.instruments[i] for i in index)
    )
    stages, state = build(synthetic.config(universe), universe)
    position = np.linspace(-spread, spread, n)
    for snapshot in synthetic.path(n, steps, seed=5):
        changes = {name: getattr(snapshot, name)[index] for name in COLUMNS}
        prints = msgspec.structs.replace(
            snapshot.trades, asset=back[snapshot.trades.asset].astype(np.int64)
        )
        moved = msgspec.structs.replace(snapshot, trades=prints, **changes)
        account = synthetic.account(
            snapshot.time_ns, position[index], snapshot.mark[index], requests=requests
        )
        state, cycle = quote_cycle(stages, state, moved, account, Events())
    return cycle, back


def test_a_young_account_quotes_every_asset_with_wider_bands():
    universe = synthetic.universe(4)
    (young, _), (rich, _) = run(universe, YOUNG), run(universe, 1e9)
    assert (young.quotes.lots[:, :, 0] > 0).all()
    assert young.surface.action_price > rich.surface.action_price
    assert (young.surface.band > rich.surface.band).all()
    assert (young.surface.depth[:, :, 0] > 0.0).all()


def test_planned_moves_are_what_the_budget_allows():
    cycle, _ = run(synthetic.universe(4), YOUNG)
    allowed = cycle.budget.action_rate / cycle.budget.actions_per_move
    assert cycle.surface.move_rate == pytest.approx(allowed, rel=1e-6)
    rich, _ = run(synthetic.universe(1), 1e12)
    assert rich.surface.action_price == 0.0, "requests abound"


def test_requests_go_to_what_earns_most_by_them():
    """The better a level earns for how fast its asset moves, the smaller its band."""
    surface = run(synthetic.universe(4), YOUNG)[0].surface
    earns = surface.income[:, :, 0] / surface.income[:, :, 2]
    assert (earns > 1.0).all()
    assert (surface.band[:, :, 0] < surface.band[:, :, 2]).all()


def test_permuting_assets_commutes_where_requests_are_scarce():
    universe, order = synthetic.universe(5), np.array([3, 0, 4, 1, 2])
    straight, _ = run(universe, YOUNG)
    mixed, back = run(universe, YOUNG, order=order)
    assert mixed.surface.action_price == pytest.approx(straight.surface.action_price, rel=1e-7)
    np.testing.assert_allclose(mixed.surface.price[back], straight.surface.price, rtol=1e-8)
    np.testing.assert_allclose(mixed.surface.band[back], straight.surface.band, rtol=1e-6)


def test_an_exhausted_account_leaves_its_orders_and_places_none():
    cycle, _ = run(synthetic.universe(2), 20.0)
    assert cycle.budget.actions == 0
    assert not cycle.orders.places
    assert not cycle.orders.modifies
    for name in cycle.surface.__struct_fields__:
        assert np.isfinite(getattr(cycle.surface, name)).all(), name


def test_one_more_request_changes_little():
    """Prices, bands and sizes are continuous in the budget."""
    universe = synthetic.universe(3)
    before, _ = run(universe, YOUNG)
    after, _ = run(universe, YOUNG * (1.0 + 1e-4))
    np.testing.assert_allclose(after.surface.price, before.surface.price, rtol=1e-6)
    np.testing.assert_allclose(after.surface.band, before.surface.band, rtol=2e-3)
    largest = before.quotes.sizes.max()
    np.testing.assert_allclose(after.quotes.sizes, before.quotes.sizes, atol=5e-3 * largest)


def test_the_loop_wakes_within_the_narrowest_band():
    cycle, _ = run(synthetic.universe(3), YOUNG)
    wake = moves(cycle.quotes)
    quoted = (cycle.quotes.lots > 0)[..., None] & np.ones(2, dtype=bool)
    band = np.where(quoted, cycle.surface.band, np.inf).min(axis=(1, 2, 3))
    assert ((wake > 0.3 * band) & (wake <= 0.51 * band)).all()
    nothing = msgspec.structs.replace(cycle.quotes, lots=np.zeros_like(cycle.quotes.lots))
    assert np.isinf(moves(nothing)).all()
