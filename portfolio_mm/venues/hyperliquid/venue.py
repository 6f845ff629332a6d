"""Hyperliquid as the engine sees it; implements `venues.base.RemoteVenue`.

Market data and the account arrive over supervised sockets, orders leave as signed actions in tasks
of their own, and what the sockets cannot promise is read: after every reconnection `gap` asks the
engine for an audit, because the venue repeats no message.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine, Sequence
from typing import Any

import numpy as np

from portfolio_mm import config
from portfolio_mm.types import (
    NS,
    AccountState,
    Audit,
    Events,
    Floats,
    MarketSnapshot,
    Orders,
    OrderUpdate,
    Universe,
)
from portfolio_mm.venues.base import VenueError
from portfolio_mm.venues.hyperliquid import actions, events, stream
from portfolio_mm.venues.hyperliquid.accounts import Accounts
from portfolio_mm.venues.hyperliquid.balances import order_margin
from portfolio_mm.venues.hyperliquid.books import Books
from portfolio_mm.venues.hyperliquid.client import Client
from portfolio_mm.venues.hyperliquid.dispatch import EXPIRY_S, Dispatch, Latency
from portfolio_mm.venues.hyperliquid.figures import ParseError
from portfolio_mm.venues.hyperliquid.frames import (
    Frame,
)
from portfolio_mm.venues.hyperliquid.inbox import Inbox
from portfolio_mm.venues.hyperliquid.limits import Limiter
from portfolio_mm.venues.hyperliquid.nonces import Nonces
from portfolio_mm.venues.hyperliquid.opening import Survey, set_leverage, survey
from portfolio_mm.venues.hyperliquid.signer import Signer
from portfolio_mm.venues.hyperliquid.transport import Lost, NotSent, Transport
from portfolio_mm.venues.hyperliquid.wire_account import RestingOrder, UserFill
from portfolio_mm.venues.hyperliquid.words import LIVE, NEVER, Words
from portfolio_mm.venues.settings import Hyperliquid

HOUR_NS = 3600 * NS

OPEN_S = 30.0
"""The account's channels must be up within this, and books are waited for as long."""

COALESCE_S = 0.005
"""What one block brings comes in several frames; so long they are waited for."""

RECOUNT_S = 30.0
"""The address's budget is counted here, and read anew this often."""

SETTLED_S = 2.0
"""Beyond its expiry, the time after which an order the venue does not know never arrived."""


