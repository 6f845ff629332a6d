"""From the venue's words to the engine's: fills, order updates, open orders, payments, prints.

Coins outside the run have no index and yield nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from portfolio_mm.types import (
    Fill,
    FundingPayment,
    OpenOrder,
    OrderUpdate,
    Trades,
    Universe,
)
from portfolio_mm.venues.hyperliquid.figures import ParseError, lots, number, price_units
from portfolio_mm.venues.hyperliquid.wire import Trade
from portfolio_mm.venues.hyperliquid.wire_account import (
    Funding,
    OrderReport,
    RestingOrder,
    UserFill,
)

NS_PER_MS = 1_000_000

Index = Mapping[str, int]
"""Index of a coin's asset."""


def index(universe: Universe) -> dict[str, int]:
    """Return the index of every coin of the run."""
    return {name: asset for asset, name in enumerate(universe.names)}


def nanoseconds(millis: int) -> int:
    """Return a time of the venue in ns UTC."""
    return millis * NS_PER_MS


def trades(rows: Iterable[Trade], coins: Index) -> Trades:
    """Return the prints on assets of the run as columns, in time order."""
    kept = sorted((row for row in rows if row.coin in coins), key=lambda row: row.time)
    return Trades(
        asset=np.array([coins[row.coin] for row in kept], dtype=np.int64),
        side=np.array([_sign(row.side) for row in kept], dtype=np.int64),
        price=np.array([number(row.px) for row in kept], dtype=np.float64),
        size=np.array([number(row.sz) for row in kept], dtype=np.float64),
        time_ns=np.array([nanoseconds(row.time) for row in kept], dtype=np.int64),
    )


def fill(row: UserFill, coins: Index) -> Fill | None:
    """Return a fill of ours, None on a coin outside the run."""
    asset = coins.get(row.coin)
    if asset is None:
        return None
    return Fill(
        time_ns=nanoseconds(row.time),
        asset=asset,
        side=_sign(row.side),
        price=number(row.px),
        size=number(row.sz),
        fee=number(row.fee),
        maker=not row.crossed,
        cloid=row.cloid or "",
        fill_id=row.tid,
    )


def order_update(report: OrderReport, time_ns: int) -> OrderUpdate | None:
    """Return what became of an order, as of `time_ns`, None where it has no client order id."""
    if report.order.cloid is None:
        return None
    return OrderUpdate(
        time_ns=time_ns,
        cloid=report.order.cloid,
        status=report.status,
        oid=report.order.oid,
    )


def open_order(row: RestingOrder, universe: Universe, coins: Index) -> OpenOrder | None:
    """Return an order that rests, None on a coin outside the run.

    Raises
    ------
    ParseError
        When its price or size is off the grid of its asset.
    """
    asset = coins.get(row.coin)
    if asset is None:
        return None
    decimals = universe.instruments[asset].sz_decimals
    try:
        return OpenOrder(
            oid=row.oid,
            cloid=row.cloid or "",
            asset=asset,
            side=0 if row.side == "B" else 1,
            units=price_units(row.limit_px, decimals),
            lots=lots(row.sz, decimals),
            time_ns=nanoseconds(row.timestamp),
        )
    except ParseError as error:
        raise ParseError(f"openOrders: {row.coin} order {row.oid}: {error}") from None


def funding_payment(row: Funding, time_ms: int, coins: Index) -> FundingPayment | None:
    """Return a funding payment of ours, None on a coin outside the run; the wire's sign is a credit's."""
    asset = coins.get(row.coin)
    if asset is None:
        return None
    return FundingPayment(
        time_ns=nanoseconds(time_ms),
        asset=asset,
        usd=-number(row.usdc),
        rate=number(row.funding_rate),
    )


def _sign(side: str) -> int:
    return 1 if side == "B" else -1
