"""What is known of one order, and the state that follows.

The facts only grow: the latest times at which the venue said that the order rests and at which its fate
became unclear, its fills by their number, whether it ended. So messages may come in any order and more
than once. From the facts follows a state:

    sent     on its way, no word yet
    open     the venue said that it rests
    leaving  its cancel, or the order that replaces it, is on its way
    unknown  the venue's answer was lost, or none came in time: it may rest
    ended    the venue said so, or all of it is filled
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from portfolio_mm.types import NS, UNSENT, NewOrder

LIVE = frozenset({"open", "resting"})
"""Words of the venue for an order that rests; every other but `UNKNOWN` is its end."""

PATIENCE_NS = 10 * NS
"""How long the venue's word on an order or on its cancel is waited for."""


class Life(IntEnum):
    """State of an order."""

    SENT = 0
    OPEN = 1
    LEAVING = 2
    UNKNOWN = 3
    ENDED = 4


def refusal(status: str) -> bool:
    """Tell whether a word says that an order never came to rest."""
    return status in {"rejected", UNSENT} or status.endswith("Rejected")


class Known:
    """The facts about one order."""

    __slots__ = (
        "asked_ns",
        "ended_ns",
        "exits",
        "fills",
        "foreign",
        "leaving_ns",
        "open_ns",
        "order",
        "queue",
        "refused",
        "replaced_by",
        "replaces",
        "seen_lots",
        "sent_ns",
        "stays_ns",
        "unknown_ns",
    )

    def __init__(self, order: NewOrder, sent_ns: int) -> None:
        self.order = order
        self.sent_ns = sent_ns
        self.open_ns = 0  # the venue last said that it rests
        self.unknown_ns = 0  # it last became unclear whether it does
        self.leaving_ns = 0  # its cancel was sent
        self.stays_ns = 0  # that cancel is known not to have been
        self.ended_ns = 0
        self.asked_ns = 0
        self.refused = False
        self.fills: dict[int, int] = {}  # lots by number of the fill
        self.seen_lots = order.lots  # most that can be left, as the venue listed it
        self.replaces: tuple[Known, int] | None = None  # and how much of that was filled then
        self.replaced_by: Known | None = None
        self.foreign = False  # rests, but is not ours to keep
        self.exits = False  # immediate or cancel: never rests
        self.queue = np.inf  # contracts ahead, unknown until it rests

    @property
    def filled(self) -> int:
        """Lots that are known to be filled."""
        return sum(self.fills.values())

    @property
    def lots(self) -> int:
        """Lots that may be left."""
        return min(self.order.lots - self.filled, self.seen_lots)

    def life(self, now_ns: int) -> Life:
        """Return the state that follows from the facts."""
        if self.ended_ns or self.lots <= 0:
            return Life.ENDED
        unclear_ns = self.unknown_ns
        waited_ns = now_ns - PATIENCE_NS
        if self._leaves():
            if self.leaving_ns > waited_ns and self.leaving_ns >= unclear_ns:
                return Life.LEAVING
            unclear_ns = max(unclear_ns, self.leaving_ns)
        if self.sent_ns <= waited_ns:
            unclear_ns = max(unclear_ns, self.sent_ns)
        if unclear_ns > self.open_ns:
            return Life.UNKNOWN
        return Life.OPEN if self.open_ns else Life.SENT

    def _leaves(self) -> bool:
        """Tell whether a cancel was sent that was not refused."""
        heir = self.replaced_by
        spared = heir is not None and heir.refused and not heir.open_ns
        return self.leaving_ns > self.stays_ns and not spared
