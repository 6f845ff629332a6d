"""Who subscribed to what, and what they are sent at the end of each block.

Best prices, trades, candles and everything about a user go out with the block in which they
changed; books, mids and the states of markets on the venue's cadences, to everybody at once. A
frame is made once, however many sessions get it.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any, Protocol

from portfolio_mm.types import NS
from sim.exchange.messages import Change, Message, Print
from sim.server import subscriptions as s
from sim.server.book_shapes import trade
from sim.server.frames import Frames, channel_of, frame
from sim.server.info import Info
from sim.server.news import news
from sim.server.state import State

SLOW_BOOK_NS, FAST_BOOK_NS = 5_400_000_000, 540_000_000
STATES_NS = 5 * NS

PERIODS: dict[type, int] = {
    s.AllMids: 5 * NS,
    s.ActiveAssetCtx: NS,
    s.AllDexsAssetCtxs: 13_600_000_000,
    s.ClearinghouseState: STATES_NS,
    s.AllDexsClearinghouseState: STATES_NS,
    s.SpotState: STATES_NS,
    s.OpenOrders: STATES_NS,
    s.WebData2: STATES_NS,
    s.WebData3: STATES_NS,
}
"""How often a channel repeats itself."""

STATES = (
    s.ClearinghouseState,
    s.AllDexsClearinghouseState,
    s.SpotState,
    s.OpenOrders,
    s.WebData2,
)
"""Channels that also follow whatever happens to the user."""

CHANGES = (s.Bbo, s.ActiveAssetData)
"""Channels that are sent only when they differ from what was sent before."""

SILENT = (s.UserEvents, s.OrderUpdates, s.Notification)
"""Channels that show nothing until something happens."""


class Listener(Protocol):
    """A session as the feeds see it."""

    def push(self, text: str) -> None:
        """Take a frame."""
        ...


Topic = dict[Listener, None]


class Feeds:
    """Every subscription of every session."""

    def __init__(self, state: State, info: Info) -> None:
        self._state = state
        self._frames = Frames(state, info)
        self._info = info
        self._topics: dict[type, dict[s.AnySubscription, Topic]] = defaultdict(dict)
        self._by_user: dict[str, dict[s.AnySubscription, Topic]] = defaultdict(dict)
        self._sent: dict[s.AnySubscription, Any] = {}
        self._due: dict[object, int] = {}
        self._prints: list[Print] = []
        self._messages: list[tuple[int, Message]] = []
        self._books: set[int] = set()
        self._repriced = False
        world = state.world
        world.on_trades = self._on_trades
        world.on_messages = self._messages.extend
        world.on_books = self._books.add
        world.on_prices = self._on_prices

    def add(self, subscription: s.AnySubscription, listener: Listener) -> None:
        """Start a subscription with what it shows at first."""
        topic = self._topics[type(subscription)].setdefault(subscription, {})
        topic[listener] = None
        user = s.user_of(subscription)
        if user:
            self._by_user[user][subscription] = topic
        if isinstance(subscription, SILENT):
            return
        data = self._frames.data(subscription)
        if data is not None:
            shown = data["bbo"] if isinstance(subscription, s.Bbo) else data
            if isinstance(subscription, CHANGES):
                self._sent.setdefault(subscription, shown)
            listener.push(frame(channel_of(subscription), data))

    def remove(self, subscription: s.AnySubscription, listener: Listener) -> None:
        """End a subscription."""
        topics = self._topics[type(subscription)]
        topic = topics[subscription]
        del topic[listener]
        if topic:
            return
        del topics[subscription]
        self._sent.pop(subscription, None)
        user = s.user_of(subscription)
        if user:
            del self._by_user[user][subscription]
            if not self._by_user[user]:
                del self._by_user[user]

    def publish(self) -> list[tuple[int, Change]]:
        """Send everything that is due, and return the changes of orders since the last time."""
        prints, messages, books = list(self._prints), list(self._messages), set(self._books)
        repriced, self._repriced = self._repriced, False
        for pending in (self._prints, self._messages, self._books):
            pending.clear()
        if prints:
            self._trades(prints)
        if books:
            self._best(books)
        if messages:
            self._tell(messages)
        if repriced:
            self._repeat_changed(s.ActiveAssetData)
        self._repeat()
        return [(owner, m) for owner, m in messages if isinstance(m, Change)]

    # What happened

    def _on_trades(self, prints: list[Print]) -> None:
        self._prints.extend(prints)
        for row in prints:
            self._state.histories[row.asset].add(row)

    def _on_prices(self) -> None:
        self._repriced = True

    def _trades(self, prints: list[Print]) -> None:
        topics, candles = self._topics[s.Trades], self._topics[s.CandleFeed]
        if not topics and not candles:
            return
        markets, members = self._state.markets, self._state.members
        by_coin: dict[str, list[Any]] = defaultdict(list)
        for row in prints:
            instrument = markets.universe.instruments[row.asset]
            buyer, seller = members.address(row.buyer), members.address(row.seller)
            by_coin[instrument.name].append(trade(row, instrument, buyer, seller))
        for coin, rows in by_coin.items():
            topic = topics.get(s.Trades(coin))
            if topic:
                _send(topic, "trades", rows)
        for subscription, topic in candles.items():
            assert isinstance(subscription, s.CandleFeed)
            if subscription.coin in by_coin:
                self._show(subscription, topic)

    def _best(self, assets: set[int]) -> None:
        topics = self._topics[s.Bbo]
        if not topics:
            return
        for asset in sorted(assets):
            coin = self._state.markets.coins[asset]
            subscription = s.Bbo(coin)
            topic = topics.get(subscription)
            if topic:
                best = self._frames.best(coin)
                if self._sent.get(subscription) != best["bbo"]:
                    self._sent[subscription] = best["bbo"]
                    _send(topic, "bbo", best)

    def _tell(self, messages: list[tuple[int, Message]]) -> None:
        if not self._by_user:
            return
        by_owner: dict[int, list[Message]] = defaultdict(list)
        for owner, message in messages:
            by_owner[owner].append(message)
        for owner, rows in by_owner.items():
            user = self._state.members.address(owner)
            for subscription, topic in list(self._by_user.get(user, {}).items()):
                if isinstance(subscription, STATES):
                    self._show(subscription, topic)
                elif isinstance(subscription, s.ActiveAssetData):
                    self._show_changed(subscription, topic)
                else:
                    for data in news(self._state, self._info, subscription, rows):
                        _send(topic, channel_of(subscription), data)

    # What repeats itself

    def _repeat(self) -> None:
        for kind, period in PERIODS.items():
            if self._topics[kind] and self._is_due(kind, period):
                for subscription, topic in list(self._topics[kind].items()):
                    self._show(subscription, topic)
        books = self._topics[s.L2Book]
        if books:
            for fast, period in ((True, FAST_BOOK_NS), (False, SLOW_BOOK_NS)):
                if self._is_due(fast, period):
                    for subscription, topic in books.items():
                        if isinstance(subscription, s.L2Book) and subscription.fast == fast:
                            self._show(subscription, topic)
        if self._topics[s.FastAssetCtxs] and self._is_due(s.FastAssetCtxs, NS):
            changes = self._frames.fast_changes()
            if changes is not None:
                for topic in self._topics[s.FastAssetCtxs].values():
                    _send(topic, "fastAssetCtxs", changes)

    def _is_due(self, key: object, period: int) -> bool:
        now = self._state.now_ns
        due = self._due.setdefault(key, now + period)
        if now < due:
            return False
        self._due[key] = max(due + period, now + period // 2)
        return True

    def _show(self, subscription: s.AnySubscription, topic: Topic) -> None:
        data = self._frames.data(subscription)
        if data is not None:
            _send(topic, channel_of(subscription), data)

    def _show_changed(self, subscription: s.AnySubscription, topic: Topic) -> None:
        data = self._frames.data(subscription)
        if data is not None and data != self._sent.get(subscription):
            self._sent[subscription] = data
            _send(topic, channel_of(subscription), data)

    def _repeat_changed(self, kind: type) -> None:
        for subscription, topic in list(self._topics[kind].items()):
            self._show_changed(subscription, topic)


def _send(topic: Topic, channel: str, data: object) -> None:
    text = frame(channel, data)
    for listener in list(topic):
        listener.push(text)
