"""A venue in memory that answers as told, for the adapter's tests."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import numpy as np
import pytest

from portfolio_mm.config import Asset
from portfolio_mm.venues.hyperliquid.signer import Signer
from portfolio_mm.venues.hyperliquid.transport import Answer, Closed, NotSent
from portfolio_mm.venues.hyperliquid.venue import HyperliquidVenue
from portfolio_mm.venues.settings import Hyperliquid
from sim.faults import virtual

T = TypeVar("T")

START_NS = 1_790_000_000_000_000_000
KEY = "0x" + "0123456789abcdef" * 4
ASSETS = (
    Asset(name="BTC", leverage=10, size_usd=1000.0),
    Asset(name="xyz:NVDA", leverage=5, size_usd=500.0),
)
MARKETS = {"BTC": (5, 40, 60_000.0), "xyz:NVDA": (3, 20, 180.0)}
IDS = {0: "BTC", 110_000: "xyz:NVDA"}


def summary(value: float, used: float = 0.0) -> dict[str, str]:
    return {
        "accountValue": str(value),
        "totalNtlPos": "0.0",
        "totalRawUsd": str(value),
        "totalMarginUsed": str(used),
    }


class ScriptedSocket:
    """One websocket of the scripted venue."""

    def __init__(self, venue: Scripted) -> None:
        self._venue = venue
        self._inbox: asyncio.Queue[str | None] = asyncio.Queue()
        self.said: list[dict[str, Any]] = []
        self.open = True

    async def send(self, text: str) -> None:
        if not self.open:
            raise Closed("closed")
        message = json.loads(text)
        self.said.append(message)
        self._venue.heard(self, message)

    async def receive(self) -> str:
        frame = await self._inbox.get()
        if frame is None:
            raise Closed("closed")
        return frame

    async def close(self) -> None:
        self.drop()

    def push(self, channel: str, data: Any) -> None:
        self._inbox.put_nowait(json.dumps({"channel": channel, "data": data}))

    def drop(self) -> None:
        if self.open:
            self.open = False
            self._inbox.put_nowait(None)


class Scripted:
    """A transport whose venue is a table of answers.

    `answers` maps a type of question to an answer or a function of the question. `actions` takes a
    decoded action and returns the reply. Either may return an `Answer`, or raise. A signed request
    is answered after `delay_s`.
    """

    def __init__(self, *, mode: str = "default") -> None:
        self.mode = mode
        self.delay_s = 0.3
        self.asked: list[dict[str, Any]] = []
        self.posted: list[dict[str, Any]] = []
        self.sockets: list[ScriptedSocket] = []
        self.refuse_sockets = 0
        self.silent: set[str] = set()
        self.mute = False
        self.orders: dict[str, dict[str, Any]] = {}
        self.oids = 1000
        self.words: Counter[str] = Counter()
        self.value = 10_000.0
        self.positions: dict[str, list[Any]] = {}
        self.fills: list[dict[str, Any]] = []
        self.answers: dict[str, Any] = {
            "userAbstraction": lambda q: self.mode,
            "perpDexs": [None, {"name": "xyz", "assetToFundingMultiplier": [["xyz:NVDA", "0.5"]]}],
            "allPerpMetas": [self.meta("BTC"), self.meta("xyz:NVDA")],
            "spotMeta": {"tokens": [{"name": "USDC", "index": 0}], "universe": []},
            "userFees": {"userCrossRate": "0.00045", "userAddRate": "0.00015"},
            "userRateLimit": {"cumVlm": "0.0", "nRequestsUsed": 0, "nRequestsCap": 10_000},
            "activeAssetData": lambda q: {
                "leverage": {"type": "cross", "value": 10 if q["coin"] == "BTC" else 5}
            },
            "clearinghouseState": lambda q: self.state(q["dex"]),
            "spotClearinghouseState": lambda q: self.spot(),
            "frontendOpenOrders": lambda q: [
                row for row in self.orders.values() if (":" in row["coin"]) == bool(q["dex"])
            ],
            "userFillsByTime": lambda q: [f for f in self.fills if f["time"] >= q["startTime"]],
            "orderStatus": self.order_status,
        }
        self.actions: Callable[[dict[str, Any]], Any] = self.execute

    # What the transport promises

    def now_ns(self) -> int:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, virtual.VirtualLoop)
        return loop.now_ns

    async def post(self, path: str, body: bytes, timeout_s: float) -> Answer:
        message = json.loads(body)
        if path == "/info":
            await asyncio.sleep(0.05)
            self.asked.append(message)
            answer = self.answers[message["type"]]
            said = answer(message) if callable(answer) else answer
        else:
            self.posted.append(message)
            said = self.actions(message["action"])
            await asyncio.sleep(self.delay_s)
        if isinstance(said, Exception):
            raise said
        return said if isinstance(said, Answer) else Answer(200, json.dumps(said).encode())

    async def connect(self) -> ScriptedSocket:
        if self.refuse_sockets:
            self.refuse_sockets -= 1
            raise NotSent("refused")
        socket = ScriptedSocket(self)
        self.sockets.append(socket)
        return socket

    async def close(self) -> None:
        for socket in self.sockets:
            socket.drop()

    # What the venue knows

    @property
    def ms(self) -> int:
        return self.now_ns() // 1_000_000

    def meta(self, coin: str) -> dict[str, Any]:
        decimals, leverage, _ = MARKETS[coin]
        asset = {
            "name": coin,
            "szDecimals": decimals,
            "maxLeverage": leverage,
            "marginTableId": leverage,
        }
        if ":" in coin:
            asset |= {"deployerFeeScale": "1.0", "growthMode": "enabled"}
        return {"universe": [asset], "marginTables": [], "collateralToken": 0}

    def state(self, dex: str) -> dict[str, Any]:
        coin = "xyz:NVDA" if dex else "BTC"
        rows = []
        used = 0.0
        if coin in self.positions:
            size, entry = self.positions[coin]
            mark = MARKETS[coin][2]
            leverage = 5 if dex else 10
            used = abs(size) * mark / leverage
            rows.append(
                {
                    "type": "oneWay",
                    "position": {
                        "coin": coin,
                        "szi": str(size),
                        "leverage": {"type": "cross", "value": leverage},
                        "entryPx": str(entry),
                        "positionValue": str(abs(size) * mark),
                        "unrealizedPnl": str(size * (mark - entry)),
                        "returnOnEquity": "0.0",
                        "liquidationPx": None,
                        "marginUsed": str(used),
                        "maxLeverage": MARKETS[coin][1],
                        "cumFunding": {"allTime": "0", "sinceOpen": "0", "sinceChange": "0"},
                    },
                }
            )
        return {
            "marginSummary": summary(self.value, used),
            "crossMarginSummary": summary(self.value, used),
            "crossMaintenanceMarginUsed": "0.0",
            "withdrawable": str(self.value - used),
            "assetPositions": rows,
            "time": self.ms,
        }

    def spot(self) -> dict[str, Any]:
        row = {"coin": "USDC", "token": 0, "total": str(self.value), "hold": "0.0"}
        return {"balances": [row | {"entryNtl": "0.0"}]}

    def order_status(self, question: dict[str, Any]) -> dict[str, Any]:
        row = self.orders.get(question["oid"])
        if row is None:
            return {"status": "unknownOid"}
        report = {"order": row, "status": "open", "statusTimestamp": self.ms}
        return {"status": "order", "order": report}

    def execute(self, action: dict[str, Any]) -> Any:
        match action["type"]:
            case "order":
                statuses: list[Any] = [self.rest(wire) for wire in action["orders"]]
            case "batchModify":
                statuses = [self.modify(row) for row in action["modifies"]]
            case "cancelByCloid":
                statuses = [self.cancel(row["cloid"]) for row in action["cancels"]]
            case "cancel":
                by_oid = {row["oid"]: name for name, row in self.orders.items()}
                statuses = [self.cancel(by_oid.get(row["o"], "")) for row in action["cancels"]]
            case _:
                return {"status": "ok", "response": {"type": "default"}}
        response = {"type": "order", "data": {"statuses": statuses}}
        return {"status": "ok", "response": response}

    def rest(self, wire: dict[str, Any]) -> dict[str, Any]:
        self.oids += 1
        self.orders[wire.get("c") or str(self.oids)] = {
            "coin": IDS[wire["a"]],
            "side": "B" if wire["b"] else "A",
            "limitPx": wire["p"],
            "sz": wire["s"],
            "oid": self.oids,
            "timestamp": self.ms,
            "origSz": wire["s"],
            "cloid": wire.get("c"),
        }
        return {"resting": {"oid": self.oids}}

    def modify(self, row: dict[str, Any]) -> dict[str, Any]:
        if self.orders.pop(row["oid"], None) is None:
            return {"error": "Cannot modify canceled or filled order"}
        return self.rest(row["order"])

    def cancel(self, name: str) -> Any:
        if self.orders.pop(name, None) is None:
            return {"error": "Order was never placed, already canceled, or filled."}
        return "success"

    # What it sends

    def heard(self, socket: ScriptedSocket, message: dict[str, Any]) -> None:
        if self.mute:
            return
        if message["method"] == "ping":
            socket.push("pong", None)
            return
        self.words[message["method"]] += 1
        subscription = message["subscription"]
        socket.push("subscriptionResponse", message)
        if message["method"] == "subscribe":
            coin, kind = subscription.get("coin", ""), subscription["type"]
            if kind in self.silent:
                return
            if kind == "l2Book":
                self.book(coin, MARKETS[coin][2])
            elif kind == "activeAssetCtx":
                self.context(coin, MARKETS[coin][2])
            elif kind == "userFills":
                self.push("userFills", {"isSnapshot": True, "user": "0x", "fills": self.fills})

    def push(self, channel: str, data: Any) -> None:
        for socket in self.sockets:
            if socket.open:
                socket.push(channel, data)

    def book(self, coin: str, mid: float, time: int | None = None) -> None:
        def side(sign: int) -> list[dict[str, Any]]:
            step = 1.0 if coin == "BTC" else 0.01
            prices = (round(mid + sign * step * (k + 1), 2) for k in range(5))
            return [{"px": str(px), "sz": "1.0", "n": 1} for px in prices]

        when = self.ms if time is None else time
        self.push("l2Book", {"coin": coin, "time": when, "levels": [side(-1), side(1)]})

    def best(self, coin: str, bid: float, ask: float) -> None:
        levels = [{"px": str(px), "sz": "2.0", "n": 1} for px in (bid, ask)]
        self.push("bbo", {"coin": coin, "time": self.ms, "bbo": levels})

    def context(self, coin: str, mark: float) -> None:
        ctx = {
            "funding": "0.0000125",
            "openInterest": "1.0",
            "prevDayPx": "1.0",
            "dayNtlVlm": "1.0",
            "oraclePx": str(mark),
            "markPx": str(mark),
        }
        self.push("activeAssetCtx", {"coin": coin, "ctx": ctx})

    def fill(
        self, coin: str, side: str, px: float, sz: str, start: str, *, tid: int, **more: Any
    ) -> dict[str, Any]:
        row = {
            "coin": coin,
            "px": str(px),
            "sz": sz,
            "side": side,
            "time": self.ms,
            "startPosition": start,
            "dir": "",
            "closedPnl": "0.0",
            "hash": "0x",
            "oid": 1,
            "crossed": False,
            "fee": "-0.01",
            "tid": tid,
            "feeToken": "USDC",
        } | more
        self.fills.append(row)
        return row

    def report(self, cloid: str, status: str) -> None:
        row = self.orders.get(cloid) or {
            "coin": "BTC",
            "side": "B",
            "limitPx": "1.0",
            "sz": "0.0",
            "oid": 1,
            "timestamp": self.ms,
            "cloid": cloid,
        }
        self.push("orderUpdates", [{"order": row, "status": status, "statusTimestamp": self.ms}])


Body = Callable[[HyperliquidVenue], Coroutine[Any, Any, T]]


class Bench:
    """Opens the adapter on a scripted venue in virtual time."""

    def __init__(self) -> None:
        self.scripted = Scripted()
        self.signer = Signer(KEY, mainnet=False)
        self.settings = Hyperliquid(network="local", url="http://127.0.0.1:1", key_env="NONE")
        self.assets = ASSETS

    def run(self, body: Body[T]) -> T:
        """Open, do, close; return what was returned."""

        async def main() -> T:
            venue = await HyperliquidVenue.open(
                self.settings, self.assets, self.scripted, self.signer, np.random.default_rng(1)
            )
            try:
                return await body(venue)
            finally:
                await venue.close()

        return virtual.run(main(), START_NS, horizon_ns=START_NS + 3600 * 10**9)


@pytest.fixture
def bench() -> Bench:
    return Bench()
