"""Cards through the venue's own Python client, over real sockets.

Frames are read without that client: its manager drops acknowledgements and errors.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from eth_account import Account
from eth_account.signers.local import LocalAccount
from hyperliquid.api import API
from hyperliquid.exchange import Exchange
from hyperliquid.info import Info
from hyperliquid.utils.types import Cloid

from sim.conformance.card import Broken
from sim.conformance.desk import (
    Answer,
    Deal,
    Desk,
    Held,
    Order,
    Paid,
    Refused,
    Requests,
    Terms,
    Wish,
)
from sim.conformance.stream import Stream

TIMEOUT_S = 20.0
PATIENCE_MS = 150_000
POLL_S = 0.02
NOBODY = "0x" + "0" * 40


class SdkBench:
    """A venue at an address."""

    def __init__(self, url: str, markets: Sequence[str], keys: Callable[[], str]) -> None:
        self.url = url
        self._keys = keys
        self.dexs = sorted({"", *(_dex(name) for name in markets)})
        api: Any = API(url, TIMEOUT_S)
        self.spot_meta = api.post("/info", {"type": "spotMeta"})
        self._meta = api.post("/info", {"type": "meta"})
        self.info: Any = Info(
            url,
            skip_ws=True,
            meta=self._meta,
            spot_meta=self.spot_meta,
            perp_dexs=self.dexs,
            timeout=TIMEOUT_S,
        )
        self._opened: list[Any] = [api, self.info]
        self._streams: list[Stream] = []

    def desk(self) -> Desk:
        """Return a new account."""
        return self.sdk_desk(Account.from_key(self._keys()))

    def sdk_desk(self, wallet: LocalAccount, **whose: str) -> SdkDesk:
        """Return the desk of a key, for itself or for whom it may act."""
        exchange: Any = Exchange(
            wallet,
            self.url,
            meta=self._meta,
            spot_meta=self.spot_meta,
            timeout=TIMEOUT_S,
            **whose,
        )
        exchange.info.session.close()
        exchange.info = self.info  # knows every dex; one of its own would ask for them all again
        self._opened.append(exchange)
        return SdkDesk(self, exchange)

    def new_key(self) -> str:
        """Return a key that nobody used here."""
        return self._keys()

    def stream(self) -> Stream:
        """Open a websocket."""
        stream = Stream(self.url)
        self._streams.append(stream)
        return stream

    def decimals(self, coin: str) -> int:
        """Return szDecimals."""
        return int(self.info.asset_to_sz_decimals[self.info.name_to_asset(coin)])

    def mark(self, coin: str) -> float:
        """Return the mark price."""
        question = {"type": "activeAssetData", "user": NOBODY, "coin": coin}
        return float(self.info.post("/info", question)["markPx"])

    def oracle(self, coin: str) -> float:
        """Return the oracle price."""
        meta, contexts = self.info.post("/info", {"type": "metaAndAssetCtxs", "dex": _dex(coin)})
        names = [market["name"] for market in meta["universe"]]
        return float(contexts[names.index(coin)]["oraclePx"])

    def levels(self, coin: str) -> list[list[tuple[float, float]]]:
        """Return the book."""
        levels = self.info.l2_snapshot(coin)["levels"]
        return [[(float(x["px"]), float(x["sz"])) for x in side] for side in levels]

    def now_ms(self) -> int:
        """Return the venue's time."""
        return int(self.info.user_state(NOBODY)["time"])

    def wait(self, done: Callable[[], bool], what: str) -> None:
        """Ask until something has happened."""
        if done():
            return
        deadline, pause = self.now_ms() + PATIENCE_MS, threading.Event()
        while not done():
            if self.now_ms() > deadline:
                raise Broken(f"{what}: not within {PATIENCE_MS // 1000} seconds")
            pause.wait(POLL_S)

    def close(self) -> None:
        """Close every connection."""
        for stream in self._streams:
            stream.close()
        for client in self._opened:
            client.session.close()


