"""What a card may do at a venue, whichever way the venue is reached.

A `Bench` is a venue that was set up for one card, a `Desk` one account there. Both speak dollars
and contracts, as the venue's own clients do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple, Protocol

Tif = Literal["Alo", "Gtc", "Ioc"]


class Refused(Exception):
    """The venue refused a whole request, with its words."""


class Wish(NamedTuple):
    """An order to place."""

    coin: str
    is_buy: bool
    size: float
    price: float
    tif: Tif = "Alo"
    reduce_only: bool = False
    cloid: str = ""
    stop: float = 0.0  # mark at which it turns into a market order that stops a loss


class Answer(NamedTuple):
    """The venue's first word on an order."""

    oid: int = 0
    size: float = 0.0  # that traded at once
    price: float = 0.0  # average of that
    error: str = ""


class Order(NamedTuple):
    """What the venue knows of an order."""

    oid: int
    cloid: str
    status: str
    status_ms: int
    price: float
    size: float  # that remains
    original: float


class Deal(NamedTuple):
    """One trade of an account."""

    coin: str
    is_buy: bool
    price: float
    size: float
    start: float  # position before, signed
    direction: str
    closed_pnl: float
    crossed: bool
    fee: float
    oid: int
    cloid: str
    tid: int
    liquidation: str  # how it was liquidated, empty if it was not


class Held(NamedTuple):
    """A position, signed, and the margin it uses."""

    size: float = 0.0
    entry: float = 0.0
    margin: float = 0.0


class Terms(NamedTuple):
    """Leverage and margin mode of an asset."""

    leverage: int
    is_cross: bool


class Paid(NamedTuple):
    """One funding payment; what was paid is negative."""

    usd: float
    size: float
    rate: float


class Requests(NamedTuple):
    """The request budget of an address."""

    used: int
    cap: int


class Desk(Protocol):
    """One account. Every action raises `Refused` where the venue refuses the whole request."""

    def place(self, *wishes: Wish) -> list[Answer]:
        """Place orders in one request."""
        ...

    def modify(self, key: int | str, wish: Wish) -> Answer:
        """Replace an order, by its id or its client's."""
        ...

    def cancel(self, coin: str, *keys: int | str) -> list[str]:
        """Cancel orders in one request; each answer is empty, or why not."""
        ...

    def order(self, key: int | str) -> Order | None:
        """Return an order, None where the venue does not know it."""
        ...

    def open_orders(self, dex: str) -> list[int]:
        """Return the ids of the open orders on a dex."""
        ...

    def deals(self) -> list[Deal]:
        """Return all trades, oldest first."""
        ...

    def held(self, coin: str) -> Held:
        """Return the position in a market."""
        ...

    def terms(self, coin: str) -> Terms:
        """Return leverage and margin mode of a market."""
        ...

    def set_terms(self, coin: str, leverage: int, *, is_cross: bool) -> None:
        """Choose leverage and margin mode of a market."""
        ...

    def add_margin(self, coin: str, usd: float) -> None:
        """Move dollars into an isolated position, out of it where negative."""
        ...

    def balance(self, place: str) -> float:
        """Return the equity on a dex, or the dollars in "spot"."""
        ...

    def send(self, source: str, destination: str, usd: float) -> None:
        """Move dollars between places of the account."""
        ...

    def class_transfer(self, usd: float) -> None:
        """Move dollars from spot to the venue's own perpetuals."""
        ...

    def schedule_cancel(self, time_ms: int | None) -> None:
        """Have every order cancelled at a time, None to forget it."""
        ...

    def requests(self) -> Requests:
        """Return the request budget."""
        ...

    def paid(self) -> list[Paid]:
        """Return all funding payments, oldest first."""
        ...

    def watch(self) -> Callable[[], list[tuple[int, str]]]:
        """Return what tells the id and status of every order update from now on."""
        ...


class Bench(Protocol):
    """A venue, set up for one card."""

    def desk(self) -> Desk:
        """Return an account, a new one each time."""
        ...

    def decimals(self, coin: str) -> int:
        """Return szDecimals."""
        ...

    def mark(self, coin: str) -> float:
        """Return the mark price in USD."""
        ...

    def oracle(self, coin: str) -> float:
        """Return the oracle price in USD."""
        ...

    def levels(self, coin: str) -> list[list[tuple[float, float]]]:
        """Return price and size of the bids and of the asks, best first."""
        ...

    def now_ms(self) -> int:
        """Return the venue's time."""
        ...

    def wait(self, done: Callable[[], bool], what: str) -> None:
        """Wait until something has happened at the venue.

        Raises
        ------
        Broken
            When it has not for two minutes and a half of the venue's time.
        """
        ...

    def close(self) -> None:
        """Leave the venue."""
        ...
