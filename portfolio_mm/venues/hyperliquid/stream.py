"""Websockets that stay up: subscribe, listen, ping, notice silence, reconnect, subscribe again.

The venue numbers nothing and replays nothing, and its sockets drop without a word. A link therefore
takes silence for death, reconnects after a random and growing delay, and tells its owner each time
all its subscriptions are confirmed: what was missed in between has to be read some other way. A
channel that ought to speak regularly and does not is subscribed again, alone, ever less often.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

import msgspec
import numpy as np

from portfolio_mm.types import NS
from portfolio_mm.venues.hyperliquid.figures import ParseError
from portfolio_mm.venues.hyperliquid.frames import (
    BookFrame,
    ClearinghouseFrame,
    ContextFrame,
    ErrorFrame,
    Frame,
    SubscribedFrame,
    frame,
)
from portfolio_mm.venues.hyperliquid.limits import (
    CONNECTIONS,
    SUBSCRIPTIONS,
    Limiter,
    Window,
    full_jitter,
)
from portfolio_mm.venues.hyperliquid.transport import Closed, NotSent, Socket, Transport

PER_SOCKET = 200
"""Subscriptions on one socket."""

CHECK_S, PING_S, SILENT_S = 1.0, 5.0, 12.0
"""How often a link looks at itself, pings, and the silence after which it is taken for dead."""

SEND_S = 5.0
"""A frame that cannot be handed over for so long means a dead socket."""

_ON_ITS_WAY_NS = round(SEND_S * NS)

BACKOFF_S, LONGEST_BACKOFF_S, STEADY_S = 0.25, 30.0, 30.0
"""Delay before reconnecting, at first and at most; a link that lived this long starts anew."""

BOOK_SILENT_S, CONTEXT_SILENT_S = 10.0, 15.0
"""A book comes twice a second, a context every second: later than this they are lost."""

Key = tuple[str, str]
"""Type and coin (or deployer) of a subscription."""


class Subscription(msgspec.Struct, frozen=True):
    """One channel; `silent_s` is how long it may say nothing, 0 for ever."""

    body: dict[str, str | bool]
    silent_s: float = 0.0

    @property
    def key(self) -> Key:
        """What its frames and its confirmation are recognised by."""
        return key_of(self.body)


def key_of(body: dict[str, object] | dict[str, str | bool]) -> Key:
    """Return the key of a subscription's body."""
    return str(body.get("type")), str(body.get("coin", body.get("dex", "")))


def market(coins: Iterable[str]) -> list[Subscription]:
    """Return what is subscribed of each market: best prices, book, trades, context.

    An unknown coin would close the socket: the names must come from the venue's own lists.
    """
    return [
        subscription
        for coin in coins
        for subscription in (
            Subscription({"type": "bbo", "coin": coin}),
            Subscription({"type": "l2Book", "coin": coin, "fast": True}, BOOK_SILENT_S),
            Subscription({"type": "trades", "coin": coin}),
            Subscription({"type": "activeAssetCtx", "coin": coin}, CONTEXT_SILENT_S),
        )
    ]


def account(user: str, dexs: Iterable[str]) -> list[Subscription]:
    """Return what is subscribed of an account: orders, fills, funding, balances."""
    names = ("orderUpdates", "userFills", "userFundings", "userEvents", "spotState")
    states = [{"type": "clearinghouseState", "user": user, "dex": dex} for dex in dexs]
    return [
        *(Subscription({"type": name, "user": user}) for name in names),
        *(Subscription(dict(state)) for state in states),
    ]


