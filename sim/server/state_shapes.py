"""Margin and balances of a user in the venue's shape.

A unified account keeps its collateral in spot, once for all dexs. Its state on a dex lists the
positions there and, as equity, no more than the margin they use.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from portfolio_mm.rules.margin import maintenance, portfolio_liquidation_prices
from portfolio_mm.types import Floats
from sim.exchange.account import Account
from sim.exchange.messages import MICRO
from sim.server import text
from sim.server.history import MS
from sim.server.markets import Markets

Shape = dict[str, Any]


def clearinghouse(
    account: Account, markets: Markets, dex: str, mark: Floats, time_ns: int
) -> Shape:
    """Return positions and margin on one dex."""
    margin = account.margin()
    position = account.position()
    value = position * mark
    isolated = np.array(account.isolated)
    here = [i for i in markets.members(dex) if account.lots[i]]
    cross = [i for i in here if not isolated[i]]
    alone = [i for i in here if isolated[i]]
    used = np.where(isolated, margin.isolated_equity, np.abs(value) / np.array(account.leverage))
    cross_used, alone_used = float(used[cross].sum()), float(used[alone].sum())
    if account.mode == "unified":
        cross_equity, withdrawable = cross_used, 0
    else:
        pool = markets.dexs.index(dex)
        cross_equity, withdrawable = float(margin.cross_equity[pool]), account.withdrawable(pool)
    required = maintenance(np.abs(value), account.tiers)
    liquidation = portfolio_liquidation_prices(
        margin,
        position=position,
        mark=mark,
        isolated=isolated,
        pool=np.array(account.pool),
        tiers=account.tiers,
    )
    return {
        "marginSummary": _summary(cross_equity + alone_used, value[here], cross_used + alone_used),
        "crossMarginSummary": _summary(cross_equity, value[cross], cross_used),
        "crossMaintenanceMarginUsed": text.dollars(float(required[cross].sum())),
        "withdrawable": text.micro(withdrawable),
        "assetPositions": [
            {
                "type": "oneWay",
                "position": _position(
                    account, markets, i, float(mark[i]), float(used[i]), float(liquidation[i])
                ),
            }
            for i in here
        ],
        "time": time_ns // MS,
    }


def spot(account: Account) -> Shape:
    """Return token balances; of a unified account that is all of its collateral."""
    total, hold = account.spot / MICRO, 0.0
    extra: Shape = {}
    if account.mode == "unified":
        margin = account.margin()
        total = float(margin.equity[0])
        hold = float(margin.position_margin[0] + margin.order_margin[0])
        after = total - float(margin.maintenance[0])
        extra = {"tokenToAvailableAfterMaintenance": [[0, text.dollars(after)]]}
    balance = {
        "coin": "USDC",
        "token": 0,
        "total": text.dollars(total),
        "hold": text.dollars(hold),
        "entryNtl": "0.0",
    }
    return {"balances": [balance] if total or hold else []} | extra


def asset_data(account: Account, markets: Markets, asset: int, mark: float, user: str) -> Shape:
    """Return leverage and room to trade on an asset."""
    instrument = markets.universe.instruments[asset]
    free = max(account.available(asset), 0) / MICRO
    room = [free, free]
    if account.lots[asset]:
        held = abs(account.lots[asset]) * mark / 10**instrument.sz_decimals
        room[int(account.lots[asset] > 0)] += 2.0 * held / account.leverage[asset]
    sizes = [text.decimal(usd * account.leverage[asset] / mark) for usd in room]
    return {
        "user": user,
        "coin": instrument.name,
        "leverage": _leverage(account, asset),
        "maxTradeSzs": sizes,
        "availableToTrade": [text.dollars(usd) for usd in room],
        "markPx": text.decimal(mark),
    }


def _leverage(account: Account, asset: int) -> Shape:
    if not account.isolated[asset]:
        return {"type": "cross", "value": account.leverage[asset]}
    return {
        "type": "isolated",
        "value": account.leverage[asset],
        "rawUsd": text.micro(account.isolated_cash[asset]),
    }


def _position(
    account: Account, markets: Markets, asset: int, mark: float, used: float, liquidation: float
) -> Shape:
    instrument = markets.universe.instruments[asset]
    lots, cost = account.lots[asset], account.cost[asset] / MICRO
    size = lots / 10**instrument.sz_decimals
    profit = size * mark - (cost if lots > 0 else -cost)
    return {
        "coin": instrument.name,
        "szi": text.size(lots, instrument.sz_decimals),
        "leverage": _leverage(account, asset),
        "entryPx": text.decimal(round(cost / abs(size), 6)),
        "positionValue": text.dollars(abs(size) * mark),
        "unrealizedPnl": text.dollars(profit),
        "returnOnEquity": text.decimal(profit * account.leverage[asset] / cost),
        "liquidationPx": text.decimal(liquidation) if liquidation > 0.0 else None,
        "marginUsed": text.dollars(used),
        "maxLeverage": markets.listings[asset].max_leverage,
        "cumFunding": {
            "allTime": text.micro(account.funding_paid[asset]),
            "sinceOpen": text.micro(account.funding_since_open[asset]),
            "sinceChange": text.micro(account.funding_since_change[asset]),
        },
    }


def _summary(equity: float, value: Floats, used: float) -> Shape:
    return {
        "accountValue": text.dollars(equity),
        "totalNtlPos": text.dollars(float(np.abs(value).sum())),
        "totalRawUsd": text.dollars(equity - float(value.sum())),
        "totalMarginUsed": text.dollars(used),
    }
