"""The actions turn what rests into what is wanted, and leave alone what is as good."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portfolio_mm.executor.reconcile import cloid, match
from portfolio_mm.executor.reconcile import reconcile as decide
from portfolio_mm.types import NS, OpenOrders, QuoteSet

N, LEVELS = 2, 3
TOLERANCE, SIZE_TOLERANCE = 5, 0.2


def quotes(units, lots, time_ns=NS, tolerance=TOLERANCE):
    """Targets from (N, 2, L) nested lists."""
    units, lots = np.array(units, dtype=np.int64), np.array(lots, dtype=np.int64)
    return QuoteSet(
        time_ns=time_ns,
        sizes=lots.astype(float),
        units=units * (lots > 0),
        lots=lots,
        tolerance=np.full((N, 2, LEVELS, 2), tolerance, dtype=np.int64),
        reason=np.zeros((N, 2), dtype=np.int64),
        margin_dual=np.zeros(1),
        exposure_dual=0.0,
        toxicity_dual=0.0,
        status=0,
        iterations=1,
    )


def reconcile(run, wanted, orders, size_tolerance, places=None, actions=10**9):
    """Orders without a place in a queue, and with requests to spare."""
    worth = np.zeros(len(orders.cloid)) if places is None else np.array(places)
    return decide(run, wanted, orders, worth, size_tolerance, actions)


def resting(rows):
    """Orders from {cloid: (asset, side, level, units, lots)}."""
    columns = np.array(list(rows.values()), dtype=np.int64).reshape(-1, 5).T
    asset, side, level, units, lots = columns
    return OpenOrders(
        cloid=tuple(rows),
        asset=asset,
        side=side,
        level=level,
        units=units,
        lots=lots,
        queue=np.zeros(len(rows)),
        time_ns=np.zeros(len(rows), dtype=np.int64),
    )


def apply(rows, orders):
    """What rests after the venue did all of it; an action on an absent order is an error."""
    rows = dict(rows)
    for name in orders.cancels:
        del rows[name]
    for name, new in orders.modifies:
        del rows[name]
        rows[new.cloid] = (new.asset, new.side, new.level, new.units, new.lots)
    for new in orders.places:
        assert new.cloid not in rows
        rows[new.cloid] = (new.asset, new.side, new.level, new.units, new.lots)
    return rows


def is_target(rows, wanted):
    """Each target is met by exactly one order within tolerance, and nothing else rests."""
    open_targets = {tuple(int(i) for i in k) for k in np.argwhere(wanted.lots > 0)}
    if len(rows) != len(open_targets):
        return False
    by_price = sorted(rows.values(), key=lambda r: (r[0], r[1], r[3]))
    targets = sorted(open_targets, key=lambda k: (k[0], k[1], int(wanted.units[k])))
    return all(
        row[:2] == key[:2]
        and abs(row[3] - wanted.units[key]) <= TOLERANCE
        and abs(row[4] - wanted.lots[key]) <= SIZE_TOLERANCE * wanted.lots[key]
        for row, key in zip(by_price, targets, strict=True)
    )


# Levels stand further apart than twice the tolerance, so that what matches is unambiguous.
offsets = st.integers(-4, 4)
cell = st.tuples(offsets, st.sampled_from([0, 50, 60, 100, 1000]))
grids = st.lists(cell, min_size=N * 2 * LEVELS, max_size=N * 2 * LEVELS)
PLACES = list(np.ndindex(N, 2, LEVELS))


def base(place):
    return 10_000 + (-100, 100)[place[1]] * place[2]


@given(old=grids, new=grids, extra=st.integers(0, 3))
def test_applying_the_actions_gives_the_targets(old, new, extra):
    units, lots = np.zeros((N, 2, LEVELS)), np.zeros((N, 2, LEVELS))
    for place, (offset, size) in zip(PLACES, new, strict=True):
        units[place], lots[place] = base(place) + offset, size
    wanted = quotes(units, lots)
    rows = {
        f"old{i}": (*place, base(place) + offset, size)
        for i, (place, (offset, size)) in enumerate(zip(PLACES, old, strict=True))
        if size
    }
    rows |= {f"extra{i}": (0, 1, i, 5_000 + i, 10) for i in range(extra)}
    orders = reconcile("run", wanted, resting(rows), SIZE_TOLERANCE)
    after = apply(rows, orders)
    assert is_target(after, wanted)
    touched = [*orders.cancels, *(name for name, _ in orders.modifies)]
    assert len(touched) == len(set(touched)), "one action for each order at most"
    fresh = [o.cloid for o in orders.places] + [o.cloid for _, o in orders.modifies]
    assert len(fresh) == len(set(fresh))
    again = reconcile("run", wanted, resting(after), SIZE_TOLERANCE)
    assert not len(again), "what is right stays"
    # No fewer actions are possible: all that rests and is wanted nowhere, or is wanted and absent.
    assert not (orders.cancels and orders.places) or all(
        (rows[c][0], rows[c][1]) != (o.asset, o.side) for c in orders.cancels for o in orders.places
    )


def one(units, lots):
    grid_units, grid_lots = np.zeros((N, 2, LEVELS)), np.zeros((N, 2, LEVELS))
    grid_units[0, 0, 0], grid_lots[0, 0, 0] = units, lots
    return quotes(grid_units, grid_lots)


def test_what_is_near_is_kept_and_what_is_far_is_modified():
    rows = {"a": (0, 0, 0, 1000, 100)}
    for units, lots, actions in [
        (1000, 100, 0),
        (1005, 100, 0),
        (995, 84, 0),
        (1006, 100, 1),
        (1000, 126, 1),
        (1000, 80, 1),
    ]:
        orders = reconcile("run", one(units, lots), resting(rows), SIZE_TOLERANCE)
        assert len(orders) == len(orders.modifies) == actions, (units, lots)


def test_the_nearest_target_takes_the_order():
    units, lots = np.zeros((N, 2, LEVELS)), np.zeros((N, 2, LEVELS))
    units[0, 0], lots[0, 0] = [1004, 1001, 990], [100, 100, 0]
    orders = reconcile(
        "run", quotes(units, lots), resting({"a": (0, 0, 2, 1000, 100)}), SIZE_TOLERANCE
    )
    assert [order.level for order in orders.places] == [0]


def test_nothing_wanted_cancels_everything():
    rows = {"a": (0, 0, 0, 1000, 100), "b": (1, 1, 0, 1000, 100)}
    nothing = quotes(np.zeros((N, 2, LEVELS)), np.zeros((N, 2, LEVELS)))
    assert reconcile("run", nothing, resting(rows), 0.2).cancels == ("a", "b")


def ladder(best, spacing=10, tolerance=7, side=0):
    """A ladder of bids (asks) from `best` outwards."""
    units, lots = np.zeros((N, 2, LEVELS)), np.zeros((N, 2, LEVELS))
    outwards = -1 if side == 0 else 1
    units[0, side] = best + outwards * spacing * np.arange(LEVELS)
    lots[0, side] = 100
    return quotes(units, lots, tolerance=tolerance)


@pytest.mark.parametrize("side", [0, 1])
def test_a_ladder_follows_the_market_with_its_last_order(side):
    """Within the band nothing moves, though a level is nearer; beyond, one order does, not all."""
    outwards = -1 if side == 0 else 1
    rows = {f"{i}": (0, side, i, 1000 + 10 * i * outwards, 100) for i in range(LEVELS)}
    for best in range(993, 1008):
        assert not len(reconcile("run", ladder(best, side=side), resting(rows), 0.2)), best
    # Fair value goes away from the ladder: the last order becomes the first.
    away = reconcile("run", ladder(1000 - 9 * outwards, side=side), resting(rows), 0.2)
    assert [(old, new.level) for old, new in away.modifies] == [(str(LEVELS - 1), 0)]
    assert len(away) == 1
    # Fair value comes nearer: the first becomes the last.
    near = reconcile("run", ladder(1000 + 9 * outwards, side=side), resting(rows), 0.2)
    assert [(old, new.level) for old, new in near.modifies] == [("0", LEVELS - 1)]
    assert len(near) == 1


def test_a_band_may_be_wider_on_one_side():
    wanted = one(1000, 100)
    wanted.tolerance[0, 0, 0] = [3, 50]  # nearer to fair value, further away
    for there, kept in ((1003, True), (1004, False), (950, True), (949, False)):
        orders = reconcile("run", wanted, resting({"a": (0, 0, 0, there, 100)}), 0.2)
        assert (len(orders) == 0) == kept, there


def test_a_place_in_the_queue_is_kept_longer():
    rows = resting({"a": (0, 0, 0, 1010, 100)})
    assert len(reconcile("run", one(1000, 100), rows, 0.2)) == 1
    assert len(reconcile("run", one(1000, 100), rows, 0.2, places=[9.7])) == 1
    assert not len(reconcile("run", one(1000, 100), rows, 0.2, places=[9.9]))  # ⁴√(5⁴ + 9.9⁴) > 10


def test_actions_stay_within_what_is_left_and_cancels_are_free():
    rows = {f"{i}": (0, 0, i, 5000 + i, 100) for i in range(LEVELS)} | {"x": (1, 1, 0, 9, 9)}
    wanted = ladder(1000)
    wanted.lots[1, 0, 0], wanted.units[1, 0, 0] = 100, 500
    free = reconcile("run", wanted, resting(rows), 0.2)
    assert (len(free.modifies), len(free.places), len(free.cancels)) == (3, 1, 1)
    for actions in range(5):
        orders = reconcile("run", wanted, resting(rows), 0.2, actions=actions)
        assert len(orders.modifies) + len(orders.places) == min(actions, 4)
        assert orders.cancels == ("x",)


@given(
    rows=st.lists(st.integers(0, 30), max_size=5).map(sorted),
    levels=st.lists(st.integers(0, 30), max_size=5).map(sorted),
    reach=st.integers(0, 12),
)
def test_matching_keeps_the_most_orders_and_then_the_nearest(rows, levels, reach):
    """Against every way of pairing without crossing."""

    def distance(row, level):
        apart = abs(rows[row] - levels[level])
        return apart if apart <= reach else None

    def best(i, j):
        if i == len(rows) or j == len(levels):
            return (0, 0)
        options = [best(i + 1, j), best(i, j + 1)]
        if distance(i, j) is not None:
            kept, near = best(i + 1, j + 1)
            options.append((kept + 1, near - distance(i, j)))
        return max(options)

    found = match(list(range(len(rows))), list(range(len(levels))), distance)
    assert (len(found), -sum(distance(*pair) for pair in found)) == best(0, 0)
    assert found == sorted(found)
    assert len({row for row, _ in found}) == len({level for _, level in found}) == len(found)


def test_order_ids_are_deterministic_unique_and_of_the_venue_format():
    ids = [
        cloid(run, time_ns, *place)
        for run in ("a", "b")
        for time_ns in (1, 11)
        for place in np.ndindex(12, 2, 12)
    ]
    assert len(set(ids)) == len(ids)
    assert all(len(i) == 34 and int(i, 16) >= 0 for i in ids)
    assert cloid("a", 1, 0, 0, 0) == ids[0]