class HyperliquidVenue:
    """One account on the venue; made by `open`."""

    def __init__(
        self, found: Survey, client: Client, transport: Transport, rng: np.random.Generator
    ) -> None:
        universe = found.universe
        self._universe = universe
        self._client = client
        self._transport = transport
        self._rng = rng
        self._mode = found.mode
        self._dexs = tuple(found.states)
        self._ours = tuple(dict.fromkeys(universe.dex))
        self._opened_ns = transport.now_ns()
        self._index = events.index(universe)
        self._books = Books(universe, self._index, self._opened_ns)
        self._accounts = Accounts(universe, found.mode, self._index)
        self._words = Words(universe)
        self._wake = asyncio.Event()
        self._inbox = Inbox(
            self._index, self._accounts, self._words, self._opened_ns, self._wake.set
        )
        self._dispatch = Dispatch(
            client,
            self._words,
            universe,
            now_ns=transport.now_ns,
            tell=self._inbox.tell,
            inquire=self.inquire,
        )
        self._gaps = 0
        self._audited = 0
        self._moves = np.full(len(universe), np.inf)
        self._tasks: set[asyncio.Task[None]] = set()
        self._failure: BaseException | None = None
        for dex, state in found.states.items():
            self._accounts.state(dex, state)
        if found.spot is not None:
            self._accounts.spot(found.spot)
        self._user = self._link(stream.account(client.user, self._dexs), rng, user=True)
        self._markets = [
            self._link(part, rng, user=False)
            for part in stream.split(stream.market(universe.names))
        ]

    @classmethod
    async def open(
        cls,
        settings: Hyperliquid,
        assets: Sequence[config.Asset],
        transport: Transport,
        signer: Signer,
        rng: np.random.Generator,
    ) -> HyperliquidVenue:
        """Survey the venue and subscribe; returns when every market has a book.

        Nothing of the account is changed. A market without a book after half a minute is left
        without, the account's channels are not.

        Raises
        ------
        VenueError
            When the venue cannot be read, or does not confirm the account's channels.
        MarketError
            When assets cannot be traded as they were asked for.
        """
        user = (settings.vault or settings.account or signer.address).lower()
        client = Client(transport, Limiter(rng), signer, Nonces(), user)
        found = await survey(client, assets, rng)
        venue = cls(found, client, transport, rng)
        try:
            await venue._start()
        except BaseException:
            await venue.close()
            raise
        return venue

    # The venue protocol

    @property
    def universe(self) -> Universe:
        """The instruments of this run, in index order."""
        return self._universe

    @property
    def now_ns(self) -> int:
        """Local time, ns UTC."""
        return self._transport.now_ns()

    async def wait(self, deadline_ns: int, moves: Floats) -> Events:
        """Wait until `deadline_ns`, a word or a fill of ours, or a mid that moved by `moves`."""
        self._moves = moves
        if not self._due(moves):
            remaining = (deadline_ns - self.now_ns) / NS
            self._wake.clear()
            try:
                async with asyncio.timeout(max(remaining, 0.0)):
                    await self._wake.wait()
                await asyncio.sleep(min(COALESCE_S, max((deadline_ns - self.now_ns) / NS, 0.0)))
            except TimeoutError:
                pass
        if self._failure is not None:
            raise self._failure
        return self._inbox.empty()

    def snapshot(self) -> MarketSnapshot:
        """Return the local view of all markets; trades are those since the last snapshot."""
        now_ns = self.now_ns
        return self._books.snapshot(now_ns, (now_ns // HOUR_NS + 1) * HOUR_NS)

    def account(self) -> AccountState:
        """Return the account as last reported, with the fills since; its orders are left empty."""
        now_ns, limiter = self.now_ns, self._client.limiter
        return self._accounts.account(
            now_ns,
            self._books.mark,
            order_margin(self._universe, self._words.resting()),
            requests=limiter.requests,
            weight=limiter.weight(now_ns),
            actions=limiter.actions(now_ns),
        )

    async def send(self, orders: Orders) -> None:
        """Hand orders over to tasks of their own; the words come as events."""
        if len(orders):
            self._spawn(self._dispatch.carry_out(orders, self.account()))
            await asyncio.sleep(0)

    async def close(self) -> None:
        """End the sockets and everything under way."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._transport.close()

    # What only a remote venue has

    async def prepare(self) -> tuple[str, ...]:
        """Give every asset the leverage and kind of margin of the run, where the account differs.

        Returns
        -------
        What the venue refused, with the names of the assets; empty when all is as wanted.

        Raises
        ------
        VenueError
            When one could not be read or set.
        """
        return await set_leverage(self._client, self._universe, self._rng)

    async def inquire(self, cloids: tuple[str, ...]) -> None:
        """Ask what became of orders; the answers arrive as `OrderUpdate`s, or not at all.

        An order the venue does not know is over once it cannot arrive any more.

        Raises
        ------
        VenueError
            When one could not be asked; the others were.
        """
        await _all([self._inquire(name) for name in cloids])

    async def audit(self, since_ns: int) -> Audit:
        """Read positions, open orders, and the fills since `since_ns`.

        Raises
        ------
        VenueError
            When any part of it could not be read.
        """
        asked, gaps = self.now_ns, self._breaks
        client = self._client
        parts = await _all(
            [client.open_orders(dex) for dex in self._ours],
            [client.clearinghouse(dex) for dex in self._dexs],
            [client.spot() for _ in range(self._mode.shared)],
            [client.fills(since_ns)],
        )
        listed: tuple[RestingOrder, ...] = tuple(row for dex in parts[0] for row in dex)
        rows: tuple[UserFill, ...] = parts[3][0]
        try:
            orders = [events.open_order(row, self._universe, self._index) for row in listed]
        except ParseError as error:
            raise VenueError(str(error)) from None
        for dex, state in zip(self._dexs, parts[1], strict=True):
            self._accounts.state(dex, state)
        for balance in parts[2]:
            self._accounts.spot(balance)
        for row in rows:
            self._inbox.fill(row, passed_on=False)
        kept = tuple(order for order in orders if order is not None)
        self._words.listed(kept)
        fills = tuple(fill for row in rows if (fill := events.fill(row, self._index)) is not None)
        report = self._accounts.report
        others = {row.coin for row in listed} - self._index.keys()
        self._audited = gaps
        return Audit(
            time_ns=asked,
            position=report.position,
            orders=kept,
            fills=fills,
            elsewhere=tuple(sorted(others | set(report.elsewhere))),
        )

    async def arm(self, deadline_ns: int | None) -> bool:
        """Have the venue cancel everything at `deadline_ns`, None to disarm; False if refused."""
        time_ms = None if deadline_ns is None else deadline_ns // 1_000_000
        try:
            return not (await self._client.act(actions.schedule_cancel(time_ms))).refusal
        except (NotSent, Lost):
            return False

    # For the runtime: how it is going

    @property
    def gap(self) -> bool:
        """Whether words or fills may have been missed since the last audit that succeeded.

        The account's socket was lost, or a fill started from another position than ours ended at.
        """
        return self._breaks != self._audited or not self._user.ready

    @property
    def strangers(self) -> Counter[str]:
        """Fills on each coin outside the run."""
        return self._inbox.strangers

    @property
    def skew_s(self) -> float:
        """Venue's clock less ours, as far as it is proved."""
        return self._client.skew.seconds

    def latencies(self) -> tuple[Latency, ...]:
        """Return the time from handing over to the reply of every batch since the last call."""
        taken = tuple(self._dispatch.latencies)
        self._dispatch.latencies.clear()
        return taken

    # Frames

    def _link(
        self, subscriptions: Sequence[stream.Subscription], rng: np.random.Generator, *, user: bool
    ) -> stream.Link:
        return stream.Link(
            self._transport,
            self._client.limiter,
            rng,
            subscriptions,
            self._inbox.take if user else self._take_market,
            up=self._up if user else _nothing,
            down=_nothing,
        )

    def _take_market(self, message: Frame, now_ns: int) -> None:
        asset = self._books.take(message)
        if asset >= 0 and self._books.moved(asset) > self._moves[asset]:
            self._wake.set()

    async def _inquire(self, name: str) -> None:
        sent_ns = self._words.sent_ns(name)
        asked_ns = self.now_ns
        answer = await self._client.order_status(name)
        if answer.order is not None:
            row, status = answer.order.order, answer.order.status
            if status in LIVE:
                self._adopt(row)
            self._inbox.tell(
                OrderUpdate(time_ns=asked_ns, cloid=name, status=status, oid=row.oid), True
            )
            return
        left_ns = self._opened_ns if sent_ns is None else sent_ns
        if asked_ns - left_ns > round((EXPIRY_S + SETTLED_S) * NS):
            self._inbox.tell(
                OrderUpdate(time_ns=asked_ns, cloid=name, status="rejected", reason=NEVER),
                True,
            )

    def _adopt(self, row: RestingOrder) -> None:
        """Note an order that rests, so that it can be cancelled."""
        try:
            order = events.open_order(row, self._universe, self._index)
        except ParseError as error:
            raise VenueError(str(error)) from None
        if order is not None:
            self._words.listed((order,))

    # Tasks

    async def _start(self) -> None:
        """Bring the sockets up, and wait for the first books."""
        for link in (self._user, *self._markets):
            self._spawn(link.run())
        until = self.now_ns + round(OPEN_S * NS)
        while not (self._user.ready and self._books.complete):
            if self._failure is not None:
                raise self._failure
            if self.now_ns >= until:
                break
            await asyncio.sleep(0.02)
        if not self._user.ready:
            raise VenueError(f"the account's channels were not confirmed {self._user.complaint}")
        self._inbox.started = True
        self._spawn(self._recount())

    async def _recount(self) -> None:
        while True:
            await asyncio.sleep(RECOUNT_S)
            try:
                await self._client.count_requests()
            except VenueError:
                continue

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._failure = task.exception()
            self._wake.set()

    @property
    def _breaks(self) -> int:
        """How often something may have been missed."""
        return self._gaps + self._inbox.breaks

    def _due(self, moves: Floats) -> bool:
        """Whether there is something to act on already."""
        if self._inbox.urgent or self._failure is not None:
            return True
        return any(self._books.moved(asset) > move for asset, move in enumerate(moves))

    def _up(self) -> None:
        """Take the account's channels as confirmed; what was said before is known to nobody."""
        self._gaps += self._inbox.started
        self._wake.set()


async def _all(*groups: Sequence[Coroutine[Any, Any, Any]]) -> list[list[Any]]:
    """Return the answers to groups of questions; raises the first failure once all have ended."""
    asked = [question for group in groups for question in group]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    rest = iter(answers)
    return [[next(rest) for _ in group] for group in groups]


def _nothing() -> None:
    """Do nothing: markets are shown anew, and whether the account's channels are up is asked."""
