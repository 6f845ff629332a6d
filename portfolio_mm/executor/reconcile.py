"""The smallest set of actions that turns the resting orders into the wanted ones.

An action costs a request and a place in the queue, so an order is kept where it is as good as its
target: within a band in price and a tolerance in size. On each side orders and targets are matched in
the order of their prices, so that as many as possible stay, and those as near as possible. A ladder
thus follows the market by moving its last order to its front, and only once a band is left; what is
matched the same way it was yesterday does not move for being nearer elsewhere. What found no target is
modified, which the venue treats as cancel and replace in one action; leftovers are cancelled and
missing orders placed.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from itertools import product

import numpy as np

from portfolio_mm.types import Floats, NewOrder, OpenOrders, Orders, QuoteSet


def cloid(run: str, time_ns: int, asset: int, side: int, level: int) -> str:
    """Return the client order id of a quote, a pure function of what it is: 128 bits, hexadecimal.

    The first half tells the run and the cycle, the second half the place.
    """
    return f"{_cycle_id(run, time_ns)}{asset:08x}{side:04x}{level:04x}"


@functools.lru_cache(maxsize=1)
def _cycle_id(run: str, time_ns: int) -> str:
    return "0x" + hashlib.blake2b(f"{run}/{time_ns}".encode(), digest_size=8).hexdigest()


def reconcile(
    run: str,
    quotes: QuoteSet,
    resting: OpenOrders,
    places: Floats,
    size_tolerance: float,
    actions: int,
) -> Orders:
    """Return cancels, modifies and places.

    Parameters
    ----------
    run
        Identity of the run, part of every client order id.
    quotes
        Targets on the grid.
    resting
        Our orders believed to rest or to be on their way.
    places : (K,)
        What their places in the queue add to the fourth power of the bands, its fourth root.
    size_tolerance
        A resting size within this fraction of its target is kept.
    actions
        Most modifies and places; cancels are never held back, and with 0 the rest stays as it is.
    """
    units, lots, bands = quotes.units.tolist(), quotes.lots.tolist(), quotes.tolerance.tolist()
    wanted: dict[tuple[int, int], list[int]] = {}  # levels, the nearest to fair value first
    for asset, side, level in np.argwhere(quotes.lots > 0).tolist():
        wanted.setdefault((asset, side), []).append(level)
    there: dict[tuple[int, int], list[int]] = {}  # rows of resting, likewise
    nearest_first = np.argsort(np.where(resting.side == 0, -1, 1) * resting.units, kind="stable")
    rows_asset, rows_side = resting.asset.tolist(), resting.side.tolist()
    rows_units, rows_lots, worth = resting.units.tolist(), resting.lots.tolist(), places.tolist()
    for row in nearest_first.tolist():
        there.setdefault((rows_asset[row], rows_side[row]), []).append(row)

    def distance(row: int, level: int) -> int | None:
        """Return how far an order is from a target, None where it is not as good."""
        asset, side = rows_asset[row], rows_side[row]
        target = lots[asset][side][level]
        if abs(target - rows_lots[row]) > size_tolerance * target:
            return None
        off: int = units[asset][side][level] - rows_units[row]
        further = off > 0 if side == 0 else off < 0
        band = bands[asset][side][level][further]
        if abs(off) <= band or off**4 <= band**4 + worth[row] ** 4:
            return abs(off)
        return None

    def order(asset: int, side: int, level: int) -> NewOrder:
        return NewOrder(
            cloid=cloid(run, quotes.time_ns, asset, side, level),
            asset=asset,
            side=side,
            level=level,
            units=units[asset][side][level],
            lots=lots[asset][side][level],
        )

    cancels, modifies, new = [], [], []
    for place in sorted(wanted.keys() | there.keys()):
        rows, levels = there.get(place, []), wanted.get(place, [])
        for row, level in match(rows, levels, distance):
            rows.remove(row)
            levels.remove(level)
        both = min(len(rows), len(levels))
        modifies += [
            (resting.cloid[row], order(*place, level))
            for row, level in zip(rows, levels, strict=False)
        ]
        cancels += [resting.cloid[row] for row in rows[both:]]
        new += [order(*place, level) for level in levels[both:]]
    return Orders(
        time_ns=quotes.time_ns,
        cancels=tuple(cancels),
        modifies=tuple(modifies[:actions]),
        places=tuple(new[: max(actions - len(modifies), 0)]),
    )


def match(
    rows: list[int], levels: list[int], distance: Callable[[int, int], int | None]
) -> list[tuple[int, int]]:
    """Pair rows with levels, both in order, none crossing: most pairs first, then least distance.

    Dynamic programming over what is left of both lists; `distance` is None where a pair is not allowed.
    """
    if len(rows) == len(levels) and None not in map(distance, rows, levels):
        return list(zip(rows, levels, strict=True))
    best = dict.fromkeys(product(range(len(rows) + 1), range(len(levels) + 1)), (0, 0))
    pairs: dict[tuple[int, int], bool] = {}
    for i, j in product(reversed(range(len(rows))), reversed(range(len(levels)))):
        best[i, j] = max(best[i + 1, j], best[i, j + 1])
        apart = distance(rows[i], levels[j])
        if apart is not None:
            kept, near = best[i + 1, j + 1]
            pairs[i, j] = (kept + 1, near - apart) >= best[i, j]
            best[i, j] = max(best[i, j], (kept + 1, near - apart))
    found, i, j = [], 0, 0
    while i < len(rows) and j < len(levels):
        if pairs.get((i, j)):
            found.append((rows[i], levels[j]))
            i, j = i + 1, j + 1
        elif best[i, j] == best[i + 1, j]:
            i += 1
        else:
            j += 1
    return found
