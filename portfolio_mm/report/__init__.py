"""The portfolio risk report of a run, from its journal only."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np

from portfolio_mm.report.columns import History
from portfolio_mm.report.history import load
from portfolio_mm.report.measure import summary
from portfolio_mm.report.summary import Summary

__all__ = ["History", "Summary", "load", "summary", "write"]


STEPS = 12
"""Reading, ten figures, the overview."""


def write(
    run: Path, *, asset: str | None, progress: Callable[[float, str], None]
) -> tuple[Summary, list[Path]]:
    """Write report.html, report.png and report.json into the folder of a run.

    Parameters
    ----------
    run
        Folder of the run.
    asset
        Whose quotes to draw and trace; None takes the one with most fills.
    progress
        Told which fraction is done, and what comes next.

    Returns
    -------
    The numbers and the files written.

    Raises
    ------
    JournalError
        When the journal cannot be read.
    ValueError
        When no such asset was traded; the message names those that were.
    """
    done = itertools.count()

    def tell(words: str) -> None:
        progress(next(done) / STEPS, words)

    tell("reading the journal")
    history = load(run)
    index = _index(history, asset)
    numbers = summary(history)

    # Drawing takes most of a second to import, and only this needs it.
    from portfolio_mm.report import style  # noqa: PLC0415
    from portfolio_mm.report.overview import SIZE, overview  # noqa: PLC0415
    from portfolio_mm.report.page import page  # noqa: PLC0415

    html = page(history, numbers, index, tell)
    tell("drawing the overview")
    contents = {
        "report.html": html.encode(),
        "report.png": style.png(lambda figure: overview(figure, history, numbers, index), *SIZE),
        "report.json": msgspec.json.format(msgspec.json.encode(numbers), indent=1),
    }
    for name, content in contents.items():
        (run / name).write_bytes(content)
    return numbers, [run / name for name in contents]


def _index(history: History, asset: str | None) -> int:
    """Return the column of an asset, given or of the one with most fills."""
    names = history.universe.names
    if asset is None:
        return int(np.bincount(history.fills.asset, minlength=len(names)).argmax())
    if asset not in names:
        raise ValueError(f"no asset {asset!r} in this run; there are {', '.join(names)}")
    return names.index(asset)
