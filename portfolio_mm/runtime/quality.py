"""Data quality per asset: what must not be quoted on. The other assets go on."""

from __future__ import annotations

import msgspec
import numpy as np

from portfolio_mm.types import NS, MarketSnapshot, MarketStatus


def judge(snapshot: MarketSnapshot, stale_s: float) -> MarketSnapshot:
    """Return the snapshot with the status that its books deserve.

    A book is missing, older than `stale_s` seconds, empty on a side, or crossed. What the venue
    itself reports as halted stays halted. Funding that is not known yet is expected to be zero.
    """
    bid, ask = snapshot.bid_price[:, 0], snapshot.ask_price[:, 0]
    age = snapshot.time_ns - snapshot.book_time_ns
    status = np.select(
        [
            snapshot.status == MarketStatus.HALTED,
            snapshot.book_time_ns == 0,
            age > stale_s * NS,
            ~((bid > 0) & (ask > 0)),
            bid >= ask,
        ],
        [
            MarketStatus.HALTED,
            MarketStatus.NO_BOOK,
            MarketStatus.STALE,
            MarketStatus.EMPTY,
            MarketStatus.CROSSED,
        ],
        default=MarketStatus.OPEN,
    ).astype(np.int64)
    funding = np.nan_to_num(snapshot.funding, nan=0.0)
    return msgspec.structs.replace(snapshot, status=status, funding=funding)
