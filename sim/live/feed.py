"""The venue's public market data: what is listed, and frames as they arrive, without a key.

The venue repeats nothing that was missed while a socket was lost, so that is told as well.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from portfolio_mm import config
from portfolio_mm.types import Universe
from portfolio_mm.venues.base import VenueError
from portfolio_mm.venues.hyperliquid import parse
from portfolio_mm.venues.hyperliquid.figures import ParseError
from portfolio_mm.venues.hyperliquid.frames import Frame
from portfolio_mm.venues.hyperliquid.limits import Limiter
from portfolio_mm.venues.hyperliquid.markets import MarketError, list_universe
from portfolio_mm.venues.hyperliquid.questions import Questions
from portfolio_mm.venues.hyperliquid.stream import Link, Subscription, market, split
from portfolio_mm.venues.hyperliquid.transport import Transport
from portfolio_mm.venues.hyperliquid.wire_account import Mode

Take = Callable[[Frame, int], Any]
"""Takes a frame and the local time of its arrival, ns UTC."""

Miss = Callable[[tuple[str, ...], int, int], Any]
"""Takes the coins of which nothing arrived, and from when to when; ns UTC."""


NOBODY = "0x" + 40 * "0"
"""An address that never trades: its fees are those of the first tier."""


async def public_universe(questions: Questions, assets: Sequence[config.Asset]) -> Universe:
    """Ask for the instruments of a run, at the fees of an account without volume.

    Raises
    ------
    VenueError
        When the venue could not be read, or what it says makes no sense.
    MarketError
        When assets cannot be traded as they were asked for.
    """
    dexs = await questions.ask(parse.PERP_DEXS, {"type": "perpDexs"})
    metas = await questions.ask(parse.ALL_PERP_METAS, {"type": "allPerpMetas"})
    tokens = await questions.ask(parse.SPOT_META, {"type": "spotMeta"})
    fees = await questions.ask(parse.USER_FEES, {"type": "userFees", "user": NOBODY})
    try:
        return list_universe(
            assets, dexs=dexs, metas=metas, tokens=tokens, fees=fees, mode=Mode.DEFAULT
        )
    except ParseError as error:
        raise VenueError(str(error)) from None


async def refuse_unlisted(questions: Questions, coins: Sequence[str]) -> None:
    """Ask which perpetuals there are.

    Raises
    ------
    VenueError
        When the venue could not be read.
    MarketError
        When coins are not listed, or not any more.
    """
    metas = await questions.ask(parse.ALL_PERP_METAS, {"type": "allPerpMetas"})
    listed = {asset.name for meta in metas for asset in meta.universe if not asset.is_delisted}
    unlisted = [f"{coin}: not listed" for coin in coins if coin not in listed]
    if unlisted:
        raise MarketError(unlisted)


class Feed:
    """Best prices, books, prints and contexts of some coins over supervised sockets.

    Parameters
    ----------
    transport
        Its network and clock.
    limiter
        What may be sent, shared by all that use the network.
    rng
        Of the delays before reconnecting.
    coins
        Names; an unknown one would close the socket of all others.
    take, miss
        Called with each frame, and when data come again after a socket was lost.
    """

    def __init__(
        self,
        transport: Transport,
        limiter: Limiter,
        rng: np.random.Generator,
        coins: Iterable[str],
        *,
        take: Take,
        miss: Miss,
    ) -> None:
        self._links = [
            _Listener(transport, subscriptions, take, miss).link(limiter, rng)
            for subscriptions in split(market(coins))
        ]

    @property
    def ready(self) -> bool:
        """Whether everything is subscribed and confirmed."""
        return all(link.ready for link in self._links)

    @property
    def connections(self) -> int:
        """Sockets opened so far."""
        return sum(link.connections for link in self._links)

    @property
    def unreadable(self) -> int:
        """Frames that made no sense."""
        return sum(link.unreadable for link in self._links)

    async def run(self) -> None:
        """Keep the sockets up until cancelled."""
        async with asyncio.TaskGroup() as group:
            for link in self._links:
                group.create_task(link.run())


class _Listener:
    """One socket's frames, and since when it has been lost."""

    def __init__(
        self,
        transport: Transport,
        subscriptions: Sequence[Subscription],
        take: Take,
        miss: Miss,
    ) -> None:
        self._transport = transport
        self._subscriptions = subscriptions
        self._coins = tuple(dict.fromkeys(str(s.body["coin"]) for s in subscriptions))
        self._take = take
        self._miss = miss
        self._heard_ns = 0
        self._lost = False

    def link(self, limiter: Limiter, rng: np.random.Generator) -> Link:
        """Return the socket that this listens to."""
        return Link(
            self._transport,
            limiter,
            rng,
            self._subscriptions,
            self.take,
            up=self.up,
            down=self.down,
        )

    def take(self, frame: Frame, now_ns: int) -> None:
        """Pass a frame on."""
        if not self._lost:
            self._heard_ns = now_ns
        self._take(frame, now_ns)

    def up(self) -> None:
        """Note that everything arrives again."""
        if self._lost and self._heard_ns:
            self._miss(self._coins, self._heard_ns, self._transport.now_ns())
        self._lost = False

    def down(self) -> None:
        """Note that nothing arrives any more."""
        self._lost = True
