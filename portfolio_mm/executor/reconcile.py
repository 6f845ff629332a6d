"""The smallest set of actions that turns the resting orders into the wanted ones.

A resting order has a place in the queue, so it is kept where it is as good as its target: within a
tolerance in price and in size. Otherwise it is modified, which the venue treats as cancel and
replace in one action; leftovers are cancelled and missing orders placed.
"""

from __future__ import annotations

import functools
import hashlib

import numpy as np

from portfolio_mm.types import NewOrder, OpenOrders, Orders, QuoteSet


def cloid(run: str, time_ns: int, asset: int, side: int, level: int) -> str:
    """Return the client order id of a quote, a pure function of what it is: 128 bits, hexadecimal.

    The first half tells the run and the cycle, the second half the place.
    """
    return f"{_cycle_id(run, time_ns)}{asset:08x}{side:04x}{level:04x}"


@functools.lru_cache(maxsize=1)
def _cycle_id(run: str, time_ns: int) -> str:
    return "0x" + hashlib.blake2b(f"{run}/{time_ns}".encode(), digest_size=8).hexdigest()


def reconcile(run: str, quotes: QuoteSet, resting: OpenOrders, size_tolerance: float) -> Orders:
    """Return cancels, modifies and places.

    Parameters
    ----------
    run
        Identity of the run, part of every client order id.
    quotes
        Targets on the grid.
    resting
        Our orders believed to rest or to be on their way.
    size_tolerance
        A resting size within this fraction of its target is kept.
    """
    units, lots, tolerance = quotes.units.tolist(), quotes.lots.tolist(), quotes.tolerance.tolist()
    unmatched: dict[tuple[int, int], list[int]] = {}  # levels wanted, by asset and side
    for asset, side, level in np.argwhere(quotes.lots > 0).tolist():
        unmatched.setdefault((asset, side), []).append(level)

    loose = []
    columns = (resting.asset, resting.side, resting.units, resting.lots)
    rows = zip(resting.cloid, *(column.tolist() for column in columns), strict=True)
    for cloid_there, asset, side, units_there, lots_there in rows:
        levels = unmatched.get((asset, side), [])
        near = None
        for level in levels:
            target = lots[asset][side][level]
            distance = abs(units[asset][side][level] - units_there)
            alike = abs(target - lots_there) <= size_tolerance * target
            if alike and distance <= tolerance[asset][side]:
                near = min(near or (distance, level), (distance, level))
        if near:
            levels.remove(near[1])
        else:
            loose.append((cloid_there, (asset, side)))

    def order(asset: int, side: int, level: int) -> NewOrder:
        return NewOrder(
            cloid=cloid(run, quotes.time_ns, asset, side, level),
            asset=asset,
            side=side,
            level=level,
            units=units[asset][side][level],
            lots=lots[asset][side][level],
        )

    cancels, modifies = [], []
    for cloid_there, place in loose:
        levels = unmatched.get(place, [])
        if levels:
            modifies.append((cloid_there, order(*place, levels.pop(0))))
        else:
            cancels.append(cloid_there)
    places = tuple(order(*place, level) for place, levels in unmatched.items() for level in levels)
    return Orders(
        time_ns=quotes.time_ns, cancels=tuple(cancels), modifies=tuple(modifies), places=places
    )
