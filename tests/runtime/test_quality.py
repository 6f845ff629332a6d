"""Which books are not quoted on."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from portfolio_mm.runtime.quality import judge
from portfolio_mm.types import NS, MarketStatus

replace = msgspec.structs.replace


def broken(bench, **columns):
    """The status of asset 1 of three after its columns were changed."""
    snapshot = bench.snapshot(bench.start, bench.prices(3))
    changes = {}
    for name, value in columns.items():
        column = getattr(snapshot, name).copy()
        column[1] = value
        changes[name] = column
    status = judge(replace(snapshot, **changes), 30.0).status
    assert status[0] == status[2] == MarketStatus.OPEN, "the other assets go on"
    return status[1]


def test_a_good_book_is_open(bench):
    assert broken(bench) == MarketStatus.OPEN


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"book_time_ns": 0}, MarketStatus.NO_BOOK),
        ({"bid_price": np.nan}, MarketStatus.EMPTY),
        ({"ask_price": np.nan}, MarketStatus.EMPTY),
        ({"bid_price": 1e9}, MarketStatus.CROSSED),
        ({"status": MarketStatus.HALTED}, MarketStatus.HALTED),
        ({"status": MarketStatus.HALTED, "bid_price": np.nan}, MarketStatus.HALTED),
        ({"status": MarketStatus.STALE}, MarketStatus.OPEN),
    ],
)
def test_reasons(bench, columns, expected):
    assert broken(bench, **columns) == expected


def test_stale_beyond_the_limit_and_not_before(bench):
    for age_s, expected in ((30.0, MarketStatus.OPEN), (30.001, MarketStatus.STALE)):
        time_ns = bench.start - round(age_s * NS)
        assert broken(bench, book_time_ns=time_ns) == expected


def test_a_locked_book_is_crossed(bench):
    snapshot = bench.snapshot(bench.start, bench.prices(1))
    locked = replace(snapshot, ask_price=snapshot.bid_price)
    assert judge(locked, 30.0).status.tolist() == [MarketStatus.CROSSED]
