"""The budgets of one address and one IP, counted here so that the venue never has to refuse.

What is sent counts from the moment it leaves until a whole span after its answer came: whenever
between the two the venue booked it, no span of the venue's then holds more than the limit. A few
requests are held back for the kill switch: exits and cancels of everything may use them, nothing
else may. Time is an argument and randomness a generator that is passed in.
"""

from __future__ import annotations

import math
from collections import deque
from typing import NamedTuple

import numpy as np

from portfolio_mm.rules.requests import TRICKLE_S, cancel_limit
from portfolio_mm.types import NS

WEIGHT_PER_MINUTE = 1200.0
"""REST weight of one IP."""

RESERVE = 20.0
"""Requests, weight and actions held back for the kill switch."""

TRICKLE_NS = round((TRICKLE_S + 1.0) * NS)
"""An address whose budget is spent may still send one action this often, with a second to spare."""

ACTIONS_PER_DAY = 50_000.0
"""Of an account whose collateral is unified."""

MESSAGES_PER_MINUTE, CONNECTIONS_PER_MINUTE = 2000.0, 30.0
CONNECTIONS, SUBSCRIPTIONS = 10, 1000
"""Websockets of one IP: messages sent and sockets opened a minute, sockets and subscriptions."""

MINUTE_NS, DAY_NS = 60 * NS, 86_400 * NS
BACKOFF_S, LONGEST_BACKOFF_S = 1.0, 60.0
_UNANSWERED_NS = NS // 2
_PARTS = 600


def action_weight(orders: int) -> int:
    """Return the IP weight of one signed action of so many orders, 1 + floor(n / 40)."""
    return 1 + orders // 40


def full_jitter(rng: np.random.Generator, attempt: int, base_s: float, longest_s: float) -> float:
    """Return a delay in seconds, uniform on [0, min(longest, base 2^attempt)]."""
    return float(rng.uniform(0.0, min(longest_s, base_s * 2.0 ** min(attempt, 30))))


class Exhausted(Exception):
    """A budget does not allow it now; `wait_ns` is when to ask again, from now."""

    def __init__(self, budget: str, wait_ns: int) -> None:
        super().__init__(f"{budget} is used up")
        self.wait_ns = wait_ns


