"""Recorded books and prints of some instruments as one tape in venue-time order.

A whole book replaces the one before; a best price moves its top. Where an instrument has no whole
books, each best price is a book of one level. Prints older than the first book of their instrument
were replayed to the recorder when it subscribed: they are counted, and otherwise left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from portfolio_mm.types import NS, Bools, Floats, Ints
from sim.recorded.recording import EXCH, RECV, DataError, Recording, Table, read

FEED_NS = 400_000_000
"""Delay of a message where only one time was recorded: the median of the Hyperliquid sets."""

GAP_NS = 10 * NS
"""A longer silence of an instrument's books is counted as a gap."""

PRINT, BOOK, TOUCH = 0, 1, 2
"""Kinds of rows, in their order at one instant: a book shows what the prints have left."""

COIN_MARGINED = "-CM"
"""Ending of the names of contracts whose profit is not linear in price."""


class Books(NamedTuple):
    """Book rows of one instrument in venue-time order, (R,) and (R, D). No level: NaN price."""

    exch_ns: Ints
    recv_ns: Ints
    full: Bools  # a whole book, else a best price in level 0
    bid_price: Floats
    bid_size: Floats  # contracts; NaN where the best price came without
    ask_price: Floats
    ask_size: Floats


class Prints(NamedTuple):
    """Trades of all instruments in venue-time order, (K,)."""

    exch_ns: Ints
    recv_ns: Ints
    asset: Ints
    side: Ints  # of the aggressor, +1 lifted asks, -1 hit bids
    price: Floats
    size: Floats
    backfill: Bools  # older than the first book


class Tape(NamedTuple):
    """Everything that was recorded of some instruments; M rows in venue-time order."""

    names: tuple[str, ...]
    books: tuple[Books, ...]
    prints: Prints
    exch_ns: Ints  # (M,)
    asset: Ints  # (M,)
    kind: Ints  # (M,) PRINT, BOOK or TOUCH
    row: Ints  # (M,) in `prints` or in the asset's `books`
    rows: dict[str, int]  # rows of these instruments in each file
    other_rows: int  # rows of other instruments, not used
    start_ns: int  # first book received
    end_ns: int  # last row received

    @property
    def depth(self) -> int:
        """Levels of the deepest book."""
        return max(len(books.bid_price[0]) for books in self.books)

    @property
    def gaps(self) -> dict[str, int]:
        """Silences of each instrument's books longer than ten seconds."""
        return {
            name: int(np.count_nonzero(np.diff(np.sort(books.recv_ns)) > GAP_NS))
            for name, books in zip(self.names, self.books, strict=True)
        }


def instruments(folder: Path) -> tuple[str, ...]:
    """Return the names of all instruments that have books in a folder, sorted.

    Raises
    ------
    DataError
        As `load`.
    """
    return _held(read(folder, FEED_NS))


def load(folder: Path, names: Sequence[str], *, feed_ns: int = FEED_NS) -> Tape:
    """Read the recording of some instruments.

    Parameters
    ----------
    folder
        Folder of Parquet files.
    names
        Instruments, in index order.
    feed_ns
        Delay of messages of which one time only was recorded.

    Raises
    ------
    DataError
        When the folder is missing or holds no books or no prints, when a file cannot be read,
        lacks a column or has values that make no sense, or when an instrument has no book.
    """
    recording = read(folder, feed_ns)
    held = _held(recording)
    absent = [name for name in names if name not in held]
    if absent:
        raise DataError(f"{folder}: no book of {', '.join(absent)}; it holds {_listed(held)}")
    inverse = [name for name in names if name.endswith(COIN_MARGINED)]
    if inverse:
        raise DataError(f"{folder}: {', '.join(inverse)}: coin-margined, not supported")

    books = tuple(_books(recording, name) for name in names)
    for name, rows in zip(names, books, strict=True):
        if not rows.full.any():
            raise DataError(f"{folder}: no book of {name} has a price")
    prints = _prints(recording.prints, names, books)
    order = in_order(books, prints)
    counts = {t.name: int(np.isin(t.texts("inst"), list(names)).sum()) for t in recording.tables}
    return Tape(
        names=tuple(names),
        books=books,
        prints=prints,
        **order._asdict(),
        rows=counts,
        other_rows=sum(t.frame.height for t in recording.tables) - sum(counts.values()),
        start_ns=min(int(rows.recv_ns[rows.full].min()) for rows in books),
        end_ns=int(np.concatenate([prints.recv_ns, *(rows.recv_ns for rows in books)]).max()),
    )


class Order(NamedTuple):
    """Rows of all instruments in venue-time order, (M,) each, as `Tape` has them."""

    exch_ns: Ints
    asset: Ints
    kind: Ints
    row: Ints


