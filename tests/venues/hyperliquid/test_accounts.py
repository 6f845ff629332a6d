from __future__ import annotations

import itertools
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portfolio_mm.types import AccountState, Instrument, MarginTier, Universe
from portfolio_mm.venues.hyperliquid import parse
from portfolio_mm.venues.hyperliquid.accounts import Accounts, Step, chain, younger
from portfolio_mm.venues.hyperliquid.events import index
from portfolio_mm.venues.hyperliquid.wire_account import ClearinghouseState, Mode, UserFill

NAMES = ("BTC", "xyz:NVDA", "xyz:HOOD")
MARKS = np.array([60_000.0, 200.0, 50.0])
UNIVERSE = Universe(
    instruments=tuple(
        Instrument(
            name=name,
            asset_id=i,
            sz_decimals=3,
            tiers=(MarginTier(lower_bound=0.0, max_leverage=20.0),),
            leverage=5,
            isolated=name == "xyz:HOOD",
            pool=0 if i == 0 else 1,
            maker_fee=0.0,
            taker_fee=0.0,
            size_usd=100.0,
        )
        for i, name in enumerate(NAMES)
    ),
    pools=("main", "xyz"),
)


def state(time: int, value: float, **held: tuple[float, float]) -> ClearinghouseState:
    """Positions by asset: contracts and entry price, at MARKS."""
    rows, used = [], 0.0
    for name, (size, entry) in held.items():
        asset = NAMES.index(name.replace("_", ":"))
        mark, isolated = MARKS[asset], name == "xyz_HOOD"
        margin = abs(size) * mark / 5
        used += margin
        leverage = {"type": "isolated", "value": 5, "rawUsd": str(margin - size * mark)}
        rows.append(
            {
                "type": "oneWay",
                "position": {
                    "coin": NAMES[asset],
                    "szi": str(size),
                    "leverage": leverage if isolated else {"type": "cross", "value": 5},
                    "entryPx": str(entry),
                    "positionValue": str(abs(size) * mark),
                    "unrealizedPnl": "0.0",
                    "marginUsed": str(margin),
                    "maxLeverage": 20,
                },
            }
        )
    summary = {
        "accountValue": str(value),
        "totalNtlPos": "0",
        "totalRawUsd": "0",
        "totalMarginUsed": str(used),
    }
    return parse.CLEARINGHOUSE_STATE(
        msgspec.json.encode(
            {
                "marginSummary": summary,
                "crossMarginSummary": summary,
                "crossMaintenanceMarginUsed": str(
                    sum(
                        abs(size) * MARKS[NAMES.index(name.replace("_", ":"))] / 40
                        for name, (size, _) in held.items()
                        if name != "xyz_HOOD"
                    )
                ),
                "withdrawable": "0",
                "assetPositions": rows,
                "time": time,
            }
        )
    )


def fill(
    coin: str, side: Any, px: float, sz: float, start: float, time: int, tid: int, fee: float = 0.0
) -> UserFill:
    return UserFill(
        coin=coin,
        px=str(px),
        sz=str(sz),
        side=side,
        time=time,
        start_position=str(start),
        closed_pnl="0",
        oid=1,
        crossed=False,
        fee=str(fee),
        tid=tid,
    )


def opened(value: float = 10_000.0, **held: tuple[float, float]) -> Accounts:
    accounts = Accounts(UNIVERSE, Mode.DEFAULT, index(UNIVERSE))
    main = {name: row for name, row in held.items() if name == "BTC"}
    accounts.state("", state(100, value, **main))
    xyz = {name: row for name, row in held.items() if name != "BTC"}
    accounts.state("xyz", state(100, value, **xyz))
    return accounts


def account(accounts: Accounts, marks: Any = MARKS) -> AccountState:
    return accounts.account(7, marks, np.zeros(2), requests=1.0, weight=2.0, actions=3.0)


def test_a_report_is_the_account() -> None:
    seen = account(opened(BTC=(0.5, 59_000.0)))
    assert seen.position.tolist() == [0.5, 0.0, 0.0]
    assert seen.equity.tolist() == [10_000.0, 10_000.0]
    assert seen.position_margin.tolist() == [6000.0, 0.0]
    assert seen.maintenance.tolist() == [750.0, 0.0]
    assert seen.entry_price[0] == 59_000.0
    assert (seen.address_requests, seen.ip_weight, seen.actions_left) == (1.0, 2.0, 3.0)
    assert not seen.orders.cloid


