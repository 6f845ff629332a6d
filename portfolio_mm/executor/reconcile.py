"""The smallest set of actions that turns the resting orders into the wanted ones.

A resting order has a place in the queue, so it is kept where it is as good as its target: within a
tolerance in price and in size. Otherwise it is modified, which the venue treats as cancel and
replace in one action; leftovers are cancelled and missing orders placed.
"""

from __future__ import annotations

import hashlib

import numpy as np

from portfolio_mm.types import NewOrder, OpenOrders, Orders, QuoteSet


def cloid(run: str, time_ns: int, asset: int, side: int, level: int) -> str:
    """Return the client order id of a quote: a pure function of what it is."""
    key = f"{run}/{time_ns}/{asset}/{side}/{level}".encode()
    return "0x" + hashlib.blake2b(key, digest_size=16).hexdigest()


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
    wanted = [tuple(int(i) for i in index) for index in np.argwhere(quotes.lots > 0)]
    unmatched = dict.fromkeys(wanted)
    loose = []
    for row in range(len(resting.cloid)):
        asset, side = int(resting.asset[row]), int(resting.side[row])
        near = [
            key
            for key in unmatched
            if key[:2] == (asset, side)
            and abs(int(quotes.units[key]) - int(resting.units[row]))
            <= quotes.tolerance[asset, side]
            and abs(int(quotes.lots[key]) - int(resting.lots[row]))
            <= size_tolerance * quotes.lots[key]
        ]
        if near:
            distance = [abs(int(quotes.units[key]) - int(resting.units[row])) for key in near]
            del unmatched[near[distance.index(min(distance))]]
        else:
            loose.append(row)

    cancels, modifies = [], []
    for row in loose:
        place = (int(resting.asset[row]), int(resting.side[row]))
        target = next((key for key in unmatched if key[:2] == place), None)
        if target is None:
            cancels.append(resting.cloid[row])
        else:
            del unmatched[target]
            modifies.append((resting.cloid[row], _order(run, quotes, target)))
    places = tuple(_order(run, quotes, key) for key in unmatched)
    return Orders(
        time_ns=quotes.time_ns, cancels=tuple(cancels), modifies=tuple(modifies), places=places
    )


def _order(run: str, quotes: QuoteSet, key: tuple[int, ...]) -> NewOrder:
    asset, side, level = key
    return NewOrder(
        cloid=cloid(run, quotes.time_ns, asset, side, level),
        asset=asset,
        side=side,
        level=level,
        units=int(quotes.units[key]),
        lots=int(quotes.lots[key]),
    )