class Window:
    """At most `limit` in any span; what is not settled counts."""

    def __init__(self, limit: float, span_ns: int) -> None:
        self.limit = limit
        self._span = span_ns
        self._part = max(span_ns // _PARTS, 1)
        self._open = 0.0
        self._settled: deque[tuple[int, float]] = deque()  # until when, how much
        self._sum = 0.0

    def left(self, now_ns: int) -> float:
        """Return what may be taken now."""
        while self._settled and self._settled[0][0] <= now_ns:
            self._sum -= self._settled.popleft()[1]
        return self.limit - self._open - self._sum

    def take(self, amount: float) -> None:
        """Count what leaves now."""
        self._open += amount

    def settle(self, amount: float, now_ns: int) -> None:
        """Note that its answer came, or never will."""
        self._open -= amount
        until = (-(-(now_ns + self._span) // self._part)) * self._part
        if self._settled and self._settled[-1][0] >= until:
            until, before = self._settled.pop()
            self._settled.append((until, before + amount))
        else:
            self._settled.append((until, amount))
        self._sum += amount

    def wait_ns(self, amount: float, now_ns: int) -> int:
        """Return how long until so much may be taken, if what is under way is answered."""
        missing = amount - self.left(now_ns)
        if missing <= 0.0:
            return 0
        for until, freed in self._settled:
            missing -= freed
            if missing <= 0.0:
                return until - now_ns
        return _UNANSWERED_NS


class Ticket(NamedTuple):
    """What was taken and must be settled."""

    weight: float
    requests: float


class Limiter:
    """Everything that this process may send; one for all that share the address and the IP."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._ip = Window(WEIGHT_PER_MINUTE, MINUTE_NS)
        self._day = Window(math.inf, DAY_NS)
        self._requests = math.inf
        self._allowance = 0.0
        self._sent = 0.0
        self._unanswered = 0.0
        self._trickled_ns = -TRICKLE_NS
        self._throttled = 0
        self._quiet_until_ns = 0
        self.messages = Window(MESSAGES_PER_MINUTE, MINUTE_NS)
        self.connections = Window(CONNECTIONS_PER_MINUTE, MINUTE_NS)

    @property
    def requests(self) -> float:
        """Requests left for the address."""
        return self._requests

    def weight(self, now_ns: int) -> float:
        """Return the REST weight left in this minute."""
        return self._ip.left(now_ns)

    def actions(self, now_ns: int) -> float:
        """Return the actions left in this day."""
        return self._day.left(now_ns)

    def daily(self, actions: float) -> None:
        """Set how many actions the account may take in a day."""
        self._day.limit = actions

    def read(self, weight: float, now_ns: int, *, urgent: bool = False) -> Ticket:
        """Take a read of the venue; raises `Exhausted`."""
        self._take_weight(weight, now_ns, urgent=urgent)
        return Ticket(weight, 0.0)

    def act(
        self, orders: int, now_ns: int, *, cancels: bool = False, urgent: bool = False
    ) -> Ticket:
        """Take one signed action of so many orders; raises `Exhausted`.

        Parameters
        ----------
        orders
            Orders or cancels in it; each is one request.
        cancels
            Whether it only cancels.
        urgent
            Whether the kill switch sends it.
        """
        reserve = 0.0 if urgent else RESERVE
        if self._day.left(now_ns) - orders < reserve:
            raise Exhausted(
                "the day's number of actions", self._day.wait_ns(orders + reserve, now_ns)
            )
        if self._requests - orders < reserve:
            extra = self._allowance if cancels else 0.0
            beyond = self._requests + extra - orders < 0.0
            if not urgent or (beyond and not self._trickles(orders, now_ns)):
                raise Exhausted("the address's number of requests", TRICKLE_NS)
            if beyond:
                self._trickled_ns = now_ns
        self._take_weight(action_weight(orders), now_ns, urgent=urgent)
        self._day.take(orders)
        self._requests -= orders
        self._sent += orders
        self._unanswered += orders
        return Ticket(action_weight(orders), orders)

    def lighter(self, ticket: Ticket, weight: float) -> Ticket:
        """Give back what an answer weighed less than was taken for it."""
        self._ip.take(weight - ticket.weight)
        return ticket._replace(weight=weight)

    def settle(self, ticket: Ticket, now_ns: int) -> None:
        """Note that the answer came, or that none will."""
        self._ip.settle(ticket.weight, now_ns)
        if ticket.requests:
            self._day.settle(ticket.requests, now_ns)
            self._unanswered -= ticket.requests

    def throttled(self, now_ns: int) -> None:
        """Take a 429: stay away for a while, longer each time, at random."""
        delay_s = full_jitter(self._rng, self._throttled, BACKOFF_S, LONGEST_BACKOFF_S)
        self._throttled += 1
        self._quiet_until_ns = max(self._quiet_until_ns, now_ns + round(delay_s * NS))

    def answered(self) -> None:
        """Note that the venue answered something else than 429."""
        self._throttled = 0

    def spent(self) -> None:
        """Take the venue's word that the address has no requests left."""
        self._requests = min(self._requests, 0.0)

    def mark(self) -> float:
        """Return the place in the count from which on a reading that starts now may miss sends."""
        return self._sent - self._unanswered

    def reading(self, mark: float, *, left: float, cap: float) -> None:
        """Take the venue's own count of the address: requests left and the whole budget."""
        self._requests = left - (self._sent - mark)
        self._allowance = cancel_limit(int(cap)) - int(cap)

    def _trickles(self, orders: int, now_ns: int) -> bool:
        return orders == 1 and now_ns - self._trickled_ns >= TRICKLE_NS

    def _take_weight(self, weight: float, now_ns: int, *, urgent: bool) -> None:
        if now_ns < self._quiet_until_ns and not urgent:
            raise Exhausted("the venue's patience (429)", self._quiet_until_ns - now_ns)
        needed = weight if urgent else weight + RESERVE
        if self._ip.left(now_ns) < needed:
            raise Exhausted("the IP's weight", self._ip.wait_ns(needed, now_ns))
        self._ip.take(weight)