def test_a_fill_younger_than_the_report_is_added() -> None:
    accounts = opened(BTC=(0.5, 59_000.0))
    assert accounts.fill(fill("BTC", "B", 59_900.0, 0.1, 0.5, 101, 1, fee=-0.6))
    seen = account(accounts)
    assert seen.position[0] == pytest.approx(0.6)
    assert seen.equity[0] == pytest.approx(10_000.0 + 0.1 * 100.0 + 0.6)
    assert seen.entry_price[0] == pytest.approx((0.5 * 59_000 + 0.1 * 59_900) / 0.6)
    assert seen.position_margin[0] == pytest.approx(0.6 * 60_000 / 5)
    assert seen.maintenance[0] == pytest.approx(0.6 * 60_000 / 40)
    assert seen.equity[1] == 10_000.0


def test_a_fill_older_than_the_report_is_in_it() -> None:
    accounts = opened(BTC=(0.5, 59_000.0))
    assert accounts.fill(fill("BTC", "B", 59_900.0, 0.1, 0.4, 99, 1))
    assert account(accounts).position[0] == 0.5


def test_a_fill_that_starts_elsewhere_is_a_sign_of_a_missed_one() -> None:
    accounts = opened(BTC=(0.5, 59_000.0))
    assert not accounts.fill(fill("BTC", "A", 59_900.0, 0.1, 0.8, 101, 1))
    assert account(accounts).position[0] == pytest.approx(0.7)


def test_an_older_report_does_not_replace_a_younger_one() -> None:
    accounts = opened(BTC=(0.5, 59_000.0))
    accounts.state("", state(90, 1.0))
    assert account(accounts).position[0] == 0.5


def test_marks_move_equity() -> None:
    accounts = opened(BTC=(-0.5, 59_000.0))
    seen = account(accounts, np.array([60_100.0, 200.0, np.nan]))
    assert seen.equity[0] == pytest.approx(10_000.0 - 50.0)
    assert np.isfinite(seen.equity).all()
    assert seen.mark[0] == 60_100.0


def test_an_isolated_position_keeps_its_own_margin() -> None:
    accounts = opened(xyz_HOOD=(10.0, 50.0))
    assert account(accounts).isolated_margin[2] == 100.0
    accounts.fill(fill("xyz:HOOD", "A", 50.0, 4.0, 10.0, 101, 1))
    seen = account(accounts)
    assert seen.isolated_margin[2] == pytest.approx(60.0)
    assert seen.position_margin[1] == pytest.approx(60.0)
    accounts.fill(fill("xyz:HOOD", "A", 50.0, 6.0, 6.0, 102, 2))
    assert account(accounts).isolated_margin[2] == 0.0
    accounts.fill(fill("xyz:HOOD", "A", 50.0, 5.0, 0.0, 103, 3))
    assert account(accounts).isolated_margin[2] == pytest.approx(50.0)


steps = st.lists(st.integers(-5, 5).filter(bool), min_size=1, max_size=6)


@settings(max_examples=200, deadline=None)
@given(sizes=steps, start=st.integers(-9, 9), cut=st.integers(0, 6), order=st.randoms())
def test_fills_of_one_millisecond_are_put_on_their_chain(
    sizes: list[int], start: int, cut: int, order: Any
) -> None:
    ends = list(itertools.accumulate(sizes, initial=start))
    rows = [
        Step(100, before, size, 1.0, 0.0, order.randrange(1000))
        for before, size in zip(ends[:-1], sizes, strict=True)
    ]
    order.shuffle(rows)
    if len(set(ends)) == len(ends):
        assert [step.start for step in chain(rows, start)] == ends[:-1]
        held = ends[min(cut, len(sizes))]
        after = younger(rows, 100, held)
        assert held + sum(step.size for step in after) == ends[-1]
    earlier = [step._replace(time=99) for step in rows]
    assert younger(earlier, 100, 3) == []
    assert len(younger(rows, 99, 3)) == len(rows)


@settings(max_examples=100, deadline=None)
@given(sizes=steps, order=st.randoms(), spread=st.integers(1, 3))
def test_the_order_in_which_fills_arrive_does_not_matter(
    sizes: list[int], order: Any, spread: int
) -> None:
    ends = list(itertools.accumulate(sizes, initial=0))
    rows = [
        fill("BTC", "B" if size > 0 else "A", 60_000.0, abs(size), before, 101 + i * spread, i)
        for i, (before, size) in enumerate(zip(ends[:-1], sizes, strict=True))
    ]
    order.shuffle(rows)
    accounts = opened()
    for row in rows:
        accounts.fill(row)
    assert account(accounts).position[0] == ends[-1]
    assert account(accounts).equity[0] == pytest.approx(10_000.0)
