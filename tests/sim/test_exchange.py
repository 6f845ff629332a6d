"""What the exchange accepts, refuses, fills, charges and liquidates."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from portfolio_mm.types import NS, Fill, FundingPayment, NewOrder, Orders, OrderUpdate
from sim.exchange.exchange import Exchange
from sim.exchange.messages import MICRO, told
from sim.market.listing import build_universe

NAMES = ("xyz:TSLA", "xyz:HOOD", "xyz:NVDA")
UNIVERSE = build_universe(
    NAMES,
    leverage=dict(zip(NAMES, (10, 5, 10), strict=True)),
    size_usd=dict.fromkeys(NAMES, 100.0),
)
MARK = np.array([400.0, 75.0, 220.0])
BID, ASK = 0, 1


class Desk:
    """An exchange with a thin market around the marks and one account."""

    def __init__(self, deposit: float = 1000.0, allowance: float = 1e6) -> None:
        self.exchange = Exchange(UNIVERSE, MARK)
        self.owner = self.exchange.open_account([round(deposit * MICRO)], allowance)
        self.account = self.exchange.accounts[self.owner]
        self.now = NS
        for asset, mark in enumerate(MARK):
            for side, factor in ((BID, 0.99), (ASK, 1.01)):
                self.exchange.quote(asset, side, round(mark * factor * 1000), 10**7)
        self.number = 0

    def order(self, asset: int, side: int, price: float, size: float, cloid: str = "") -> NewOrder:
        self.number += 1
        return NewOrder(
            cloid=cloid or f"c{self.number}",
            asset=asset,
            side=side,
            level=0,
            units=round(price * 1000),
            lots=round(size * 1000),
        )

    def submit(self, **orders: Any) -> list[Any]:
        self.now += NS
        self.exchange.submit(self.owner, Orders(time_ns=self.now, **orders), self.now)
        return self.take_messages()

    def place(self, asset: int, side: int, price: float, size: float, cloid: str = "") -> Any:
        (message,) = self.submit(places=(self.order(asset, side, price, size, cloid),))
        return message

    def hit(self, asset: int, side: int, price: float, size: float) -> list[Any]:
        """Let somebody take."""
        self.now += NS
        self.exchange.take(asset, side, round(price * 1000), round(size * 1000), self.now)
        return self.take_messages()

    def marks(self, **moves: float) -> list[Any]:
        mark = MARK.copy()
        for name, value in moves.items():
            mark[NAMES.index(f"xyz:{name}")] = value
        for _ in range(60):
            self.now += 3 * NS
            self.exchange.update_prices(mark, mark, self.now)
        return self.take_messages()

    def take_messages(self) -> list[Any]:
        messages = [told(message, UNIVERSE) for _, message in self.exchange.outbox]
        self.exchange.outbox.clear()
        return messages

    def position(self, asset: int, size: float) -> None:
        """Acquire a position at the mark through the book."""
        side = BID if size > 0 else ASK
        assert self.place(asset, side, MARK[asset], abs(size)).status == "open"
        self.hit(asset, 1 - side, MARK[asset], abs(size))
        assert self.account.lots[asset] == round(size * 1000)


def test_an_order_rests_fills_and_pays_the_maker_fee() -> None:
    desk = Desk()
    assert desk.place(0, BID, 399.5, 1.0, "mine").status == "open"
    (fill,) = desk.hit(0, ASK, 399.0, 0.4)
    assert isinstance(fill, Fill)
    assert (fill.asset, fill.side, fill.price, fill.size, fill.maker) == (0, 1, 399.5, 0.4, True)
    assert fill.fee == pytest.approx(399.5 * 0.4 * 0.3e-4, abs=1e-6)
    fill, update = desk.hit(0, ASK, 399.0, 5.0)
    assert fill.size == 0.6
    assert (update.cloid, update.status) == ("mine", "filled")
    assert fill.fill_id > 0
    state = desk.exchange.account_state(desk.owner, desk.now, 0.0)
    assert state.position[0] == 1.0
    assert state.entry_price[0] == pytest.approx(399.5)
    assert state.equity[0] == pytest.approx(1000 + 0.5 - 399.5 * 0.3e-4, abs=2e-6)


@pytest.mark.parametrize(
    ("asset", "side", "price", "size", "status", "text"),
    [
        (0, BID, 399.555, 1.0, "tickRejected", "Price must be divisible by tick size."),
        (0, BID, 399.5, 0.0, "rejected", "Order has zero size."),
        (0, BID, 399.5, 0.02, "minTradeNtlRejected", "Order must have minimum value of $10."),
        (0, BID, 399.5, 99.0, "perpMarginRejected", "Insufficient margin to place order."),
        (
            0,
            BID,
            404.0,
            1.0,
            "badAloPxRejected",
            "would have immediately matched, bbo was 396@404.",
        ),
        (
            0,
            ASK,
            396.0,
            1.0,
            "badAloPxRejected",
            "would have immediately matched, bbo was 396@404.",
        ),
        (0, ASK, 900.0, 1.0, "oracleRejected", "95% away from the reference price"),
    ],
)
def test_refusals(asset: int, side: int, price: float, size: float, status: str, text: str) -> None:
    desk = Desk()
    message = desk.place(asset, side, price, size)
    assert isinstance(message, OrderUpdate)
    assert message.status == status
    assert text in message.reason
    assert message.reason.endswith("asset=110001")
    assert not desk.account.open
    assert desk.account.reserved == [0]
    assert sum(desk.exchange.rejections.values()) == 1


def test_a_client_id_serves_one_open_order_at_a_time() -> None:
    desk = Desk()
    desk.place(0, BID, 399.0, 0.1, "x")
    assert desk.place(0, BID, 398.0, 0.1, "x").status == "rejected"
    assert desk.submit(cancels=("x",))[0].status == "canceled"
    assert desk.place(0, BID, 399.0, 0.1, "x").status == "open"
    assert desk.submit(cancels=("x",))[0].status == "canceled"
    (update,) = desk.submit(cancels=("x",))
    assert update.status == "unknownOid"
    assert update.reason == "Order was never placed, already canceled, or filled."


def test_modify_replaces_and_a_failed_placing_leg_leaves_nothing() -> None:
    desk = Desk()
    desk.place(0, BID, 399.0, 0.1, "a")
    updates = desk.submit(modifies=(("a", desk.order(0, BID, 399.5, 0.2, "b")),))
    assert [(u.cloid, u.status) for u in updates] == [("a", "canceled"), ("b", "open")]
    updates = desk.submit(modifies=(("b", desk.order(0, BID, 404.0, 0.2, "c")),))
    assert [(u.cloid, u.status) for u in updates] == [("b", "canceled"), ("c", "badAloPxRejected")]
    assert updates[1].reason.startswith("Error placing new order during modify: Post only")
    assert not desk.account.open
    (update,) = desk.submit(modifies=(("b", desk.order(0, BID, 399.0, 0.2, "d")),))
    assert update.reason == "Cannot modify canceled or filled order"


def test_actions_run_as_cancels_modifies_places() -> None:
    """A cancel in the same batch frees the margin that a new order needs."""
    desk = Desk(deposit=45.0)
    desk.place(0, BID, 399.0, 1.0, "a")
    updates = desk.submit(cancels=("a",), places=(desk.order(0, BID, 398.5, 1.0, "b"),))
    assert [u.status for u in updates] == ["canceled", "open"]


def test_cheaper_and_older_orders_fill_first() -> None:
    desk = Desk()
    theirs = desk.exchange.quote(0, BID, 399_000, 1000)
    desk.place(0, BID, 399.0, 1.0, "behind")
    assert desk.hit(0, ASK, 399.0, 1.0) == []
    assert theirs not in desk.exchange.books[0].orders
    assert desk.hit(0, ASK, 399.0, 1.0)[0].cloid == "behind"


def test_margin_is_checked_again_when_a_resting_order_trades() -> None:
    desk = Desk(deposit=100.0)
    desk.position(0, 1.0)
    desk.place(2, BID, 219.0, 2.0, "late")
    desk.marks(TSLA=350.0)
    (update,) = desk.hit(2, ASK, 219.0, 2.0)
    assert (update.cloid, update.status) == ("late", "marginCanceled")
    assert desk.account.lots[2] == 0
    assert desk.account.reserved == [0]


def test_the_last_odd_lot_may_be_closed_below_the_minimum() -> None:
    desk = Desk()
    desk.position(0, 0.03)
    desk.place(0, ASK, 400.5, 0.02, "partial")
    assert not desk.account.open
    desk.place(0, ASK, 400.5, 0.03, "whole")
    assert [record.cloid for record in desk.account.open.values()] == ["whole"]


def test_isolated_liquidation_leaves_the_pool_alone() -> None:
    """HOOD long 500 USD at 5x, 10x maximum: liquidated below equity of 5 % of notional."""
    desk = Desk()
    desk.position(1, 7.0)
    desk.place(1, ASK, 80.0, 1.0, "resting")
    before = desk.account.cash[0]
    assert desk.marks(HOOD=64.0) == []
    messages = desk.marks(HOOD=63.0)
    update, fill = messages
    assert (update.cloid, update.status) == ("resting", "liquidatedCanceled")
    assert not fill.maker
    assert fill.price == pytest.approx(75 * 0.99)
    assert fill.fee == pytest.approx(fill.price * 7.0 * 0.9e-4, abs=1e-6)
    assert desk.account.lots[1] == 0
    assert desk.account.isolated_cash[1] == 0
    assert desk.account.cash[0] > before
    assert desk.exchange.liquidations == 1


def test_backstop_takes_an_isolated_position_with_its_margin() -> None:
    desk = Desk()
    desk.position(1, 7.0)
    before = desk.account.cash[0]
    given = desk.account.isolated_cash[1] + 7 * 75 * MICRO
    mark = np.array([400.0, 40.0, 220.0])
    desk.exchange.mark = mark
    desk.exchange.update_prices(mark, mark, desk.now)
    (fill,) = desk.take_messages()
    assert fill.price == pytest.approx(40.0, rel=0.011)
    assert fill.fee == 0.0
    assert desk.account.cash[0] == before
    assert desk.account.forfeited == given + round((fill.price - 75.0) * 7 * MICRO)


def test_cross_liquidation_closes_the_pool_and_spares_isolated_positions() -> None:
    desk = Desk(deposit=200.0)
    desk.position(0, 2.0)
    desk.position(2, 2.0)
    desk.position(1, 2.0)
    desk.place(0, ASK, 420.0, 1.0, "resting")
    messages = desk.marks(TSLA=325.0)
    fills = [m for m in messages if isinstance(m, Fill)]
    assert [m.status for m in messages if isinstance(m, OrderUpdate)] == ["liquidatedCanceled"]
    assert {f.asset for f in fills} == {0, 2}
    assert desk.account.lots == [0, 2000, 0]
    assert desk.exchange.liquidations == 1


def test_cross_backstop_takes_all_cross_equity() -> None:
    desk = Desk(deposit=200.0)
    desk.position(0, 2.0)
    mark = np.array([290.0, 75.0, 220.0])
    desk.exchange.mark = mark
    desk.exchange.update_prices(mark, mark, desk.now)
    desk.take_messages()
    assert desk.account.lots == [0, 0, 0]
    assert desk.account.cash == [0]
    assert desk.account.forfeited < 0


def test_a_thin_market_liquidates_over_several_updates() -> None:
    desk = Desk(deposit=100.0)
    desk.position(0, 2.0)
    book = desk.exchange.books[0]
    for order in list(book.queue(BID, 396_000)):
        book.cancel(order.oid)
    desk.exchange.quote(0, BID, 396_000, 500)
    mark = np.array([357.0, 75.0, 220.0])
    desk.exchange.mark = mark
    desk.exchange.update_prices(mark, mark, desk.now)
    assert desk.account.lots[0] == 1500
    assert desk.exchange.liquidations == 1


def test_funding_is_paid_on_the_oracle_price() -> None:
    desk = Desk()
    desk.position(0, 1.0)
    desk.position(1, -2.0)
    before = desk.account.margin().equity[0]
    for _ in range(720):
        desk.exchange.sample_premium()
    rate = desk.exchange.funding_rate()
    assert rate == pytest.approx([6.25e-6] * 3)
    desk.exchange.settle_funding(desk.now)
    first, second = desk.take_messages()
    assert isinstance(first, FundingPayment)
    assert first.usd == pytest.approx(400 * 6.25e-6, abs=1e-6)
    assert second.usd == pytest.approx(-150 * 6.25e-6, abs=1e-6)
    assert desk.account.margin().equity[0] == pytest.approx(before - first.usd - second.usd)
    assert desk.account.isolated_cash[1] == 180 * MICRO - round(second.usd * MICRO)


def test_marks_are_medians_and_move_one_percent_at_most() -> None:
    desk = Desk()
    mark = np.array([500.0, 75.2, 220.0])
    desk.exchange.update_prices(mark, np.array([500.0, 75.4, 219.0]), desk.now)
    assert desk.exchange.mark == pytest.approx([404.0, 75.2, 220.0])
    assert desk.exchange.oracle == pytest.approx(mark)


def test_an_exhausted_address_is_refused_until_it_trades_or_waits() -> None:
    desk = Desk(allowance=2.0)
    desk.place(0, BID, 399.0, 0.5, "a")
    desk.place(0, BID, 398.9, 0.1, "b")
    assert desk.place(0, BID, 398.8, 0.1).reason.startswith("Too many cumulative requests")
    assert desk.submit(cancels=("b",))[0].status == "canceled"
    desk.hit(0, ASK, 399.0, 0.5)
    assert desk.account.requests.left == int(2 + 0.1 * 199.5) - 3
    assert desk.place(0, BID, 398.8, 0.1).status == "open"


def test_peak_use_counts_positions_and_gross_orders() -> None:
    desk = Desk(deposit=100.0)
    desk.submit(
        places=(desk.order(0, BID, 399.0, 1.0), desk.order(0, ASK, 401.0, 1.0)),
    )
    assert desk.account.peak_use[0] == pytest.approx(0.8)
    desk.hit(0, ASK, 399.0, 1.0)
    # A position of 1 at a mark of 400 and the ask of 401, on an equity that gained a dollar.
    assert desk.account.peak_use[0] == pytest.approx(80.1 / 101.0, abs=0.01)


def test_random_trading_adds_up() -> None:
    """Equity is deposit plus trades at their prices plus marks less fees less funding."""
    desk, rng = Desk(deposit=1e6), np.random.default_rng(12)
    cash = gross = 0.0
    position = np.zeros(3)
    for step in range(600):
        asset, side = int(rng.integers(3)), int(rng.integers(2))
        price = MARK[asset] * (1 + (2 * side - 1) * rng.uniform(0, 5e-3))
        price = round(price, 2 if MARK[asset] >= 100 else 3)
        messages = [desk.place(asset, side, price, float(rng.uniform(0.2, 3)))]
        messages += desk.hit(asset, 1 - side, price, float(rng.uniform(0, 3)))
        if step % 60 == 59:
            for _ in range(5):
                desk.exchange.sample_premium()
            desk.exchange.settle_funding(desk.now)
            messages += desk.take_messages()
        for message in messages:
            if isinstance(message, Fill):
                position[message.asset] += message.side * message.size
                cash -= message.side * message.price * message.size + message.fee
                gross += message.price * message.size
            elif isinstance(message, FundingPayment):
                cash -= message.usd
    state = desk.exchange.account_state(desk.owner, desk.now, 0.0)
    assert gross > 1e5
    assert np.allclose(state.position, position, atol=1e-9)
    expected = 1e6 + cash + position @ desk.exchange.mark
    assert abs(state.equity[0] - expected) < 1e-9 * gross