def in_order(books: Sequence[Books], prints: Prints) -> Order:
    """Return the order in which rows happened at the venue."""
    streams = [(prints.exch_ns, prints.asset, np.full(len(prints.asset), PRINT))]
    streams += [
        (rows.exch_ns, np.full(len(rows.full), index), np.where(rows.full, BOOK, TOUCH))
        for index, rows in enumerate(books)
    ]
    exch_ns, asset, kind = (np.concatenate(columns) for columns in zip(*streams, strict=True))
    row = np.concatenate([np.arange(len(stream[0])) for stream in streams])
    order = np.lexsort((kind, exch_ns))
    return Order(exch_ns[order], asset[order], kind[order], row[order])


def _held(recording: Recording) -> tuple[str, ...]:
    return tuple(sorted({name for table in recording.books for name in table.texts("inst")}))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"


def _books(recording: Recording, name: str) -> Books:
    whole = [_rows(table, name, full=True) for table in recording.whole]
    best = [_rows(table, name, full=False) for table in recording.best]
    if not any(len(part.full) for part in whole):
        whole, best = [part._replace(full=np.ones_like(part.full)) for part in best], []
    depth = max(part.bid_price.shape[1] for part in whole)
    parts = [_padded(part, depth) for part in whole + best]
    books = Books._make(np.concatenate(columns) for columns in zip(*parts, strict=True))
    # Rows without any price cannot replace a book.
    priced = np.isfinite(books.bid_price[:, 0]) | np.isfinite(books.ask_price[:, 0])
    books = books._replace(full=books.full & priced)
    order = np.lexsort((~books.full, books.exch_ns))
    return Books._make(column[order] for column in books)


def _rows(table: Table, name: str, *, full: bool) -> Books:
    chosen = table.texts("inst") == name
    depth = sum(column.startswith("bid_px_") for column in table.frame.columns)
    suffixes = [f"_{level}" for level in range(max(depth, 1))] if full else [""]
    unsized = not full and not (table.has("bid_sz") or table.has("ask_sz"))

    def levels(column: str) -> Floats:
        columns = [table.numbers(column + suffix)[chosen] for suffix in suffixes]
        return np.column_stack(columns)

    def side(word: str) -> tuple[Floats, Floats]:
        price = levels(f"{word}_px")
        size = np.full_like(price, np.nan) if unsized else levels(f"{word}_sz")
        present = (price > 0.0) & np.isfinite(price) & (np.isnan(size) if unsized else size > 0.0)
        return _stepping_out(np.where(present, price, np.nan), 1 if word == "bid" else -1), size

    times = table.times(EXCH)[chosen], table.times(RECV)[chosen]
    flags = np.full(len(times[0]), full)
    return Books(*times, flags, *side("bid"), *side("ask"))


def _stepping_out(price: Floats, side: int) -> Floats:
    """Keep the levels that step away from the best price; some recordings mix both sides' levels."""
    signed = side * price
    worst = np.fmin.accumulate(signed, axis=1)
    outward = np.ones_like(price, dtype=np.bool_)
    outward[:, 1:] = ~(signed[:, 1:] >= worst[:, :-1])
    return np.where(outward, price, np.nan)


def _padded(books: Books, depth: int) -> Books:
    missing = ((0, 0), (0, depth - books.bid_price.shape[1]))
    levels = (np.pad(column, missing, constant_values=np.nan) for column in books[3:])
    return Books(books.exch_ns, books.recv_ns, books.full, *levels)


def _prints(tables: list[Table], names: Sequence[str], books: tuple[Books, ...]) -> Prints:
    opened = np.array([rows.exch_ns[rows.full][0] for rows in books])
    parts = [_printed(table, names, opened) for table in tables]
    prints = Prints._make(np.concatenate(columns) for columns in zip(*parts, strict=True))
    order = np.argsort(prints.exch_ns, kind="stable")
    return Prints._make(column[order] for column in prints)


def _printed(table: Table, names: Sequence[str], opened: Ints) -> Prints:
    """Return the prints of one file, as they stand there; `opened` is each first book's time."""
    inst, aggressor = table.texts("inst"), table.texts("aggressor")
    price, size = table.numbers("px"), table.numbers("sz")
    for column, sound in (
        ("aggressor", np.isin(aggressor, ["buy", "sell"])),
        ("px", (price > 0.0) & np.isfinite(price)),
        ("sz", (size > 0.0) & np.isfinite(size)),
    ):
        if not sound.all():
            wrong = int((~sound).sum())
            raise DataError(f"{table.path}: column {column} makes no sense in {wrong} rows")
    asset = np.full(len(price), -1, dtype=np.int64)
    for index, name in enumerate(names):
        asset[inst == name] = index
    exch_ns = table.times(EXCH)
    backfill = exch_ns < opened[asset]
    if table.has("backfill"):
        backfill |= table.frame["backfill"].fill_null(value=False).to_numpy()
    prints = Prints(
        exch_ns=exch_ns,
        recv_ns=table.times(RECV),
        asset=asset,
        side=np.where(aggressor == "buy", 1, -1),
        price=price,
        size=size,
        backfill=backfill,
    )
    return Prints._make(column[asset >= 0] for column in prints)
