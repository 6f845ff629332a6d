"""Orders become signed actions, and every order gets its first word.

The batches of one decision leave together: cancels, modifies, places, exits, each as one action.
The venue may execute a post-only batch before the cancels of the same block, so orders that need
the margin of those on their way out wait for the answer to the cancels; the others do not.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np

from portfolio_mm.rules import margin, ticks
from portfolio_mm.types import (
    NS,
    UNKNOWN,
    UNSENT,
    AccountState,
    Orders,
    OrderUpdate,
    Universe,
)
from portfolio_mm.venues.base import VenueError
from portfolio_mm.venues.hyperliquid.actions import Batch, batches
from portfolio_mm.venues.hyperliquid.client import Client
from portfolio_mm.venues.hyperliquid.figures import ParseError
from portfolio_mm.venues.hyperliquid.replies import Outcome, outcomes
from portfolio_mm.venues.hyperliquid.transport import Lost, NotSent
from portfolio_mm.venues.hyperliquid.words import Words

EXPIRY_S = 15.0
"""Orders carry the instant after which the venue must not execute them; cancels are always good."""

KEPT = 100_000
"""Latencies that are kept until somebody takes them."""


class Latency(NamedTuple):
    """From handing orders over to the venue's reply."""

    kind: str  # cancel, modify, place, exit
    orders: int
    seconds: float


class Dispatch:
    """Carries out `Orders`.

    Parameters
    ----------
    client
        Signs and sends.
    words
        Our orders.
    universe
        Of the run.
    now_ns
        Local clock.
    tell
        Takes every word, news or not, and whether it is to be passed on in any case.
    inquire
        Asks the venue about orders whose end it hinted at.
    """

    def __init__(
        self,
        client: Client,
        words: Words,
        universe: Universe,
        *,
        now_ns: Callable[[], int],
        tell: Callable[[OrderUpdate, bool], None],
        inquire: Callable[[tuple[str, ...]], Coroutine[Any, Any, None]],
    ) -> None:
        self._client = client
        self._words = words
        self._universe = universe
        self._now_ns = now_ns
        self._tell = tell
        self._inquire = inquire
        self.latencies: deque[Latency] = deque(maxlen=KEPT)

    async def carry_out(self, orders: Orders, account: AccountState) -> None:
        """Send everything; returns when every order has its first word."""
        sent_ns = self._now_ns()
        live = self._words.assets
        urgent = _urgent(orders, live)
        cancels = tuple(name for name in orders.cancels if name in live)
        unknown = [name for name in orders.cancels if name not in live]
        news = [*(new for _, new in orders.modifies), *orders.places, *orders.exits]
        self._words.sent(news, sent_ns)
        replaced = {new.cloid: old for old, new in orders.modifies}
        parts = batches(msgspec.structs.replace(orders, cancels=cancels), self._universe, live)
        first = [batch for batch in parts if batch.kind == "cancel"]
        rest = [batch for batch in parts if batch.kind != "cancel"]
        waits = bool(first) and self._crowded(orders, account)

        async with asyncio.TaskGroup() as group:
            group.create_task(self._look_into(unknown))
            leaving = [group.create_task(self._deliver(b, {}, sent_ns, urgent)) for b in first]
            if waits:
                await asyncio.gather(*leaving)
            for batch in rest:
                hurry = urgent or batch.kind == "exit"
                group.create_task(self._deliver(batch, replaced, sent_ns, hurry))

    async def _deliver(
        self, batch: Batch, replaced: dict[str, str], sent_ns: int, urgent: bool
    ) -> None:
        expires = None if batch.kind == "cancel" else sent_ns // 1_000_000 + round(EXPIRY_S * 1e3)
        try:
            reply = await self._client.act(
                batch.action,
                orders=len(batch.cloids),
                cancels=batch.kind == "cancel",
                urgent=urgent,
                expires_ms=expires,
            )
            became = outcomes(reply, len(batch.cloids))
        except NotSent as error:
            self._not_sent(batch, str(error))
        except (Lost, ParseError) as error:
            self._lost(batch, replaced, str(error))
        else:
            seconds = (self._now_ns() - sent_ns) / NS
            self.latencies.append(Latency(batch.kind, len(batch.cloids), seconds))
            await self._answered(batch, replaced, became, whole=bool(reply.refusal))

    def _not_sent(self, batch: Batch, why: str) -> None:
        for name in batch.cloids:
            if batch.kind == "cancel":
                self._say(name, "open", f"cancel not sent: {why}", asked=True)
            else:
                self._say(name, UNSENT, why)

    def _lost(self, batch: Batch, replaced: dict[str, str], why: str) -> None:
        for name in batch.cloids:
            if batch.kind == "cancel" or not self._words.spoken(name):
                self._say(name, UNKNOWN, why)
            if name in replaced:
                self._say(replaced[name], UNKNOWN, why)

    async def _answered(
        self,
        batch: Batch,
        replaced: dict[str, str],
        became: Sequence[Outcome],
        *,
        whole: bool,
    ) -> None:
        doubtful = []
        for name, outcome in zip(batch.cloids, became, strict=True):
            refused = outcome.status == "rejected"
            if batch.kind == "cancel" and refused:
                if whole:
                    self._say(name, "open", f"cancel refused: {outcome.reason}", asked=True)
                else:
                    doubtful.append(name)
                continue
            if name in replaced:
                if not refused:
                    self._say(replaced[name], "canceled", "modified")
                elif not whole:
                    doubtful.append(replaced[name])
            self._say(name, outcome.status, outcome.reason, oid=outcome.oid)
        await self._look_into([name for name in doubtful if not self._words.over(name)])

    async def _look_into(self, names: Sequence[str]) -> None:
        """Ask what became of orders that cannot be cancelled or modified."""
        try:
            await self._inquire(tuple(names))
        except VenueError as error:
            for name in names:
                self._say(name, UNKNOWN, str(error))

    def _say(
        self, name: str, status: str, reason: str = "", *, oid: int = 0, asked: bool = False
    ) -> None:
        word = OrderUpdate(
            time_ns=self._now_ns(), cloid=name, status=status, reason=reason, oid=oid
        )
        self._tell(word, asked)

    def _crowded(self, orders: Orders, account: AccountState) -> bool:
        """Whether new orders need margin that orders on their way out still hold."""
        needed = np.zeros(len(self._universe.pools))
        for new in (*(new for _, new in orders.modifies), *orders.places):
            instrument = self._universe.instruments[new.asset]
            notional = new.units * new.lots * ticks.MICRO_USD
            needed[instrument.pool] += margin.initial(notional, instrument.leverage)
        free = account.equity - account.position_margin - account.order_margin
        return bool((needed > free).any())


def _urgent(orders: Orders, live: dict[str, int]) -> bool:
    """Whether these are the kill switch's: exits, or nothing but the cancel of everything."""
    if orders.modifies or orders.places:
        return False
    return bool(orders.exits) or live.keys() <= set(orders.cancels)
