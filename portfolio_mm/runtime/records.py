"""What the journal holds besides the arrows of the cycle: how a run began, stood, and ended."""

from __future__ import annotations

from typing import Self

from portfolio_mm.belief import stage as belief
from portfolio_mm.config import Config
from portfolio_mm.cycle import State
from portfolio_mm.governor import stage as governor
from portfolio_mm.types import Floats, Frozen, NewOrder, OpenOrder, Universe


class Opening(Frozen, frozen=True, kw_only=True):
    """The first row of every start: all that a replay needs besides the inputs."""

    config: Config
    universe: Universe
    position: Floats | None = None  # (N,) contracts before the first events, None: flat
    belief: belief.State | None = None  # of an earlier start, None: priors
    governor: governor.State | None = None  # of an earlier start: losses are not forgotten


class Tracked(Frozen, frozen=True, kw_only=True):
    """An order that may rest, as it is known."""

    order: NewOrder
    sent_ns: int
    open_ns: int  # when the venue last said that it rests, 0: never
    filled: int  # lots


class Day(Frozen, frozen=True, kw_only=True):
    """What the daily loss is counted from."""

    number: int  # days since 1970
    equity: float  # USD at its first cycle


class Saved(Frozen, frozen=True, kw_only=True):
    """What another start resumes from; rows after it are applied on top."""

    time_ns: int
    state: State
    orders: tuple[Tracked, ...]
    fill_ids: tuple[int, ...]  # recent ones, lest a fill is counted twice
    position: Floats  # (N,) contracts, from fills
    day: Day | None


class Divergence(Frozen, frozen=True, kw_only=True):
    """Where the venue and our books disagreed; the venue is the authority."""

    time_ns: int
    asset: int
    ours: float  # contracts
    venue: float  # contracts


class Orphan(Frozen, frozen=True, kw_only=True):
    """A resting order that is not ours to keep."""

    time_ns: int
    name: str  # its client order id, or the venue's number where it has none
    asset: int
    side: int
    units: int
    lots: int

    @classmethod
    def of(cls, order: OpenOrder, time_ns: int) -> Self:
        """Return the row of an order that the venue listed."""
        return cls(
            time_ns=time_ns,
            name=order.cloid or str(order.oid),
            asset=order.asset,
            side=order.side,
            units=order.units,
            lots=order.lots,
        )


class Alert(Frozen, frozen=True, kw_only=True):
    """Something that an operator should know."""

    time_ns: int
    words: str


class Kill(Frozen, frozen=True, kw_only=True):
    """The kill ladder began."""

    time_ns: int
    reason: str
    flatten: bool


class Closing(Frozen, frozen=True, kw_only=True):
    """The last row of a start."""

    cycles: int
    stopped: str  # why the run ended
    resting: tuple[str, ...] = ()  # orders that nobody confirmed to be gone
    position: tuple[float, ...] = ()  # contracts still held by asset, empty: flat
    confirmed: bool = True  # the venue said so after the last order ended
