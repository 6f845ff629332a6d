"""Our own orders as the adapter knows them, and which of the venue's words are news.

The word on an order comes twice or more: in the reply to the action, over the socket, and as the
answer to a question, in any order. News is what changes what was known; the end of an order is
final, and that nothing was heard is news only if nothing was.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from portfolio_mm.types import UNKNOWN, Fill, NewOrder, OpenOrder, OrderUpdate, Universe

LIVE = frozenset({"open", "triggered", "waiting", UNKNOWN})
"""Words after which an order may still rest; any other is its end."""

NEVER = "never arrived"
"""Why an order ended that the venue does not know. It is our conclusion, and a clock that jumped
makes it a wrong one: where the venue shows the order after all, the venue is right."""

REMEMBERED = 20_000
"""Orders that ended and are still recognised."""


class _Order:
    """One order that may rest."""

    __slots__ = ("asset", "lots", "oid", "sent_ns", "side", "status", "units")

    def __init__(self, asset: int, side: int, units: int, lots: int, sent_ns: int) -> None:
        self.asset = asset
        self.side = side
        self.units = units
        self.lots = lots
        self.sent_ns = sent_ns
        self.status = ""
        self.oid = 0


class Words:
    """Orders by client order id, or by the venue's number where they have none."""

    def __init__(self, universe: Universe) -> None:
        self._decimals = [i.sz_decimals for i in universe.instruments]
        self._live: dict[str, _Order] = {}
        self._ended: dict[str, str] = {}  # why, where the venue or we said so

    @property
    def assets(self) -> dict[str, int]:
        """Asset of everything that may rest."""
        return {name: order.asset for name, order in self._live.items()}

    def sent_ns(self, name: str) -> int | None:
        """Return when an order was sent, None for one that is not ours to know."""
        order = self._live.get(name)
        return order.sent_ns if order is not None else None

    def over(self, name: str) -> bool:
        """Whether the end of an order was told."""
        return name in self._ended

    def spoken(self, name: str) -> bool:
        """Whether the venue has said anything of an order."""
        order = self._live.get(name)
        return self.over(name) or (order is not None and bool(order.status))

    def sent(self, orders: Sequence[NewOrder], now_ns: int) -> None:
        """Note orders that are about to leave."""
        for new in orders:
            self._live[new.cloid] = _Order(new.asset, new.side, new.units, new.lots, now_ns)

    def listed(self, orders: Sequence[OpenOrder]) -> None:
        """Take the venue's list: what remains of our orders, and orders we did not know."""
        for row in orders:
            name = row.cloid or str(row.oid)
            if self._ended.get(name) == NEVER:
                del self._ended[name]
            elif name in self._ended:
                continue
            order = self._live.setdefault(
                name, _Order(row.asset, row.side, row.units, row.lots, row.time_ns)
            )
            order.lots = min(order.lots, row.lots)
            order.oid = row.oid
            order.status = order.status or "open"

    def fill(self, fill: Fill) -> None:
        """Take what a fill leaves of an order."""
        order = self._live.get(fill.cloid)
        if order is not None:
            filled = round(fill.size * 10 ** self._decimals[fill.asset])
            order.lots = max(order.lots - filled, 0)

    def news(self, update: OrderUpdate, *, asked: bool = False) -> OrderUpdate | None:
        """Return a word if it is news; the answer to a question is, but a late one that it rests."""
        if update.cloid in self._ended:
            return update if asked and update.status not in LIVE else None
        order = self._live.get(update.cloid)
        if order is not None and order.status == update.status and not asked:
            return None
        if update.status in LIVE:
            if order is not None:
                order.status = update.status
                order.oid = update.oid or order.oid
            return update
        self._live.pop(update.cloid, None)
        self._ended[update.cloid] = update.reason
        while len(self._ended) > REMEMBERED:
            del self._ended[next(iter(self._ended))]
        return update

    def resting(self) -> Iterator[OpenOrder]:
        """Return everything that may rest, in full where nothing is known of it."""
        for name, order in self._live.items():
            yield OpenOrder(
                oid=order.oid,
                cloid=name,
                asset=order.asset,
                side=order.side,
                units=order.units,
                lots=order.lots,
                time_ns=order.sent_ns,
            )
