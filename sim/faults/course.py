"""What became of one run, and whether everything held."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from portfolio_mm.executor import stage as executor
from portfolio_mm.executor.allocation import Allocator
from sim.faults.invariants import complaints
from sim.faults.plan import Plan
from sim.faults.session import Life, Session


class Course(NamedTuple):
    """What became of one run."""

    plan: Plan
    lives: tuple[Life, ...]
    struck: Counter[str]
    fills: int
    orders: int
    complaints: tuple[str, ...]
    cpu_s: float

    @property
    def resumptions(self) -> tuple[int, ...]:
        """Await points of each start."""
        return tuple(life.resumptions for life in self.lives)

    def __str__(self) -> str:
        """Return it in a few lines."""
        lives = " | ".join(f"{life.how} #{life.resumptions}" for life in self.lives)
        return "\n".join(
            [
                str(self.plan),
                f"  lives: {lives}; {self.orders} orders, {self.fills} fills",
                *(f"  broken: {complaint}" for complaint in self.complaints),
            ]
        )


def play(plan: Plan, folder: Path, *, sockets: bool = False) -> Course:
    """Run a plan, in process on the virtual clock or over real sockets, and check what must hold."""
    begun = time.process_time()
    # Compiled programmes are shared between engines: an answer depends on its data alone.
    with patch.object(executor, "Allocator", _shared):
        session = Session(plan, folder, sockets=sockets)
        try:
            session.live_through()
        finally:
            session.ground.close()
        broken = tuple(session.failures) or complaints(session)
    account = session.account
    return Course(
        plan=plan,
        lives=tuple(session.lives),
        struck=session.struck,
        fills=len(account.fills),
        orders=len(account.history),
        complaints=broken,
        cpu_s=time.process_time() - begun,
    )


_PROGRAMMES: dict[tuple[Any, ...], Allocator] = {}


def _shared(
    n_assets: int, n_levels: int, *, n_rows: int, margin_pattern: NDArray[np.bool_]
) -> Allocator:
    key = (n_assets, n_levels, n_rows, margin_pattern.tobytes())
    if key not in _PROGRAMMES:
        _PROGRAMMES[key] = Allocator(
            n_assets, n_levels, n_rows=n_rows, margin_pattern=margin_pattern
        )
    return _PROGRAMMES[key]
