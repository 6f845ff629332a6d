"""Replay a journal: the same inputs must give the same quotes, byte for byte.

Every opening row starts anew, from the state that it carries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
from threadpoolctl import threadpool_limits

from portfolio_mm.cycle import quote_cycle
from portfolio_mm.runtime import codec
from portfolio_mm.runtime.journal import JournalError, Row, count, read
from portfolio_mm.runtime.loop import opened
from portfolio_mm.runtime.records import Opening
from portfolio_mm.types import AccountState, Events, MarketSnapshot


class Verification(NamedTuple):
    """What a replay found."""

    cycles: int
    different: tuple[int, ...]  # times of the cycles whose quotes differ, ns


def verify(folder: Path, progress: Callable[[float], None] | None = None) -> Verification:
    """Run every journalled cycle again and compare its quotes with the journalled ones.

    Parameters
    ----------
    folder
        The run's folder.
    progress
        Called with the share of cycles that are done.

    Raises
    ------
    JournalError
        When the journal cannot be read, is of another version, or does not start with an opening.
    """
    try:
        with threadpool_limits(limits=1, user_api="blas"):
            return _verify(read(folder), count(folder, "events"), progress)
    except msgspec.MsgspecError as error:
        raise JournalError(f"{folder}: the journal is of another version ({error})") from None


def _verify(
    rows: Iterator[Row], total: int, progress: Callable[[float], None] | None
) -> Verification:
    first = next(rows, None)
    if first is None or first.kind != "opening":
        raise JournalError("the journal does not start with an opening")
    stages, state = opened(first.decode(Opening))
    inputs: dict[str, Row] = {}
    quotes = b""
    cycles, different = 0, []
    for row in rows:
        inputs[row.kind] = row
        if row.kind == "opening":
            stages, state = opened(row.decode(Opening))
        elif row.kind == "events":
            state, cycle = quote_cycle(
                stages,
                state,
                inputs["snapshot"].decode(MarketSnapshot),
                inputs["account"].decode(AccountState),
                row.decode(Events),
            )
            quotes = codec.encode(cycle.quotes)
            cycles += 1
            if progress is not None:
                progress(cycles / total)
        elif row.kind == "quotes" and row.body != quotes:
            different.append(row.ts_ns)
    return Verification(cycles, tuple(different))
