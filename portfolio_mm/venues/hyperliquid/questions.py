"""Questions to the venue over a transport, within the budgets.

A question that is not answered raises `VenueError`: what is not known is never taken for empty.
Nothing is repeated here.
"""

from __future__ import annotations

import asyncio
from typing import Any, TypeVar

import msgspec

from portfolio_mm.types import NS
from portfolio_mm.venues.base import VenueError
from portfolio_mm.venues.hyperliquid import parse
from portfolio_mm.venues.hyperliquid.figures import ParseError
from portfolio_mm.venues.hyperliquid.limits import Exhausted, Limiter, Ticket
from portfolio_mm.venues.hyperliquid.parse import Parser
from portfolio_mm.venues.hyperliquid.skew import Skew
from portfolio_mm.venues.hyperliquid.transport import Answer, Lost, NotSent, Transport
from portfolio_mm.venues.hyperliquid.wire_account import (
    ClearinghouseState,
    OrderStatus,
    RateLimit,
    RestingOrder,
    SpotState,
    UserFill,
)

T = TypeVar("T")

READ_S = 5.0
"""An answer that takes longer is not coming."""

PATIENCE_S = 5.0
"""A question waits so long for the budget."""

WEIGHTS = {
    "l2Book": 2,
    "allMids": 2,
    "clearinghouseState": 2,
    "orderStatus": 2,
    "spotClearinghouseState": 2,
    "exchangeStatus": 2,
    "userRole": 60,
}
QUESTION = 20
"""IP weights of questions; those not named cost the latter."""

PAGE, ROWS, PAGE_WEIGHT = 500, 20, 100
"""Rows after which an answer may be cut, rows that weigh one more, and the most they may weigh."""


class Questions:
    """What anybody may ask; `user` is the address that questions about an account mean."""

    def __init__(self, transport: Transport, limiter: Limiter, user: str) -> None:
        self._transport = transport
        self.limiter = limiter
        self.user = user
        self.skew = Skew()

    async def ask(self, parser: Parser[T], question: dict[str, Any], *, rows: bool = False) -> T:
        """Return the answer to a question; with `rows`, it weighs more the longer it is.

        Raises
        ------
        VenueError
            When it could not be asked, was not answered in time, or the answer makes no sense.
        """
        name = question["type"]
        weight = WEIGHTS.get(name, QUESTION)
        ticket = await self._ticket(name, weight + PAGE_WEIGHT * rows)
        try:
            answer = await self.post("/info", msgspec.json.encode(question), READ_S)
            if answer.status != 200:
                raise VenueError(f"{name}: HTTP {answer.status}")
            result = parser(answer.body)
            if rows and isinstance(result, tuple):
                ticket = self.limiter.lighter(ticket, weight + len(result) // ROWS)
        except (NotSent, Lost, ParseError) as error:
            raise VenueError(f"{name}: {error}") from None
        finally:
            self.limiter.settle(ticket, self._transport.now_ns())
        return result

    async def clearinghouse(self, dex: str) -> ClearinghouseState:
        """Return the account on one dex; its time tells how the clocks differ."""
        asked = self._transport.now_ns()
        question = {"type": "clearinghouseState", "user": self.user, "dex": dex}
        state = await self.ask(parse.CLEARINGHOUSE_STATE, question)
        self.skew.observe(asked, state.time * 1_000_000, self._transport.now_ns())
        return state

    async def spot(self) -> SpotState:
        """Return the spot balances."""
        return await self.ask(
            parse.SPOT_STATE, {"type": "spotClearinghouseState", "user": self.user}
        )

    async def open_orders(self, dex: str) -> tuple[RestingOrder, ...]:
        """Return everything that rests on one dex."""
        question = {"type": "frontendOpenOrders", "user": self.user, "dex": dex}
        return await self.ask(parse.OPEN_ORDERS, question)

    async def order_status(self, cloid: str) -> OrderStatus:
        """Return what the venue knows of an order."""
        question = {"type": "orderStatus", "user": self.user, "oid": cloid}
        return await self.ask(parse.ORDER_STATUS, question)

    async def fills(self, since_ns: int) -> tuple[UserFill, ...]:
        """Return all fills since an instant, each once, whichever way the venue sorts its pages."""
        start, end = since_ns // 1_000_000, None
        found: dict[int, UserFill] = {}
        while True:
            question: dict[str, Any] = {
                "type": "userFillsByTime",
                "user": self.user,
                "startTime": start,
            }
            if end is not None:
                question["endTime"] = end
            page = await self.ask(parse.USER_FILLS, question, rows=True)
            fresh = {row.tid: row for row in page if row.tid not in found}
            found.update(fresh)
            if len(page) < PAGE or not fresh:
                return tuple(found.values())
            if page[0].time <= page[-1].time:
                start = page[-1].time
            else:
                end = page[-1].time

    async def count_requests(self) -> RateLimit:
        """Read the address's budget and tell the limiter."""
        mark = self.limiter.mark()
        limit = await self.ask(parse.RATE_LIMIT, {"type": "userRateLimit", "user": self.user})
        self.limiter.reading(mark, left=limit.left, cap=limit.n_requests_cap)
        return limit

    async def _ticket(self, name: str, weight: int) -> Ticket:
        """Wait for the budget of a question."""
        until = self._transport.now_ns() + round(PATIENCE_S * NS)
        while True:
            now = self._transport.now_ns()
            try:
                return self.limiter.read(weight, now)
            except Exhausted as error:
                if now + error.wait_ns > until:
                    raise VenueError(f"{name}: {error}") from None
                await asyncio.sleep(max(error.wait_ns / NS, 1e-3))

    async def post(self, path: str, body: bytes, timeout_s: float) -> Answer:
        """Post, and tell the limiter how it was taken; raises `NotSent`, also on 429, or `Lost`."""
        try:
            async with asyncio.timeout(timeout_s):
                answer = await self._transport.post(path, body, timeout_s)
        except TimeoutError:
            raise Lost(f"no answer within {timeout_s:g} s") from None
        if answer.status == 429:
            self.limiter.throttled(self._transport.now_ns())
            raise NotSent("HTTP 429")
        self.limiter.answered()
        return answer
