"""Fixtures shared by the tests of stages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from portfolio_mm.cycle import build, quote_cycle
from portfolio_mm.types import Events
from sim import synthetic

# Matrices here are small: more BLAS threads than one only wait for each other.
threadpool_limits(limits=1, user_api="blas")

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of recorded data, or a skip."""
    if not DATA.is_dir():
        pytest.skip("no recorded data beside the project")
    return DATA


@pytest.fixture(scope="session")
def bench() -> ModuleType:
    """Builders of synthetic inputs."""
    return synthetic


@pytest.fixture(scope="session")
def run_path() -> Callable[..., tuple]:
    """Run quote cycles along a path; returns stages, the state before the last, inputs, cycle."""

    def run(n: int, steps: int, seed: int = 0, position: np.ndarray | None = None) -> tuple:
        universe = synthetic.universe(n)
        stages, state = build(synthetic.config(universe), universe)
        held = np.zeros(n) if position is None else position
        for snapshot in synthetic.path(n, steps, seed):
            account = synthetic.account(snapshot.time_ns, held, snapshot.mark)
            before = state
            state, cycle = quote_cycle(stages, state, snapshot, account, Events())
        return stages, before, snapshot, account, cycle

    return run
