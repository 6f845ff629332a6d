"""The contents of what is pushed over a websocket, per subscription, at the current instant."""

from __future__ import annotations

import base64
import zlib
from typing import Any

import msgspec

from sim.server import book_shapes, static
from sim.server import queries as q
from sim.server import subscriptions as s
from sim.server.info import Info
from sim.server.state import NO_CONTEXT, State

encode = msgspec.json.encode


def frame(channel: str, data: object) -> str:
    """Return a message of a channel."""
    return encode({"channel": channel, "data": data}).decode()


def channel_of(subscription: s.AnySubscription) -> str:
    """Return the channel a subscription's data comes on."""
    if isinstance(subscription, s.ActiveAssetCtx) and subscription.coin in static.SPOT_PAIRS:
        return "activeSpotAssetCtx"
    return subscription.channel or str(subscription.__struct_config__.tag)


class Frames:
    """What a subscription shows when it starts, and again whenever it is due."""

    def __init__(self, state: State, info: Info) -> None:
        self._state = state
        self._info = info
        self._markets = state.markets
        self._fast: dict[str, dict[str, str]] = {}

    def data(self, subscription: s.AnySubscription) -> Any:
        """Return the current content of a subscription, None where it has none to show."""
        match subscription:
            case s.AllMids(dex):
                return self._mids(dex if isinstance(dex, str) else None)
            case s.L2Book():
                return self._book(subscription)
            case s.Bbo(coin):
                return self.best(coin)
            case s.Trades(coin):
                return self._info.markets.trades(q.AskTrades(coin))
            case s.ActiveAssetCtx(coin):
                return self._context(coin)
            case s.CandleFeed(coin, interval):
                return self.candle(coin, interval)
            case s.AllDexsAssetCtxs():
                dexs = self._markets.dexs
                return {"ctxs": [[dex, self._state.dex_contexts(dex)] for dex in dexs]}
            case s.FastAssetCtxs():
                return compressed(self._fast_contexts())
        return self._user_data(subscription)

    def fast_changes(self) -> str | None:
        """Return the prices that changed since the last call, compressed; None if none did."""
        prices = self._fast_contexts()
        changed = {coin: ctx for coin, ctx in prices.items() if self._fast.get(coin) != ctx}
        self._fast = prices
        return compressed(changed) if changed else None

    def best(self, coin: str) -> dict[str, Any]:
        """Return the best level of each side of a market."""
        asset = self._markets.index.get(coin)
        if asset is None:
            return {"coin": coin, "time": self._state.now_ms, "bbo": [None, None]}
        return book_shapes.best(
            self._state.exchange.books[asset],
            self._markets.universe.instruments[asset],
            self._state.now_ns,
        )

    def candle(self, coin: str, interval: str) -> dict[str, Any] | None:
        """Return the candle that is being made, None before the first trade."""
        asset = self._markets.index.get(coin)
        last = None if asset is None else self._state.histories[asset].last_candle(interval)
        if asset is None or last is None:
            return None
        return book_shapes.candle(last, self._markets.universe.instruments[asset], interval)

    def _user_data(self, subscription: s.AnySubscription) -> Any:
        users = self._info.users
        match subscription:
            case s.ActiveAssetData(user, coin):
                return users.asset_data(user, coin)
            case s.UserFills(user, aggregate):
                rows = users.fills(user, aggregate=aggregate is True)
                return {"isSnapshot": True, "user": user, "fills": rows}
            case s.UserFundings(user):
                return {"isSnapshot": True, "user": user, "fundings": users.fundings(user)}
            case s.UserNonFundingLedgerUpdates(user):
                rows = users.ledger(user)
                return {"isSnapshot": True, "user": user, "nonFundingLedgerUpdates": rows}
            case s.ClearinghouseState(user, dex):
                state = users.clearinghouse(user, dex)
                return {"dex": dex, "user": user, "clearinghouseState": state}
            case s.OpenOrders(user, dex):
                orders = users.frontend_orders(user, dex)
                return {"dex": dex, "user": user, "orders": orders}
            case s.TwapStates(user, dex):
                return {"dex": dex, "user": user, "states": []}
            case s.SpotState(user):
                return {"user": user, "spotState": users.spot(user)}
            case s.AllDexsClearinghouseState(user):
                states = [[dex, users.clearinghouse(user, dex)] for dex in self._markets.dexs]
                return {"user": user, "clearinghouseStates": states}
            case s.WebData2(user):
                return self._web_data(user)
            case s.WebData3(user):
                return {
                    "userState": self._user_state(user),
                    "perpDexStates": [
                        {"totalVaultEquity": "0.0", "perpsAtOpenInterestCap": capped}
                        for capped in map(self._state.capped, self._markets.dexs)
                    ],
                }
            case s.UserTwapSliceFills(user):
                return {"isSnapshot": True, "user": user, "twapSliceFills": []}
            case s.UserTwapHistory(user):
                return {"isSnapshot": True, "user": user, "history": []}
        return None

    def _mids(self, dex: str | None) -> dict[str, Any]:
        mids: dict[str, Any] = {"mids": self._state.mids(dex or "")}
        return mids if dex is None else mids | {"dex": dex}

    def _book(self, subscription: s.L2Book) -> Any:
        asset = self._markets.index.get(subscription.coin)
        if asset is None:
            return {"coin": subscription.coin, "time": self._state.now_ms, "levels": [[], []]}
        return book_shapes.book(
            self._state.exchange.books[asset],
            self._markets.universe.instruments[asset],
            self._state.now_ns,
            levels=book_shapes.FAST_LEVELS if subscription.fast else book_shapes.LEVELS,
            figures=subscription.nSigFigs,
            mantissa=subscription.mantissa,
        )

    def _context(self, coin: str) -> dict[str, Any]:
        asset = self._markets.index.get(coin)
        if asset is not None:
            return {"coin": coin, "ctx": self._state.contexts()[asset]}
        if coin in static.SPOT_PAIRS:
            return {"coin": coin, "ctx": static.spot_context(coin)}
        return {"coin": coin, "ctx": NO_CONTEXT}

    def _fast_contexts(self) -> dict[str, dict[str, str]]:
        contexts = zip(self._markets.coins, self._state.contexts(), strict=True)
        return {
            coin: {"markPx": ctx["markPx"]} | ({"midPx": ctx["midPx"]} if ctx["midPx"] else {})
            for coin, ctx in contexts
        }

    def _user_state(self, user: str) -> dict[str, Any]:
        _, account = self._state.shown(user)
        unified = account.mode == "unified"
        return {
            "cumLedger": "0.0",
            "serverTime": self._state.now_ms,
            "isVault": False,
            "user": user,
            "agentAddress": None,
            "agentValidUntil": None,
            "abstraction": "unifiedAccount" if unified else "default",
        }

    def _web_data(self, user: str) -> dict[str, Any]:
        users, state = self._info.users, self._state
        return {
            "clearinghouseState": users.clearinghouse(user, ""),
            "leadingVaults": [],
            "totalVaultEquity": "0.0",
            "openOrders": users.frontend_orders(user, ""),
            "agentAddress": None,
            "agentValidUntil": None,
            "cumLedger": "0.0",
            "meta": self._markets.metas[""],
            "assetCtxs": state.dex_contexts(""),
            "serverTime": state.now_ms,
            "isVault": False,
            "user": user,
            "twapStates": [],
            "spotState": users.spot(user),
            "spotAssetCtxs": [static.spot_context(pair) for pair in static.SPOT_PAIRS],
            "perpsAtOpenInterestCap": state.capped(""),
        }


def compressed(data: object) -> str:
    """Return JSON, deflated without a header, in base 64."""
    deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return base64.b64encode(deflate.compress(encode(data)) + deflate.flush()).decode()
