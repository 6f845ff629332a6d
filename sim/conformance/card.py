"""What a conformance card is: one behaviour of the venue and the check of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import Enum
from types import MappingProxyType
from typing import Literal, NamedTuple

from sim.conformance.desk import Bench, Refused
from sim.exchange.holdings import Mode

Target = Literal["embedded", "server", "testnet"]
TARGETS: tuple[Target, ...] = ("embedded", "server", "testnet")

Evidence = Literal["documented", "measured", "not verified"]
"""How we know that the venue itself behaves so."""

TSLA, HOOD, MSTR, AVGO, ABC = "xyz:TSLA", "xyz:HOOD", "xyz:MSTR", "para:AVGO", "test:ABC"
BTC = "BTC"


class Need(Enum):
    """What a card asks of a target beyond one account and a book."""

    PARTNER = "a second account to trade with"
    SCENE = "balances, budgets or a market made for the purpose"
    SIGNATURES = "signed requests"
    GATE = "counts that are kept in front of the exchange"
    BLOCKS = "several requests in one block"
    SOCKET = "a websocket"
    OPERATOR = "a restart of the venue on purpose"
    TRACES = "agents, sub-accounts or approvals that stay"
    SHARE = "an account with half a percent of all maker volume"


class Scene(NamedTuple):
    """The venue as a card wants to find it."""

    markets: tuple[str, ...] = (TSLA,)
    mode: Mode = "standard"
    usd: float = 10_000.0  # each new account finds in every place
    requests: float = 10_000.0  # before volume earns more
    wild: bool = False  # prices move a hundred times as fast as listed, else they stand still
    speed: float = 50.0  # venue seconds per second where the venue runs by itself
    block_ms: float = 70.0
    before_hour_s: float = 0.0  # the venue begins so long before a full hour, anywhere if 0


class Card(NamedTuple):
    """One behaviour of the venue."""

    name: str
    behaviour: str
    section: int  # of VENUE
    evidence: Evidence
    needs: frozenset[Need]
    scene: Scene
    differs: Mapping[Target, str]  # targets that are known to behave otherwise, and why
    check: Callable[..., None]  # takes the bench; raises Broken


class Broken(Exception):
    """A target does not behave as the card says."""


CARDS: dict[str, Card] = {}
"""Every card by its name, in the order in which they were written."""

NONE: Mapping[Target, str] = MappingProxyType({})


def card(
    name: str,
    section: int,
    evidence: Evidence = "documented",
    *needs: Need,
    scene: Scene | None = None,
    differs: Mapping[Target, str] = NONE,
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make a card of a check, whose docstring states the behaviour.

    Other markets, or another pace, are no need. Anything else that is set needs a venue that can be
    set up.
    """
    there = scene or Scene()
    ordinary = there._replace(markets=Scene().markets, speed=Scene().speed) == Scene()

    def register(check: Callable[..., None]) -> Callable[..., None]:
        if name in CARDS:
            raise ValueError(f"two cards are called {name}")
        wants = frozenset(needs) | (frozenset() if ordinary else {Need.SCENE})
        CARDS[name] = Card(
            name, check.__doc__ or "", section, evidence, wants, there, differs, check
        )
        return check

    return register


def expect(condition: bool, message: str) -> None:
    """Require something of the venue.

    Raises
    ------
    Broken
        When it is not so.
    """
    if not condition:
        raise Broken(message)


def same(found: object, wanted: object, what: str) -> None:
    """Require that something is what it should be."""
    expect(found == wanted, f"{what}: {found!r} instead of {wanted!r}")


def near(found: float, wanted: float, what: str, within: float = 1e-6) -> None:
    """Require that a number is what it should be, up to a relative error."""
    apart = abs(found - wanted)
    expect(apart <= within * max(abs(wanted), 1e-9), f"{what}: {found!r} instead of {wanted!r}")


def begins(text: str, words: str, what: str) -> None:
    """Require that the venue's words begin in a certain way."""
    expect(text.startswith(words), f"{what}: {text!r} instead of {words!r}")


@contextmanager
def refused(words: str, what: str) -> Iterator[None]:
    """Require that the venue refuses a whole request in words that begin in a certain way."""
    try:
        yield
    except Refused as refusal:
        begins(str(refusal), words, what)
    else:
        raise Broken(f"{what}: accepted, but {words!r} is due")


Check = Callable[[Bench], None]
