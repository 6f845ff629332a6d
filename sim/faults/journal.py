"""A journal of which a killed process leaves no more than what a disk would have."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from pathlib import Path

import msgspec
import numpy as np

from portfolio_mm.runtime.journal import Journal, JournalError


class MortalJournal(Journal):
    """A journal whose rows reach the disk when they are committed, in order.

    Between two commits the operating system may have written any number of the rows that wait:
    `die` draws how many it was. `fill_disk` makes the disk full from then on.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, durable=False, append=True)
        self._waiting: list[tuple[int, str, msgspec.Struct]] = []

    def write(self, ts_ns: int, kind: str, record: msgspec.Struct) -> None:
        """Append a record to what waits for the next commit."""
        self._waiting.append((ts_ns, kind, record))

    def commit(self) -> None:
        """Hand everything to the disk."""
        self._hand_over(len(self._waiting))
        super().commit()

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        """Write what is left and close the file."""
        self._hand_over(len(self._waiting))
        super().__exit__(kind, *rest)

    def die(self, rng: np.random.Generator) -> None:
        """End as the process is killed: some of what waits was written, the rest is lost."""
        self._hand_over(int(rng.integers(len(self._waiting) + 1)))
        with suppress(JournalError):
            super().commit()
        super().abandon()

    def fill_disk(self) -> None:
        """Let the file have no more pages than it has."""
        database: sqlite3.Connection = self._database
        database.execute("PRAGMA max_page_count = 1")

    def _hand_over(self, rows: int) -> None:
        for row in self._waiting[:rows]:
            super().write(*row)
        del self._waiting[:rows]
