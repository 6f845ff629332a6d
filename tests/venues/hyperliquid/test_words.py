from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portfolio_mm.types import (
    UNKNOWN,
    Fill,
    Instrument,
    MarginTier,
    NewOrder,
    OpenOrder,
    OrderUpdate,
    Universe,
)
from portfolio_mm.venues.hyperliquid.words import LIVE, REMEMBERED, Words

UNIVERSE = Universe(
    instruments=(
        Instrument(
            name="BTC",
            asset_id=0,
            sz_decimals=3,
            tiers=(MarginTier(lower_bound=0.0, max_leverage=20.0),),
            leverage=3,
            isolated=False,
            pool=0,
            maker_fee=0.0,
            taker_fee=0.0,
            size_usd=100.0,
        ),
    ),
    pools=("USDC",),
)


def known(*names: str) -> Words:
    words = Words(UNIVERSE)
    words.sent([NewOrder(cloid=n, asset=0, side=0, level=0, units=50, lots=10) for n in names], 5)
    return words


def word(name: str, status: str) -> OrderUpdate:
    return OrderUpdate(time_ns=1, cloid=name, status=status, oid=3)


def listed(name: str, lots: int, oid: int = 3) -> OpenOrder:
    return OpenOrder(oid=oid, cloid=name, asset=0, side=1, units=60, lots=lots, time_ns=2)


said = st.lists(
    st.tuples(
        st.sampled_from("ab"),
        st.sampled_from(["open", UNKNOWN, "filled", "canceled", "rejected", "triggered"]),
        st.booleans(),
    ),
    max_size=30,
)


@settings(max_examples=200, deadline=None)
@given(rows=said)
def test_an_end_is_told_once_and_nothing_comes_after_it(rows: list[tuple[str, str, bool]]) -> None:
    words = known("a", "b")
    told: dict[str, list[str]] = {"a": [], "b": []}
    for name, status, asked in rows:
        news = words.news(word(name, status), asked=asked)
        if news is not None and not (asked and told[name] and told[name][-1] not in LIVE):
            told[name].append(news.status)
    for statuses in told.values():
        assert all(status in LIVE for status in statuses[:-1])
    resting = {order.cloid for order in words.resting()}
    assert resting == {n for n, statuses in told.items() if not statuses or statuses[-1] in LIVE}


def test_a_word_that_changes_nothing_is_no_news_unless_it_was_asked_for() -> None:
    words = known("a")
    assert words.news(word("a", "open")) is not None
    assert words.news(word("a", "open")) is None
    assert words.news(word("a", "open"), asked=True) is not None
    assert words.news(word("a", UNKNOWN)) is not None
    assert words.news(word("a", "open")) is not None


def test_an_order_of_another_life_has_its_say() -> None:
    words = known()
    assert words.news(word("z", "open")) is not None
    assert words.news(word("z", "canceled")) is not None
    assert words.news(word("z", "canceled")) is None
    assert words.sent_ns("z") is None


@pytest.mark.parametrize(("size", "left"), [(0.004, 6), (0.01, 0), (0.02, 0)])
def test_a_fill_leaves_less_of_an_order(size: float, left: int) -> None:
    words = known("a")
    words.fill(
        Fill(
            time_ns=1,
            asset=0,
            side=1,
            price=1.0,
            size=size,
            fee=0.0,
            maker=True,
            cloid="a",
            fill_id=1,
        )
    )
    (order,) = words.resting()
    assert order.lots == left


def test_the_venues_list_adds_orders_and_never_enlarges_ours() -> None:
    words = known("a")
    words.news(word("b", "canceled"))
    words.listed((listed("a", 7), listed("b", 9), listed("", 4, oid=77)))
    words.listed((listed("a", 8),))
    assert {order.cloid: order.lots for order in words.resting()} == {"a": 7, "77": 4}
    assert words.assets == {"a": 0, "77": 0}


def test_memory_is_bounded() -> None:
    words = known()
    for number in range(REMEMBERED + 10):
        words.news(word(str(number), "canceled"))
    assert not words.over("9")
    assert words.over("10")
