"""Where an order of ours stands in a recorded queue, and what fills it.

A recording shows how much rests at a price, not whose it is. A model keeps the contracts ahead of
our order, a(t), which start as what is displayed at its price when it arrives. Common to all models:

- a print of v contracts at the price takes from the queue first: the order gets max(v - a, 0),
  and a becomes max(a - v, 0);
- a print beyond the price proves that nothing was left ahead: a becomes 0;
- a price deeper than the recorded book has a = infinity until the book shows it, and then joins
  behind everything displayed;
- a never grows.

The models differ in three answers, and are ordered: for the same orders each fills at least as
much, and no later, than the one before it (`Conservative`, `Bounded`, `Power`).

Sources: R. Rigtorp, "Estimating order queue position" (2013), for the probabilistic advance;
docs/queue_models.md says when exactly each model fills and what is unrealistic in it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Protocol


class Place:
    """The place of one order: contracts, all at its price."""

    __slots__ = ("ahead", "printed", "shown")

    def __init__(self, shown: float) -> None:
        self.ahead = shown  # inf while the price is deeper than the book
        self.shown = shown  # displayed when last seen
        self.printed = 0.0  # printed since then

    def take(self, available: float, printed: float) -> float:
        """Let a print at the price pass and return what of it reaches the order.

        `printed` is its size, `available` what orders of ours before this one have left of it.
        """
        reached = max(available - self.ahead, 0.0)
        self.ahead = max(self.ahead - available, 0.0)
        self.printed += printed
        return reached

    def show(self, shown: float, model: QueueModel) -> None:
        """Note a new display at the price; inf tells nothing."""
        if shown < math.inf:
            self.ahead = model.ahead(self, shown)
        self.shown = shown
        self.printed = 0.0


class QueueModel(Protocol):
    """The three answers that make a model."""

    def ahead(self, place: Place, shown: float) -> float:
        """Return the contracts ahead once `shown` are displayed at the price."""
        ...

    def offered(self, printed: float) -> float:
        """Return how much of an order a print beyond its price can fill, contracts."""
        ...

    def meets(self, gap: int) -> bool:
        """Tell whether an opposite best price `gap` units beyond the order's own fills it."""
        ...


class Conservative:
    """Only prints move the queue: whoever cancels stood behind us."""

    def ahead(self, place: Place, shown: float) -> float:
        """Return what was ahead, and the display where the price was too deep before."""
        return place.ahead if place.ahead < math.inf else shown

    def offered(self, printed: float) -> float:
        """Return the size of the print: nobody traded more."""
        return printed

    def meets(self, gap: int) -> bool:
        """Never: somebody must print."""
        del gap
        return False


class Bounded:
    """No more can be ahead than is displayed, and a book that crosses us has traded with us."""

    def ahead(self, place: Place, shown: float) -> float:
        """Return the smaller of what was ahead and what is displayed."""
        return min(place.ahead, shown)

    def offered(self, printed: float) -> float:
        """Return the size of the print."""
        return printed

    def meets(self, gap: int) -> bool:
        """Fill when the opposite side rests beyond our price."""
        return gap > 0


class Power:
    """Cancels come from ahead and behind; the larger part of the queue loses more.

    Of a decrease c that no print explains, with f ahead and b behind, the share
    b^n / (b^n + f^n) is taken from behind.
    """

    def __init__(self, exponent: float = 3.0) -> None:
        self.exponent = exponent

    def ahead(self, place: Place, shown: float) -> float:
        """Return the expected contracts ahead after an unexplained decrease."""
        front = min(place.ahead, place.shown)
        gone = place.shown - place.printed - shown
        if not 0.0 < gone < math.inf or front <= 0.0:
            return min(front, shown)
        behind = max(place.shown - place.printed - front, 0.0)
        largest = max(front, behind)
        weights = [math.pow(part / largest, self.exponent) for part in (front, behind)]
        from_behind = min(gone * weights[1] / sum(weights), behind)
        return min(max(front - (gone - from_behind), 0.0), shown)

    def offered(self, printed: float) -> float:
        """Return no limit: a print beyond the price fills the whole order."""
        del printed
        return math.inf

    def meets(self, gap: int) -> bool:
        """Fill when the opposite best price reaches ours."""
        return gap >= 0


MODELS: Mapping[str, QueueModel] = {
    "conservative": Conservative(),
    "bounded": Bounded(),
    "power": Power(),
}
"""By the name in the settings, from the fewest fills to the most."""
