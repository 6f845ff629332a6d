"""Book imbalance by hand."""

from __future__ import annotations

import numpy as np
import pytest

from portfolio_mm.sensor.book import imbalance

BID = np.array([[99.9, 99.8, 99.0, np.nan]])
BID_SIZE = np.array([[3.0, 2.0, 50.0, 0.0]])
ASK = np.array([[100.1, 100.3, np.nan, np.nan]])
ASK_SIZE = np.array([[1.0, 4.0, 0.0, 0.0]])
MID = np.log([100.0])


@pytest.mark.parametrize(
    ("depth", "expected"),
    [
        (5e-4, 0.0),  # nothing this near
        (15e-4, (3.0 - 1.0) / 4.0),
        (25e-4, (5.0 - 1.0) / 6.0),
        (50e-4, (5.0 - 5.0) / 10.0),
        (0.02, (55.0 - 5.0) / 60.0),
    ],
)
def test_by_hand(depth, expected):
    assert imbalance(BID, BID_SIZE, ASK, ASK_SIZE, MID, depth)[0] == pytest.approx(expected)


def test_no_book_is_balanced():
    nothing, none = np.full((1, 4), np.nan), np.zeros((1, 4))
    assert imbalance(nothing, none, nothing, none, np.zeros(1), 0.01)[0] == 0.0
