"""The journal: every arrow of the cycle, in order, in one SQLite file.

One table, `journal(seq, ts_ns, kind, body)`, in write-ahead mode, so that it can be read while it
grows. A writer thread compresses and commits; `commit` waits for the disk, which the loop does
before it sends an intent. Times come from the venue, so two runs of one seed write equal rows.
A journal that is appended to belongs to one process at a time: its folder is locked.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import queue
import sqlite3
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, Self, TypeVar

import msgspec

from portfolio_mm.runtime import codec

T = TypeVar("T")

NAME = "journal.sqlite"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS journal (
    seq   INTEGER PRIMARY KEY,
    ts_ns INTEGER NOT NULL,
    kind  TEXT NOT NULL,
    body  BLOB NOT NULL
) STRICT
"""


class JournalError(RuntimeError):
    """A journal that cannot be read or written."""


class JournalLost(JournalError):
    """A journal that can no longer be written: nothing may be sent any more but cancels."""


class Row(NamedTuple):
    """One journalled record, still encoded."""

    ts_ns: int
    kind: str
    body: bytes

    def decode(self, kind: type[T]) -> T:
        """Return the record of type `kind`."""
        return codec.decode(self.body, kind)


class Journal:
    """Append-only writer; use as a context manager.

    Parameters
    ----------
    folder
        The run's folder, made if absent. A journal in it is never overwritten.
    durable
        Commit to the disk itself, not only to the operating system.
    append
        Go on with the journal of an earlier start, if there is one.

    Raises
    ------
    JournalError
        When the folder already holds a journal that is not appended to, another process writes it,
        or it cannot be written.
    """

    def __init__(self, folder: Path, *, durable: bool, append: bool = False) -> None:
        path = folder / NAME
        if path.exists() and not append:
            raise JournalError(f"{path}: a run is journalled there already; name another folder")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._folder = os.open(folder, os.O_RDONLY)
        except OSError as error:
            raise JournalError(f"{path}: cannot be written ({error})") from None
        try:
            fcntl.flock(self._folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            self._database.execute(_SCHEMA)
        except BlockingIOError:
            os.close(self._folder)
            raise JournalError(f"{path}: another process writes it") from None
        except (OSError, sqlite3.Error) as error:
            os.close(self._folder)
            raise JournalError(f"{path}: cannot be written ({error})") from None
        self._rows: queue.SimpleQueue[Row | threading.Event | None] = queue.SimpleQueue()
        self._failure: sqlite3.Error | None = None
        self._thread = threading.Thread(target=self._write, name="journal", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        """Return the writer."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Write what is left and close the file.

        Raises
        ------
        JournalLost
            When the disk refused it and nothing else went wrong.
        """
        self._rows.put(None)
        self._thread.join()
        # One file is left, which readers can open without writing beside it; where somebody reads
        # just now, or the disk is full, the write-ahead log stays.
        with suppress(sqlite3.OperationalError):
            self._database.execute("PRAGMA journal_mode = DELETE")
        self._release()
        if self._failure is not None and kind is None:
            raise JournalLost(f"the journal cannot be written ({self._failure})")

    def write(self, ts_ns: int, kind: str, record: msgspec.Struct) -> None:
        """Append a record; it is encoded now and written soon."""
        self._rows.put(Row(ts_ns, kind, codec.encode(record)))

    def commit(self) -> None:
        """Return when everything written so far is committed.

        Raises
        ------
        JournalLost
            When the disk refused it.
        """
        done = threading.Event()
        self._rows.put(done)
        done.wait()
        if self._failure is not None:
            raise JournalLost(f"the journal cannot be written ({self._failure})")

    def abandon(self) -> None:
        """Let go of the file as a process that dies does: what is not committed is lost."""
        with suppress(queue.Empty):
            while True:
                self._rows.get_nowait()
        self._rows.put(None)
        self._thread.join()
        self._release()

    def _release(self) -> None:
        self._database.close()
        os.close(self._folder)

    def _write(self) -> None:
        """Commit rows in batches: as many as wait, up to the first one that is waited for."""
        closed = False
        while not closed:
            rows, waiting = [], None
            item = self._rows.get()
            while isinstance(item, Row):
                rows.append((item.ts_ns, item.kind, zlib.compress(item.body, 1)))
                if self._rows.empty():
                    break
                item = self._rows.get()
            if isinstance(item, threading.Event):
                waiting = item
            closed = item is None
            if rows and self._failure is None:
                try:
                    self._database.execute("BEGIN")
                    self._database.executemany(
                        "INSERT INTO journal (ts_ns, kind, body) VALUES (?, ?, ?)", rows
                    )
                    self._database.execute("COMMIT")
                except sqlite3.Error as error:
                    self._failure = error
            if waiting is not None:
                waiting.set()


def read(folder: Path, *kinds: str, after: int = 0) -> Iterator[Row]:
    """Yield the rows of a run in order, of the given kinds or of all, behind row number `after`.

    Raises
    ------
    JournalError
        When there is no journal or it cannot be read.
    """
    chosen = f"AND kind IN ({','.join('?' * len(kinds))})" if kinds else ""
    with _opened(folder) as database:
        rows = database.execute(
            f"SELECT ts_ns, kind, body FROM journal WHERE seq > ? {chosen} ORDER BY seq",
            (after, *kinds),
        )
        for ts_ns, kind, body in rows:
            yield Row(ts_ns, kind, zlib.decompress(body))


def newest(folder: Path, *kinds: str) -> tuple[int, Row] | None:
    """Return the last row of the given kinds or of all, and its number; None: there is none.

    Raises
    ------
    JournalError
        When there is no journal or it cannot be read.
    """
    chosen = f"WHERE kind IN ({','.join('?' * len(kinds))})" if kinds else ""
    with _opened(folder) as database:
        found = database.execute(
            f"SELECT seq, ts_ns, kind, body FROM journal {chosen} ORDER BY seq DESC LIMIT 1", kinds
        ).fetchone()
        if found is None:
            return None
        seq, ts_ns, kind, body = found
        return seq, Row(ts_ns, kind, zlib.decompress(body))


def count(folder: Path, kind: str) -> int:
    """Return the number of rows of a kind.

    Raises
    ------
    JournalError
        When there is no journal or it cannot be read.
    """
    with _opened(folder) as database:
        (rows,) = database.execute(
            "SELECT count(*) FROM journal WHERE kind = ?", (kind,)
        ).fetchone()
    return int(rows)


@contextmanager
def _opened(folder: Path) -> Iterator[sqlite3.Connection]:
    """Open the journal of a run for reading; what goes wrong meanwhile is a `JournalError`."""
    path = folder / NAME
    if not path.is_file():
        raise JournalError(f"{path}: no such journal")
    database = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    try:
        yield database
    except (sqlite3.Error, zlib.error) as error:
        raise JournalError(f"{path}: cannot be read ({error})") from None
    finally:
        database.close()


def digest(folder: Path) -> str:
    """Return the SHA-256 of all rows: equal for two runs that did the same."""
    total = hashlib.sha256()
    for row in read(folder):
        total.update(f"{row.ts_ns}/{row.kind}/{len(row.body)}/".encode())
        total.update(row.body)
    return total.hexdigest()
