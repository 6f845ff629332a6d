"""Liquidation: what happens to an account whose equity falls below its maintenance margin.

Positions are closed in the market, orders on them cancelled first. Below two thirds of maintenance
the liquidator takes them over at the mark, with the margin they stood on. An isolated position
stands alone; the cross positions of a pool go together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from portfolio_mm.rules import ticks
from sim.exchange.messages import Liquidation, Trade
from sim.exchange.orders import Record, Ticket

if TYPE_CHECKING:
    from sim.exchange.clearing import Clearing

BACKSTOP = 2.0 / 3.0
"""Share of maintenance margin below which the liquidator takes everything over."""


def liquidate(clearing: Clearing, owner: int, now_ns: int) -> None:
    """Close what an account can no longer margin."""
    account = clearing.accounts[owner]
    held = account.positions_margin()
    short = held.isolated_equity < held.isolated_maintenance
    for asset in np.flatnonzero(short).tolist():
        beyond = held.isolated_equity[asset] < BACKSTOP * held.isolated_maintenance[asset]
        _close_out(clearing, owner, [asset], [asset], bool(beyond), now_ns)
    for pool in np.flatnonzero(held.cross_equity < held.cross_maintenance).tolist():
        orders = [asset for asset, p in enumerate(account.pool) if p == pool]
        members = [a for a in orders if account.lots[a] and not account.isolated[a]]
        beyond = held.cross_equity[pool] < BACKSTOP * held.cross_maintenance[pool]
        if members:
            _close_out(clearing, owner, members, orders, bool(beyond), now_ns)


def _close_out(
    clearing: Clearing,
    owner: int,
    positions: list[int],
    orders: list[int],
    beyond: bool,
    now_ns: int,
) -> None:
    """Cancel orders on some assets and close positions, in the market or to the liquidator."""
    account = clearing.accounts[owner]
    clearing.liquidations += 1
    for record in [r for r in account.open.values() if r.asset in orders]:
        clearing.remove(record, "liquidatedCanceled", now_ns)
    pool, isolated = account.pool[positions[0]], account.isolated[positions[0]]
    before = account.cash[pool]
    for asset in positions:
        mark, size = float(clearing.mark[asset]), abs(account.lots[asset])
        side = int(account.lots[asset] > 0)
        method = "backstop" if beyond else "market"
        reason = Liquidation(owner, mark, method)
        if beyond:
            scale = 10.0 ** (ticks.DECIMALS - clearing.universe.instruments[asset].sz_decimals)
            trades = [Trade(round(mark * scale), size, clearing.next_id())]
        else:
            trades = clearing.aggress(asset, side, None, size, owner, now_ns)
        order = Record(clearing.next_id(), owner, Ticket(asset, side, 0, size), now_ns)
        for trade in trades:
            clearing.book_trade(order, trade, now_ns, crossed=True, liquidation=reason, free=beyond)
    if beyond:
        account.forfeit(pool, account.cash[pool] - (before if isolated else 0))
        account.observe()
