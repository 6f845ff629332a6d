"""Everything the answers and the feeds read: the world, who is who, and what has traded."""

from __future__ import annotations

from typing import Any

from portfolio_mm.rules import ticks
from portfolio_mm.venues.settings import Server
from sim.exchange.account import Account
from sim.exchange.messages import MICRO
from sim.exchange.prices import Settlement
from sim.market.listing import listed_universe
from sim.market.world import World
from sim.server import text
from sim.server.history import MS, History
from sim.server.markets import Markets
from sim.server.members import Members
from sim.server.users import Users

IMPACT_USD = 6_000.0
LARGE_IMPACT_USD = 20_000.0
IMPACT_LEVELS = 20
LARGE = frozenset({"BTC", "ETH"})
"""Markets whose impact prices are of the larger notional."""

NO_CONTEXT: dict[str, Any] = {
    "funding": "0.0",
    "openInterest": "0.0",
    "prevDayPx": "0.0",
    "dayNtlVlm": "0.0",
    "premium": None,
    "oraclePx": "0.0",
    "markPx": "0.0",
    "midPx": None,
    "impactPxs": None,
    "dayBaseVlm": "0.0",
}
"""State of a delisted market."""


class State:
    """The venue as its clients can see it."""

    def __init__(self, settings: Server) -> None:
        self.settings = settings
        self.markets = Markets(listed_universe(settings.markets))
        self.world = World(settings, self.markets.universe)
        self.exchange = self.world.exchange
        self.users = Users()
        self.members = Members(self.exchange, self.users, settings)
        self.histories = [History() for _ in self.markets.coins]
        self._opening = self.exchange.mark
        self._contexts: tuple[int, list[dict[str, Any]]] = (-1, [])

    @property
    def now_ns(self) -> int:
        """Venue time."""
        return self.world.now_ns

    @property
    def now_ms(self) -> int:
        """Venue time, ms."""
        return self.world.now_ns // MS

    def shown(self, user: str) -> tuple[int, Account]:
        """Return the account that is shown for an address."""
        owner = self.members.shown(user.lower(), self.now_ns)
        return owner, self.exchange.accounts[owner]

    def mids(self, dex: str) -> dict[str, str]:
        """Return the mid prices of a dex; an empty book falls back to the last trade."""
        return {self.markets.coins[i]: self._mid(i) for i in self.markets.members(dex)}

    def contexts(self) -> list[dict[str, Any]]:
        """Return the state of every market; it is worked out once per instant."""
        if self._contexts[0] != self.now_ns:
            expected = self.exchange.premiums.settlement(self.now_ns)
            self._contexts = (
                self.now_ns,
                [self._context(i, expected) for i in range(len(self.markets.coins))],
            )
        return self._contexts[1]

    def dex_contexts(self, dex: str) -> list[dict[str, Any]]:
        """Return the states of a dex's universe in its order."""
        contexts = self.contexts()
        return [NO_CONTEXT if i is None else contexts[i] for i in self.markets.tables[dex]]

    def capped(self, dex: str) -> list[str]:
        """Return the markets of a dex whose open interest is at its cap."""
        return [
            self.markets.coins[i]
            for i in self.markets.members(dex)
            if self._interest_usd(i) >= self.markets.listings[i].oi_cap_usd
        ]

    def _interest_usd(self, asset: int) -> float:
        lots = max(self.exchange.interest[asset])
        size = ticks.from_lots(lots, self.markets.universe.instruments[asset].sz_decimals)
        return float(size * self.exchange.mark[asset])

    def _mid(self, asset: int) -> str:
        book, instrument = self.exchange.books[asset], self.markets.universe.instruments[asset]
        bid, ask = book.best(0), book.best(1)
        units = (bid + ask) / 2 if bid and ask else float(self.exchange.last_trade[asset])
        price = float(ticks.from_units(units, instrument.sz_decimals))
        return text.decimal(price or float(self.exchange.mark[asset]))

    def _context(self, asset: int, expected: Settlement) -> dict[str, Any]:
        instrument = self.markets.universe.instruments[asset]
        decimals = instrument.sz_decimals
        book = self.exchange.books[asset]
        two_sided = book.best(0) > 0 and book.best(1) > 0
        lots, notional, before = self.histories[asset].day(self.now_ms)
        usd = LARGE_IMPACT_USD if instrument.name in LARGE else IMPACT_USD
        impact = [self._impact(asset, side, usd) for side in (0, 1)]
        opening = text.decimal(self._opening[asset])
        return {
            "funding": text.decimal(expected.rate[asset]),
            "openInterest": text.size(max(self.exchange.interest[asset]), decimals),
            "prevDayPx": text.price(before, decimals) if before else opening,
            "dayNtlVlm": text.micro(notional),
            "premium": text.decimal(expected.premium[asset]) if two_sided else None,
            "oraclePx": _rounded(self.exchange.oracle[asset], decimals),
            "markPx": _rounded(self.exchange.mark[asset], decimals),
            "midPx": self._mid(asset) if two_sided else None,
            "impactPxs": None if None in impact else impact,
            "dayBaseVlm": text.size(lots, decimals),
        }

    def _impact(self, asset: int, side: int, usd: float) -> str | None:
        """Return the average price of trading a notional against a side, None if it is thin."""
        wanted, paid, bought = round(usd * MICRO), 0, 0
        prices, totals = self.exchange.books[asset].depth(side, IMPACT_LEVELS)
        for units, lots in zip(prices, totals, strict=True):
            if paid + units * lots >= wanted:
                average = wanted / (bought + (wanted - paid) / units)
                decimals = self.markets.universe.instruments[asset].sz_decimals
                return text.decimal(round(average) / 10 ** (ticks.DECIMALS - decimals))
            paid, bought = paid + units * lots, bought + lots
        return None


def _rounded(price: float, sz_decimals: int) -> str:
    return text.price(round(price * 10 ** (ticks.DECIMALS - sz_decimals)), sz_decimals)
