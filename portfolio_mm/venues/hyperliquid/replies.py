"""What the venue answers to an action.

A request is refused whole, or every order in it gets a status of its own; where the venue checked
the batch before it looked at the orders, one error stands for all of them.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from portfolio_mm.venues.hyperliquid.figures import Number, ParseError, Unsigned, number
from portfolio_mm.venues.hyperliquid.parse import Parser
from portfolio_mm.venues.hyperliquid.wire import Wire


class Resting(Wire, frozen=True, kw_only=True):
    """The order rests."""

    oid: Number
    cloid: str | None = None


class Filled(Wire, frozen=True, kw_only=True):
    """The order filled, as far as it could."""

    total_sz: Unsigned
    avg_px: Unsigned
    oid: Number
    cloid: str | None = None


class Status(Wire, frozen=True, kw_only=True):
    """One of these became of an order."""

    resting: Resting | None = None
    filled: Filled | None = None
    error: str | None = None


class Statuses(Wire, frozen=True, kw_only=True):
    """In the order of the request."""

    statuses: tuple[Status | str, ...] = ()


class Response(Wire, frozen=True, kw_only=True):
    """Kind of action, and what became of its orders."""

    type: str
    data: Statuses = Statuses()


class Reply(Wire, frozen=True, kw_only=True):
    """Answer to an action; a text where it was refused whole."""

    status: Literal["ok", "err"]
    response: Response | str

    @property
    def refusal(self) -> str:
        """Why the whole request was refused, empty where it was not."""
        if isinstance(self.response, str):
            return self.response or "refused"
        return "" if self.status == "ok" else self.response.type


EXCHANGE: Parser[Reply] = Parser("exchange", Reply)


class Outcome(NamedTuple):
    """What the venue said of one order or cancel."""

    status: str  # open, filled, canceled, waiting, rejected
    reason: str = ""
    oid: int = 0
    size: float = 0.0  # contracts that filled at once
    price: float = 0.0  # USD, their average price


def outcomes(reply: Reply, orders: int) -> tuple[Outcome, ...]:
    """Return one outcome for each of the orders of a request.

    Raises
    ------
    ParseError
        When the venue spoke of another number of orders.
    """
    if reply.refusal or isinstance(reply.response, str):
        return (Outcome("rejected", reply.refusal),) * orders
    said = tuple(_outcome(status) for status in reply.response.data.statuses)
    if len(said) == orders:
        return said
    if len(said) == 1 and said[0].status == "rejected":
        return said * orders
    raise ParseError(f"exchange: {len(said)} statuses for {orders} orders")


def _outcome(status: Status | str) -> Outcome:
    match status:
        case "success":
            return Outcome("canceled")
        case "waitingForFill" | "waitingForTrigger":
            return Outcome("waiting", status)
        case Status(error=str(text)):
            return Outcome("rejected", text)
        case Status(resting=Resting(oid=oid)):
            return Outcome("open", oid=oid)
        case Status(filled=Filled() as fill):
            return Outcome(
                "filled", oid=fill.oid, size=number(fill.total_sz), price=number(fill.avg_px)
            )
        case _:
            raise ParseError("exchange: a status that says nothing - at `$.response.data.statuses`")
