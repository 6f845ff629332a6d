"""The files of a recording: readable, with the right columns, and with times on one clock.

Every row has two times: when it happened at the venue and when it was received. Where one of them
was not recorded, the other and a constant delay stand in for it. Where rows were received before
they happened, the recorder's clock was slow: all its times are moved by one constant that
leaves the fastest row the same constant delay.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from portfolio_mm.types import Floats, Ints
from sim.recorded.files import BEST, PRINTS, files

EXCH, RECV = "ts_exch_ns", "ts_recv_ns"


class DataError(ValueError):
    """Recorded data that cannot be replayed; the message names the file and the column."""


class Table(NamedTuple):
    """The rows of one file."""

    path: Path
    frame: pl.DataFrame

    @property
    def name(self) -> str:
        """Name of the file."""
        return self.path.name

    def has(self, column: str) -> bool:
        """Tell whether there is such a column."""
        return column in self.frame.columns

    def times(self, column: str) -> Ints:
        """Return a column of times."""
        return self.frame[column].to_numpy()

    def numbers(self, column: str) -> Floats:
        """Return a column of numbers, NaN where empty."""
        series = self._series(column)
        if not series.dtype.is_numeric():
            raise DataError(f"{self.path}: column {column} holds {series.dtype}, not numbers")
        return series.cast(pl.Float64).to_numpy()

    def texts(self, column: str) -> NDArray[np.object_]:
        """Return a column of words, none of them empty."""
        series = self._series(column)
        if series.dtype != pl.String:
            raise DataError(f"{self.path}: column {column} holds {series.dtype}, not text")
        if series.null_count():
            raise DataError(f"{self.path}: column {column} is empty in {series.null_count()} rows")
        words: NDArray[Any] = series.to_numpy()
        return words.astype(object)

    def _series(self, column: str) -> pl.Series:
        if not self.has(column):
            raise DataError(f"{self.path}: column {column} is missing")
        return self.frame[column]


class Recording(NamedTuple):
    """The files of a folder, by what they hold."""

    whole: list[Table]  # books
    best: list[Table]  # best prices
    prints: list[Table]

    @property
    def books(self) -> list[Table]:
        """Files that hold books of either kind."""
        return self.whole + self.best

    @property
    def tables(self) -> list[Table]:
        """All files that were read."""
        return self.books + self.prints


def read(folder: Path, feed_ns: int) -> Recording:
    """Read all files of books (`l2_*`), best prices and prints (`bbo`, `trades`, each alone or `_*`).

    Any other file is left alone. Files of one table are one after the other, hours of a recorder
    for instance; those of an unfinished hour are its parts (`recording_files`).

    Raises
    ------
    DataError
        When the folder is missing or holds no books or no prints, when a file cannot be read, or
        a row has no time.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder")
    if not files(folder, "*"):
        raise DataError(f"{folder}: holds no Parquet file")
    whole, best = files(folder, "l2_*"), files(folder, BEST, f"{BEST}_*")
    prints = files(folder, PRINTS, f"{PRINTS}_*")
    if not whole and not best:
        raise DataError(f"{folder}: holds no books (l2_*.parquet or bbo.parquet)")
    if not prints:
        raise DataError(f"{folder}: holds no trades.parquet")
    tables = [_read(path) for path in whole + best + prints]
    shift = _clock_shift(tables, feed_ns)
    timed = [_timed(table, shift, feed_ns) for table in tables]
    books = len(whole) + len(best)
    return Recording(timed[: len(whole)], timed[len(whole) : books], timed[books:])


def _read(path: Path) -> Table:
    try:
        frame = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise DataError(f"{path}: not a readable Parquet file ({reason})") from None
    missing = [column for column in (EXCH, RECV) if column not in frame.columns]
    if len(missing) == 2:
        raise DataError(f"{path}: columns {EXCH} and {RECV} are missing, one is needed")
    for column in {EXCH, RECV}.difference(missing):
        if not frame[column].dtype.is_integer():
            raise DataError(f"{path}: column {column} holds {frame[column].dtype}, not integers")
    return Table(path, frame.with_columns(pl.lit(None, pl.Int64).alias(c) for c in missing))


def _clock_shift(tables: list[Table], feed_ns: int) -> int:
    delays = (table.frame.select((pl.col(RECV) - pl.col(EXCH)).min()).item() for table in tables)
    fastest = min((int(delay) for delay in delays if delay is not None), default=0)
    return feed_ns - fastest if fastest < 0 else 0


def _timed(table: Table, shift: int, feed_ns: int) -> Table:
    received = pl.col(RECV) + shift
    frame = table.frame.with_columns(
        pl.coalesce(pl.col(EXCH), received - feed_ns).alias(EXCH),
        pl.coalesce(received, pl.col(EXCH) + feed_ns).alias(RECV),
    )
    timeless = frame[EXCH].null_count()
    if timeless:
        raise DataError(f"{table.path}: columns {EXCH}, {RECV}: {timeless} rows without a time")
    return Table(table.path, frame)
