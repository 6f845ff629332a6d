"""Signed actions of one account, within the budgets.

An action has three ends, and they are never mixed up: the venue's reply, `NotSent` (it was certainly
not executed) and `Lost` (it may have been). Nothing is repeated here.
"""

from __future__ import annotations

from typing import Any

from portfolio_mm.venues.hyperliquid.figures import ParseError
from portfolio_mm.venues.hyperliquid.limits import Exhausted, Limiter
from portfolio_mm.venues.hyperliquid.nonces import Nonces
from portfolio_mm.venues.hyperliquid.questions import Questions
from portfolio_mm.venues.hyperliquid.replies import EXCHANGE, Reply, Response
from portfolio_mm.venues.hyperliquid.signer import Signer
from portfolio_mm.venues.hyperliquid.transport import Lost, NotSent, Transport

ACTION_S = 10.0
"""A reply that takes longer is lost."""

SPENT = "Too many cumulative requests"
"""How the venue says that the address's budget is used up."""


class Client(Questions):
    """One account's view of the HTTP interface."""

    def __init__(
        self, transport: Transport, limiter: Limiter, signer: Signer, nonces: Nonces, user: str
    ) -> None:
        super().__init__(transport, limiter, user)
        self._signer = signer
        self._nonces = nonces

    async def act(
        self,
        action: dict[str, Any],
        *,
        orders: int = 1,
        cancels: bool = False,
        urgent: bool = False,
        expires_ms: int | None = None,
    ) -> Reply:
        """Sign and send an action, and return the venue's reply.

        Parameters
        ----------
        action
            As `actions` builds it.
        orders
            Orders in it, each a request of the address's budget.
        cancels
            Whether it only cancels.
        urgent
            Whether the kill switch sends it.
        expires_ms
            Venue time in ms after which it must not be executed.

        Raises
        ------
        NotSent
            When it was certainly not executed: no budget, no connection, or HTTP 429.
        Lost
            When it may have been: no answer, HTTP 5xx, or an answer that makes no sense.
        """
        now = self._transport.now_ns()
        try:
            ticket = self.limiter.act(orders, now, cancels=cancels, urgent=urgent)
        except Exhausted as error:
            raise NotSent(str(error)) from None
        try:
            body = self._signer.post(action, self._nonces.next(now // 1_000_000), expires_ms)
            answer = await self.post("/exchange", body, ACTION_S)
        finally:
            self.limiter.settle(ticket, self._transport.now_ns())
        if answer.status >= 500:
            raise Lost(f"HTTP {answer.status}")
        if answer.status != 200:
            return Reply(status="err", response=f"HTTP {answer.status}")
        try:
            reply = EXCHANGE(answer.body)
        except ParseError as error:
            raise Lost(str(error)) from None
        if _spent(reply):
            self.limiter.spent()
        return reply


def _spent(reply: Reply) -> bool:
    response = reply.response
    if isinstance(response, Response):
        return any(
            not isinstance(status, str) and (status.error or "").startswith(SPENT)
            for status in response.data.statuses
        )
    return response.startswith(SPENT)