class SdkDesk:
    """One account at the venue."""

    def __init__(self, bench: SdkBench, exchange: Any) -> None:
        self.bench = bench
        self.exchange = exchange

    @property
    def address(self) -> str:
        """Whose orders these are."""
        own = self.exchange.wallet.address
        return str(self.exchange.vault_address or self.exchange.account_address or own).lower()

    def place(self, *wishes: Wish) -> list[Answer]:
        """Place orders."""
        requests = [_request(wish) for wish in wishes]
        return [_answer(x) for x in statuses(self.exchange.bulk_orders(requests))]

    def modify(self, key: int | str, wish: Wish) -> Answer:
        """Replace an order."""
        change = {"oid": _key(key), "order": {"cloid": None} | _request(wish)}
        (status,) = statuses(self.exchange.bulk_modify_orders_new([change]))
        return _answer(status)

    def cancel(self, coin: str, *keys: int | str) -> list[str]:
        """Cancel orders, all by the same kind of id."""
        if isinstance(keys[0], str):
            requests = [{"coin": coin, "cloid": _key(key)} for key in keys]
            reply = self.exchange.bulk_cancel_by_cloid(requests)
        else:
            reply = self.exchange.bulk_cancel([{"coin": coin, "oid": key} for key in keys])
        return ["" if x == "success" else str(x["error"]) for x in statuses(reply)]

    def order(self, key: int | str) -> Order | None:
        """Return an order."""
        info = self.bench.info
        if isinstance(key, str):
            answer = info.query_order_by_cloid(self.address, _key(key))
        else:
            answer = info.query_order_by_oid(self.address, key)
        if answer["status"] == "unknownOid":
            return None
        known, order = answer["order"], answer["order"]["order"]
        return Order(
            oid=order["oid"],
            cloid=order["cloid"] or "",
            status=known["status"],
            status_ms=known["statusTimestamp"],
            price=float(order["limitPx"]),
            size=float(order["sz"]),
            original=float(order["origSz"]),
        )

    def open_orders(self, dex: str) -> list[int]:
        """Return open orders."""
        return [int(x["oid"]) for x in self.bench.info.open_orders(self.address, dex)]

    def deals(self) -> list[Deal]:
        """Return trades."""
        fills = self.bench.info.user_fills(self.address)
        return [_deal(fill) for fill in reversed(fills)]

    def held(self, coin: str) -> Held:
        """Return a position."""
        state = self.bench.info.user_state(self.address, _dex(coin))
        for item in state["assetPositions"]:
            position = item["position"]
            if position["coin"] == coin:
                names = ("szi", "entryPx", "marginUsed")
                return Held(*(float(position[name]) for name in names))
        return Held()

    def terms(self, coin: str) -> Terms:
        """Return leverage and margin mode."""
        question = {"type": "activeAssetData", "user": self.address, "coin": coin}
        leverage = self.bench.info.post("/info", question)["leverage"]
        return Terms(int(leverage["value"]), leverage["type"] == "cross")

    def set_terms(self, coin: str, leverage: int, *, is_cross: bool) -> None:
        """Choose leverage and margin mode."""
        done(self.exchange.update_leverage(leverage, coin, is_cross))

    def add_margin(self, coin: str, usd: float) -> None:
        """Move dollars into an isolated position."""
        done(self.exchange.update_isolated_margin(usd, coin))

    def balance(self, place: str) -> float:
        """Return the equity of a place."""
        info = self.bench.info
        if place == "spot":
            balances = info.spot_user_state(self.address)["balances"]
            return sum(float(x["total"]) for x in balances if x["coin"] == "USDC")
        return float(info.user_state(self.address, place)["marginSummary"]["accountValue"])

    def send(self, source: str, destination: str, usd: float) -> None:
        """Move dollars between places."""
        done(self.exchange.send_asset(self.address, source, destination, self.token, usd))

    @property
    def token(self) -> str:
        """The dollar as transfers name it."""
        usdc = next(x for x in self.bench.spot_meta["tokens"] if x["name"] == "USDC")
        return f"{usdc['name']}:{usdc['tokenId']}"

    def class_transfer(self, usd: float) -> None:
        """Move dollars from spot."""
        done(self.exchange.usd_class_transfer(usd, True))

    def schedule_cancel(self, time_ms: int | None) -> None:
        """Have every order cancelled."""
        done(self.exchange.schedule_cancel(time_ms))

    def requests(self) -> Requests:
        """Return the request budget."""
        limit = self.bench.info.user_rate_limit(self.address)
        return Requests(limit["nRequestsUsed"], limit["nRequestsCap"])

    def paid(self) -> list[Paid]:
        """Return funding payments."""
        rows = [x["delta"] for x in self.bench.info.user_funding_history(self.address, 0)]
        names = ("usdc", "szi", "fundingRate")
        return [Paid(*(float(row[name]) for name in names)) for row in rows]

    def watch(self) -> Callable[[], list[tuple[int, str]]]:
        """Return order updates from now on."""
        stream = self.bench.stream()
        stream.subscribe(type="orderUpdates", user=self.address)
        stream.next("subscriptionResponse")
        told: list[tuple[int, str]] = []

        def read() -> list[tuple[int, str]]:
            for frame in stream.arrived("orderUpdates"):
                told.extend((x["order"]["oid"], x["status"]) for x in frame["data"])
            return told

        return read


def done(reply: Any) -> Any:
    """Return the answer to a request.

    Raises
    ------
    Refused
        When the venue refused the request.
    """
    if reply["status"] != "ok":
        raise Refused(reply["response"])
    return reply["response"]


def statuses(reply: Any) -> list[Any]:
    """Return the answer to each order of a request."""
    return list(done(reply)["data"]["statuses"])


def _dex(coin: str) -> str:
    return coin.rpartition(":")[0]


def _key(key: int | str) -> Any:
    return Cloid.from_str(key) if isinstance(key, str) else key


def _request(wish: Wish) -> dict[str, Any]:
    kind: dict[str, Any] = {"limit": {"tif": wish.tif}}
    if wish.stop:
        kind = {"trigger": {"isMarket": True, "triggerPx": wish.stop, "tpsl": "sl"}}
    request = {
        "coin": wish.coin,
        "is_buy": wish.is_buy,
        "sz": wish.size,
        "limit_px": wish.price,
        "order_type": kind,
        "reduce_only": wish.reduce_only,
    }
    return request | ({"cloid": _key(wish.cloid)} if wish.cloid else {})


def _answer(status: Any) -> Answer:
    if "error" in status:
        return Answer(error=status["error"])
    if "filled" in status:
        filled = status["filled"]
        return Answer(filled["oid"], float(filled["totalSz"]), float(filled["avgPx"]))
    return Answer(status["resting"]["oid"])


def _deal(fill: Any) -> Deal:
    return Deal(
        coin=fill["coin"],
        is_buy=fill["side"] == "B",
        price=float(fill["px"]),
        size=float(fill["sz"]),
        start=float(fill["startPosition"]),
        direction=fill["dir"],
        closed_pnl=float(fill["closedPnl"]),
        crossed=fill["crossed"],
        fee=float(fill["fee"]),
        oid=fill["oid"],
        cloid=fill.get("cloid", ""),
        tid=fill["tid"],
        liquidation=fill.get("liquidation", {}).get("method", ""),
    )
