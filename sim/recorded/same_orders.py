"""What the orders of a run would have filled under each queue model.

Runs under different models are not comparable order by order: inventory reacts to fills, and quotes
to inventory. So the orders of one run are taken as they were, and only the model changes. Each
arrives when it did in the run and rests until it left the book there, for whatever reason, or until
the model has filled it. Account and margin play no part. Then the models are ordered,

    filled(conservative) ≤ filled(bounded) ≤ filled(power)        for every order,

and the run's own model gives the run's own fills. An order that the run's model filled is gone
afterwards; so under a more conservative model than the run's, this is the least it would have
filled.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from portfolio_mm.rules import ticks
from portfolio_mm.types import Floats, Frozen, Ints
from sim.exchange.matching import Order
from sim.recorded.exchange import Rested
from sim.recorded.markets import RecordedMarkets
from sim.recorded.queue_models import QueueModel

OURS = 0
"""Owner of the orders."""


class QueueFills(Frozen, frozen=True):
    """What orders filled under a queue model, each (N,)."""

    filled_orders: Ints  # that filled at least in part
    fills: Ints
    contracts: Floats
    volume_usd: Floats


class _Change(NamedTuple):
    """An order arrives or leaves when so many rows have happened; who leaves goes first."""

    rows: int
    arrives: bool
    oid: int


def lots_filled(
    markets: RecordedMarkets, orders: Sequence[Rested], model: QueueModel
) -> list[list[int]]:
    """Return the lots of every fill of each order under a model, up to the rows that happened.

    Parameters
    ----------
    markets
        Where the orders rested; they are not changed.
    orders
        In the order of their arrival.
    model
        The queue model.
    """
    now = markets.cursor
    markets = markets.under(model)
    filled: list[list[int]] = [[] for _ in orders]
    changes = [
        change
        for oid, order in enumerate(orders)
        if order.first < min(order.last, now)
        for change in (
            _Change(order.first, True, oid),
            _Change(min(order.last, now), False, oid),
        )
    ]
    for change in sorted(changes):
        while (found := markets.advance(change.rows)) is not None:
            asset, fills = found
            for resting, lots in fills:
                rested = orders[resting.oid]
                if not (rested.refused and rested.last == markets.cursor):
                    filled[resting.oid].append(lots)
                    markets.books[asset].fill(resting, lots)
        order = orders[change.oid]
        book = markets.books[order.asset]
        if change.arrives:
            book.sync(markets.row_ns)
            book.add(Order(change.oid, OURS, order.side, order.units, order.lots))
        else:
            book.cancel(change.oid)
    return filled


def same_orders(
    markets: RecordedMarkets, orders: Sequence[Rested], model: QueueModel
) -> QueueFills:
    """Return what the orders would have filled under a model, by asset; see `lots_filled`."""
    n = len(markets.books)
    filled_orders, fills, lots, micro = ([0] * n for _ in range(4))
    for order, filled in zip(orders, lots_filled(markets, orders, model), strict=True):
        filled_orders[order.asset] += bool(filled)
        fills[order.asset] += len(filled)
        lots[order.asset] += sum(filled)
        micro[order.asset] += sum(filled) * order.units
    return QueueFills(
        filled_orders=np.array(filled_orders),
        fills=np.array(fills),
        contracts=ticks.from_lots(np.array(lots), markets.universe.sz_decimals),
        volume_usd=np.array(micro) * ticks.MICRO_USD,
    )