def split(subscriptions: Sequence[Subscription]) -> list[list[Subscription]]:
    """Spread market subscriptions over sockets within the venue's limits.

    Raises
    ------
    ValueError
        When there are too many for one address.
    """
    sockets = -(-len(subscriptions) // PER_SOCKET)
    if len(subscriptions) > SUBSCRIPTIONS or sockets >= CONNECTIONS:
        raise ValueError(f"{len(subscriptions)} subscriptions are more than the venue allows")
    return [list(subscriptions[i::sockets]) for i in range(sockets)]


class Link:
    """One supervised socket. Every frame goes to `take` with the local time of its arrival.

    `up` is called whenever all subscriptions are confirmed, at first and after every reconnection;
    `down` whenever a socket is lost, or could not be had.
    """

    def __init__(
        self,
        transport: Transport,
        limiter: Limiter,
        rng: np.random.Generator,
        subscriptions: Sequence[Subscription],
        take: Callable[[Frame, int], None],
        *,
        up: Callable[[], None],
        down: Callable[[], None],
    ) -> None:
        self._transport = transport
        self._limiter = limiter
        self._rng = rng
        self._subscriptions = {s.key: s for s in subscriptions}
        self._take = take
        self._up = up
        self._down = down
        self._awaited: set[Key] = set(self._subscriptions)
        self._heard: dict[Key, int] = {}
        self._patience: dict[Key, float] = {}
        self._last_ns = 0
        self.connections = 0
        self.resubscriptions = 0
        self.unreadable = 0
        self.complaint = ""

    @property
    def ready(self) -> bool:
        """Whether everything is subscribed and confirmed."""
        return not self._awaited

    async def run(self) -> None:
        """Keep the socket up until cancelled."""
        attempt = 0
        while True:
            started = self._transport.now_ns()
            try:
                await self._session()
            except* (Closed, NotSent):
                pass
            finally:
                self._awaited = set(self._subscriptions)
                self._down()
            lived_s = (self._transport.now_ns() - started) / NS
            attempt = 0 if lived_s >= STEADY_S else attempt + 1
            await asyncio.sleep(full_jitter(self._rng, attempt, BACKOFF_S, LONGEST_BACKOFF_S))

    async def _session(self) -> None:
        """Live through one connection; ends in `Closed` or `NotSent`."""
        await self._allowed(self._limiter.connections)
        socket = await self._transport.connect()
        self.connections += 1
        self._last_ns = self._transport.now_ns()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._listen(socket))
                group.create_task(self._keep(socket))
        finally:
            await socket.close()

    async def _listen(self, socket: Socket) -> None:
        while True:
            raw = await socket.receive()
            now_ns = self._last_ns = self._transport.now_ns()
            try:
                message = frame(raw)
            except ParseError:
                self.unreadable += 1
                continue
            self._note(message, now_ns)
            self._take(message, now_ns)

    def _note(self, message: Frame, now_ns: int) -> None:
        match message:
            case SubscribedFrame(data=data) if data.method == "subscribe":
                key = key_of(data.subscription)
                self._heard[key] = now_ns
                if self._awaited:
                    self._awaited.discard(key)
                    if not self._awaited:
                        self._up()
            case BookFrame(data=data):
                self._speaks(("l2Book", data.coin), now_ns)
            case ContextFrame(data=data):
                self._speaks(("activeAssetCtx", data.coin), now_ns)
            case ClearinghouseFrame(data=data):
                self._speaks(("clearinghouseState", data.dex), now_ns)
            case ErrorFrame(data=text):
                self.complaint = text
            case _:
                pass

    def _speaks(self, key: Key, now_ns: int) -> None:
        self._heard[key] = now_ns
        self._patience.pop(key, None)

    async def _keep(self, socket: Socket) -> None:
        for subscription in self._subscriptions.values():
            await self._say(socket, "subscribe", subscription)
        pinged = self._transport.now_ns()
        for key in self._subscriptions:
            self._heard[key] = pinged
        while True:
            await asyncio.sleep(CHECK_S)
            now_ns = self._transport.now_ns()
            if now_ns - self._last_ns > SILENT_S * NS:
                raise Closed("silent")
            if now_ns - pinged >= PING_S * NS:
                pinged = now_ns
                await self._send(socket, '{"method":"ping"}')
            for key in self._silent(now_ns):
                self._heard[key] = now_ns
                self._patience[key] = 2.0 * self._patience.get(key, 1.0)
                self.resubscriptions += 1
                await self._say(socket, "unsubscribe", self._subscriptions[key])
                await self._say(socket, "subscribe", self._subscriptions[key])

    def _silent(self, now_ns: int) -> list[Key]:
        """Return the channels that should have spoken, or been confirmed, by now."""
        late = []
        for key, subscription in self._subscriptions.items():
            allowed_s = subscription.silent_s or BOOK_SILENT_S * (key in self._awaited)
            patience = self._patience.get(key, 1.0)
            if allowed_s and now_ns - self._heard[key] > allowed_s * patience * NS:
                late.append(key)
        return late

    async def _say(self, socket: Socket, method: str, subscription: Subscription) -> None:
        text = msgspec.json.encode({"method": method, "subscription": subscription.body}).decode()
        await self._send(socket, text)

    async def _send(self, socket: Socket, text: str) -> None:
        await self._allowed(self._limiter.messages)
        try:
            async with asyncio.timeout(SEND_S):
                await socket.send(text)
        except TimeoutError:
            raise Closed("cannot be written to") from None

    async def _allowed(self, window: Window) -> None:
        """Wait until one more fits into a window, and take it."""
        while (wait_ns := window.wait_ns(1.0, self._transport.now_ns())) > 0:
            await asyncio.sleep(wait_ns / NS)
        window.take(1.0)
        window.settle(1.0, self._transport.now_ns() + _ON_ITS_WAY_NS)
