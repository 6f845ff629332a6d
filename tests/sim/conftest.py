"""Small recordings, written by the tests that replay them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from portfolio_mm.types import NS

START_NS = 1_757_000_000 * NS
"""Zero of the seconds in which the tests write times; an hour ends at 1600 s."""

Row = dict[str, Any]
Ladder = Sequence[tuple[float, float]]


class Recorder:
    """Writes rows with venue times in seconds; each is received `delay_s` later."""

    delay_s = 0.25

    def __init__(self, home: Path) -> None:
        self.home = home

    @staticmethod
    def ns(seconds: float) -> int:
        return START_NS + round(seconds * NS)

    @staticmethod
    def book(t: float, bids: Ladder, asks: Ladder, inst: str = "BTC", **more: Any) -> Row:
        levels = {
            f"{side}_{column}_{level}": value
            for side, ladder in (("bid", bids), ("ask", asks))
            for level, pair in enumerate(ladder)
            for column, value in zip(("px", "sz"), pair, strict=True)
        }
        return {"t": t, "inst": inst, **levels, **more}

    @staticmethod
    def touch(
        t: float, bid: tuple[float, float], ask: tuple[float, float], inst: str = "BTC", **more: Any
    ) -> Row:
        columns = ("bid_px", "bid_sz", "ask_px", "ask_sz")
        return {"t": t, "inst": inst, **dict(zip(columns, bid + ask, strict=True)), **more}

    @staticmethod
    def trade(
        t: float, aggressor: str, px: float, sz: float, inst: str = "BTC", **more: Any
    ) -> Row:
        return {"t": t, "inst": inst, "px": px, "sz": sz, "aggressor": aggressor, **more}

    def frame(self, rows: Sequence[Row]) -> pl.DataFrame:
        return pl.DataFrame(
            [
                {
                    "ts_recv_ns": self.ns(row.get("recv", row["t"] + self.delay_s)),
                    "ts_exch_ns": self.ns(row["t"]),
                }
                | {key: value for key, value in row.items() if key not in ("t", "recv")}
                for row in rows
            ]
        )

    def write(
        self,
        *,
        l2: Sequence[Row] = (),
        bbo: Sequence[Row] = (),
        trades: Sequence[Row] = (),
        drop: dict[str, str] | None = None,
        name: str = "recording",
    ) -> Path:
        folder = self.home / name
        folder.mkdir()
        for file, rows in (("l2_2lvl", l2), ("bbo", bbo), ("trades", trades)):
            if rows:
                table = self.frame(rows).drop((drop or {}).get(file, []))
                table.write_parquet(folder / f"{file}.parquet")
        return folder


@pytest.fixture
def record(tmp_path: Path) -> Recorder:
    """Write recordings into a temporary folder."""
    return Recorder(tmp_path)
