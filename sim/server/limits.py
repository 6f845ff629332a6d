"""What one network address may ask of the venue: weight per minute, connections, messages.

Weight refills evenly, 1200 a minute, and one minute of it can be spent at once.
"""

from __future__ import annotations

from portfolio_mm.types import NS

WEIGHT_PER_MINUTE = 1200
CONNECTIONS = 10
CONNECTIONS_PER_MINUTE = 30
SUBSCRIPTIONS = 1000
USERS = 10
MESSAGES_PER_MINUTE = 2000
POSTS_IN_FLIGHT = 100
SIGNED_WEIGHT = 200
"""Orders or cancels in one signed action."""

ORDERS_PER_WEIGHT = 40
ITEMS_PER_WEIGHT = 20


class Bucket:
    """Tokens that refill evenly up to what one minute brings."""

    def __init__(self, per_minute: int, now_ns: int) -> None:
        self._rate = per_minute
        self._level = float(per_minute)
        self._time_ns = now_ns

    def take(self, weight: float, now_ns: int) -> bool:
        """Take tokens, or none and return False if there are too few."""
        self._refill(now_ns)
        if weight > self._level:
            return False
        self._level -= weight
        return True

    def charge(self, weight: float, now_ns: int) -> None:
        """Take tokens that an answer turned out to cost, even below zero."""
        self._refill(now_ns)
        self._level -= weight

    def _refill(self, now_ns: int) -> None:
        gained = self._rate * (now_ns - self._time_ns) / (60 * NS)
        self._level = min(self._level + gained, float(self._rate))
        self._time_ns = now_ns


class Peer:
    """One network address: its budgets and what it has open."""

    def __init__(self, now_ns: int) -> None:
        self.weight = Bucket(WEIGHT_PER_MINUTE, now_ns)
        self.openings = Bucket(CONNECTIONS_PER_MINUTE, now_ns)
        self.messages = Bucket(MESSAGES_PER_MINUTE, now_ns)
        self.connections = 0
        self.subscriptions = 0
        self.posts = 0
        self.users: dict[str, int] = {}  # subscribed users and their number of subscriptions

    def connect(self, now_ns: int) -> bool:
        """Open a connection, or return False if it is one too many."""
        if self.connections >= CONNECTIONS or not self.openings.take(1, now_ns):
            return False
        self.connections += 1
        return True

    def subscribe(self, user: str) -> str | None:
        """Count a subscription, of a user's data unless empty; return why it is refused."""
        if self.subscriptions >= SUBSCRIPTIONS:
            return "Cannot subscribe to more than 1000 channels."
        if user and user not in self.users and len(self.users) >= USERS:
            return "Cannot track more than 10 total users."
        self.subscriptions += 1
        if user:
            self.users[user] = self.users.get(user, 0) + 1
        return None

    def unsubscribe(self, user: str) -> None:
        """Forget a subscription."""
        self.subscriptions -= 1
        if user:
            self.users[user] -= 1
            if not self.users[user]:
                del self.users[user]
