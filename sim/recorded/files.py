"""The files of a recording: their tables, and how they are written so that a crash costs little.

A table's rows come in files of at most an hour, `TABLE_START.parquet`, where START is the instant in
UTC from which the file holds what was received. While its hour lasts, a file exists as parts,
`TABLE_START.partNNNNNN`, one per flush; then the parts become one file. Every file appears whole,
under its final name, or not at all. A part counts only while its file does not exist.
"""

from __future__ import annotations

import fcntl
import os
from bisect import bisect_left
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from portfolio_mm.types import NS

HOUR_NS = 3600 * NS

PART = ".part" + 6 * "[0-9]"

LEVELS = 5
"""Per side of a recorded book. Where fewer were shown there are no more; below the last nothing is known."""

WHOLE, BEST, PRINTS, CONTEXTS, GAPS = "l2_5lvl", "bbo", "trades", "contexts", "gaps"
"""Tables: books, best prices, prints; marks, oracles and funding; when nothing was received."""

_TIMES = {"ts_recv_ns": pl.Int64(), "ts_exch_ns": pl.Int64(), "inst": pl.String()}
_NUMBER = pl.Float64()

SCHEMAS: Mapping[str, Mapping[str, pl.DataType]] = {
    WHOLE: _TIMES
    | {
        f"{side}_{column}_{level}": _NUMBER
        for side in ("bid", "ask")
        for column in ("px", "sz")
        for level in range(LEVELS)
    },
    BEST: _TIMES | dict.fromkeys(("bid_px", "bid_sz", "ask_px", "ask_sz"), _NUMBER),
    PRINTS: _TIMES
    | {
        "px": _NUMBER,
        "sz": _NUMBER,
        "aggressor": pl.String(),
        "trade_id": pl.Int64(),
        "backfill": pl.Boolean(),
    },
    CONTEXTS: _TIMES
    | dict.fromkeys(
        (
            "mark_px",
            "oracle_px",
            "mid_px",
            "impact_bid_px",
            "impact_ask_px",
            "premium",
            "funding",
            "open_interest",
            "day_ntl_vlm",
        ),
        _NUMBER,
    ),
    GAPS: {"ts_recv_ns": pl.Int64(), "from_ns": pl.Int64(), "inst": pl.String()},
}
"""Columns of the tables. Prices and sizes are USD and contracts; `funding` is the hourly rate;
a gap lasts from `from_ns` to `ts_recv_ns`. A time or number that the venue does not say is null."""

Row = tuple[object, ...]


def files(folder: Path, *patterns: str) -> list[Path]:
    """Return the files of a folder whose stems match, in order, with the parts that still count."""
    whole = {path for pattern in patterns for path in folder.glob(f"{pattern}.parquet")}
    parts = {path for pattern in patterns for path in folder.glob(pattern + PART)}
    return sorted(whole | {part for part in parts if part.with_suffix(".parquet") not in whole})


class HourlyWriter:
    """Takes rows of all tables and puts them into files.

    A crash loses the rows since the last `flush`. Parts that an earlier process left are made
    into files when a writer opens their folder.

    Parameters
    ----------
    folder
        Made if it does not exist.
    now_ns
        UTC ns; every row's first column is such a time of receipt, and none is older than this.

    Raises
    ------
    OSError
        When the folder cannot be written to, or another process records into it.
    """

    def __init__(self, folder: Path, now_ns: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._lock = (folder / "lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise BlockingIOError(f"{folder}: another process records into it") from None
        for path in {part.with_suffix(".parquet") for part in folder.glob("*" + PART)}:
            _join(path, SCHEMAS[path.stem.rpartition("_")[0]])
        for unfinished in folder.glob("*.tmp"):
            unfinished.unlink()
        self._rows: dict[str, list[Row]] = {table: [] for table in SCHEMAS}
        self._over: list[tuple[Path, Mapping[str, pl.DataType]]] = []
        self.rows = dict.fromkeys(SCHEMAS, 0)
        self.bytes = 0
        self._start(now_ns)

    @property
    def pending(self) -> int:
        """Rows that are not on disk yet."""
        return sum(map(len, self._rows.values()))

    def add(self, table: str, row: Row) -> None:
        """Take a row; rows come in order of receipt."""
        self._rows[table].append(row)
        self.rows[table] += 1

    def flush(self, now_ns: int) -> None:
        """Put all rows on disk, in the files of the hour in which each was received."""
        if now_ns >= self._end_ns:
            self._put(self._end_ns)
            self._end()
            self._start(max(self._end_ns, now_ns // HOUR_NS * HOUR_NS))
        self._put(now_ns + 1)

    def tidy(self) -> None:
        """Complete one file of an hour that is over: whoever listens cannot wait for all at once."""
        if self._over:
            path, schema = self._over.pop(0)
            _join(path, schema)
            self.bytes += path.stat().st_size

    def close(self, now_ns: int) -> None:
        """Put all rows on disk, complete all files and leave the folder."""
        self.flush(now_ns)
        self._end()
        while self._over:
            self.tidy()
        self._lock.close()

    def _put(self, before_ns: int) -> None:
        """Write the rows that were received before an instant as parts of this span."""
        self._parts += 1  # a number is used once, also where writing fails
        for table, rows in self._rows.items():
            count = bisect_left(rows, before_ns, key=_received)
            if count:
                part = self._path(table).with_suffix(f".part{self._parts:06d}")
                frame = pl.DataFrame(rows[:count], schema=SCHEMAS[table], orient="row")
                temporary = part.with_suffix(f"{part.suffix}.tmp")
                frame.write_parquet(temporary, compression="zstd")
                _appear(temporary, part)
                del rows[:count]

    def _end(self) -> None:
        """Leave the files of this span to be completed."""
        self._over += [(self._path(table), schema) for table, schema in SCHEMAS.items()]

    def _start(self, now_ns: int) -> None:
        self._end_ns = (now_ns // HOUR_NS + 1) * HOUR_NS
        second = now_ns // NS
        while any(self._folder.glob(f"*_{_stamp(second)}.*")):
            second += 1
        self._span = _stamp(second)
        self._parts = 0

    def _path(self, table: str) -> Path:
        return self._folder / f"{table}_{self._span}.parquet"


def _received(row: Row) -> int:
    """Return a row's time of receipt, its first column."""
    received = row[0]
    assert isinstance(received, int)
    return received


def _stamp(second: int) -> str:
    return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H%M%S}"


def _join(path: Path, schema: Mapping[str, pl.DataType]) -> None:
    """Make one file of its parts; where it exists already, they are in it."""
    parts = sorted(path.parent.glob(path.stem + PART))
    if not path.exists():
        temporary = path.with_suffix(".tmp")
        _together(parts, schema).sink_parquet(temporary, compression="zstd")
        _appear(temporary, path)
    for part in parts:
        part.unlink()


def _together(parts: list[Path], schema: Mapping[str, pl.DataType]) -> pl.LazyFrame:
    return pl.scan_parquet(parts) if parts else pl.LazyFrame(schema=schema)


def _appear(temporary: Path, path: Path) -> None:
    """Give a whole file its name."""
    handle = os.open(temporary, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    temporary.replace(path)
