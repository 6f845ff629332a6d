"""Live feeds without a network: the served exchange in process, or a recording that is played."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest

from portfolio_mm.venues.hyperliquid.frames import Frame, frame
from portfolio_mm.venues.hyperliquid.transport import Answer
from portfolio_mm.venues.settings import Server
from sim.faults import virtual
from sim.faults.network import Line, Network
from sim.recorded.tape import BOOK, PRINT, Books, Tape
from sim.server.gateway import Gateway

NAMES = ("BTC", "xyz:NVDA")
START = datetime(2026, 1, 5, 14, 59, tzinfo=UTC)

Job = Callable[[Callable[[], Any]], Coroutine[Any, Any, Any]]


def gateway(names: tuple[str, ...] = NAMES, seed: int = 1) -> Gateway:
    """Serve a few markets, from a minute before the hour."""
    return Gateway(Server(seed=seed, start=START, markets=names))


def at_gateway(served: Gateway, job: Job) -> Any:
    """Run a job in virtual time; it is given a maker of transports to the gateway."""
    network = Network(served, np.random.default_rng(5))

    async def main() -> Any:
        clock = asyncio.get_running_loop()
        return await job(lambda: Line(network, "10.0.0.1", lambda: clock.now_ns))  # type: ignore[attr-defined]

    return virtual.run(main(), served.now_ns, network)


class Player:
    """Plays a recording to whoever connects, frame by frame at the times of receipt.

    It is the surroundings of a virtual loop, a transport, and the transport's only socket.
    """

    def __init__(self, tape: Tape, names: tuple[str, ...]) -> None:
        frames = [_frame(tape, index) for index in range(len(tape.exch_ns))]
        self._frames = deque(sorted(frames, key=lambda frame: frame[0]))
        self._questions = gateway(names)
        self._price = {
            name: _text(books.bid_price[np.isfinite(books.bid_price)][0])
            for name, books in zip(tape.names, tape.books, strict=True)
        }
        self._inbox: deque[str] = deque()
        self._arrived = asyncio.Event()

    def run(self, job: Job) -> Any:
        async def main() -> Any:
            return await job(lambda: self)

        return virtual.run(main(), self._frames[0][0] - 1, self)

    @property
    def next_ns(self) -> int | None:
        return self._frames[0][0] if self._frames else None

    def advance(self, until_ns: int) -> None:
        while self._frames and self._frames[0][0] <= until_ns:
            self._say(self._frames.popleft()[1])

    def now_ns(self) -> int:
        return asyncio.get_running_loop().now_ns  # type: ignore[attr-defined]

    async def post(self, path: str, body: bytes, timeout_s: float) -> Answer:
        answers: list[Answer] = []
        self._questions.post(path, body, "10.0.0.1", lambda *a: answers.append(Answer(*a)))
        return answers[0]

    async def connect(self) -> Player:
        return self

    async def send(self, text: str) -> None:
        request = msgspec.json.decode(text)
        if request["method"] == "subscribe":
            self._say(_encoded("subscriptionResponse", request))
            coin = request["subscription"]["coin"]
            if request["subscription"]["type"] == "activeAssetCtx" and coin in self._price:
                self._say(_context(coin, self._price[coin]))

    async def receive(self) -> str:
        while not self._inbox:
            self._arrived.clear()
            await self._arrived.wait()
        return self._inbox.popleft()

    async def close(self) -> None:
        self._arrived.clear()

    def _say(self, text: str) -> None:
        self._inbox.append(text)
        self._arrived.set()


def _frame(tape: Tape, index: int) -> tuple[int, str]:
    asset, row, kind = (int(column[index]) for column in (tape.asset, tape.row, tape.kind))
    recv_ns, channel, data = (
        _print(tape, row)
        if kind == PRINT
        else _book(tape.books[asset], row, tape.names[asset], whole=kind == BOOK)
    )
    return recv_ns, _encoded(channel, data)


Ladder = Sequence[tuple[float, float]]


def book(time_ms: int, bids: Ladder, asks: Ladder, coin: str = "BTC") -> Frame:
    """A frame with a whole book of prices and sizes."""
    return _taken(
        "l2Book", {"coin": coin, "time": time_ms, "levels": [_levels(bids), _levels(asks)]}
    )


def touch(time_ms: int, bid: Ladder, ask: Ladder, coin: str = "BTC") -> Frame:
    """A frame with best prices, each of one level or none."""
    sides = [(_levels(side) or [None])[0] for side in (bid, ask)]
    return _taken("bbo", {"coin": coin, "time": time_ms, "bbo": sides})


def trades(*rows: tuple[int, int, str, float, float], coin: str = "BTC") -> Frame:
    """A frame with prints: time in ms, number, side, price, size."""
    return _taken(
        "trades",
        [
            {"coin": coin, "time": time, "tid": tid, "side": side, "px": _text(px), "sz": _text(sz)}
            for time, tid, side, px, sz in rows
        ],
    )


def _taken(channel: str, data: Any) -> Frame:
    return frame(_encoded(channel, data))


def _levels(ladder: Ladder) -> list[dict[str, str]]:
    return [{"px": _text(price), "sz": _text(size)} for price, size in ladder]


def _encoded(channel: str, data: Any) -> str:
    return msgspec.json.encode({"channel": channel, "data": data}).decode()


def _context(coin: str, price: str) -> str:
    zeros = dict.fromkeys(("funding", "openInterest", "prevDayPx", "dayNtlVlm"), "0")
    prices = dict.fromkeys(("oraclePx", "markPx"), price)
    return _encoded("activeAssetCtx", {"coin": coin, "ctx": zeros | prices})


def _print(tape: Tape, row: int) -> tuple[int, str, Any]:
    prints = tape.prints
    data = {
        "coin": tape.names[int(prints.asset[row])],
        "side": "B" if prints.side[row] > 0 else "A",
        "px": _text(prints.price[row]),
        "sz": _text(prints.size[row]),
        "time": int(prints.exch_ns[row]) // 1_000_000,
        "tid": row + 1,
    }
    return int(prints.recv_ns[row]), "trades", [data]


def _book(books: Books, row: int, coin: str, *, whole: bool) -> tuple[int, str, Any]:
    columns = (books.bid_price, books.bid_size), (books.ask_price, books.ask_size)
    sides = [
        _levels([level for level in zip(prices[row], sizes[row], strict=True) if level[0] > 0.0])
        for prices, sizes in columns
    ]
    data: dict[str, Any] = {"coin": coin, "time": int(books.exch_ns[row]) // 1_000_000}
    data |= {"levels": sides} if whole else {"bbo": [side[0] if side else None for side in sides]}
    return int(books.recv_ns[row]), "l2Book" if whole else "bbo", data


def _text(value: float) -> str:
    return f"{value:.8f}".rstrip("0").rstrip(".")


@pytest.fixture(scope="session")
def live() -> SimpleNamespace:
    """Makers of live feeds."""
    return SimpleNamespace(
        NAMES=NAMES,
        gateway=gateway,
        at_gateway=at_gateway,
        Player=Player,
        book=book,
        touch=touch,
        trades=trades,
    )
