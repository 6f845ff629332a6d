"""The evaluator judges fills by the belief that their quotes were priced with."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest

from portfolio_mm.evaluator import stage
from portfolio_mm.types import NS, Fill


def test_spread_is_measured_from_the_belief_of_the_quote(run_path, bench):
    _, _, snapshot, _, cycle = run_path(1, 20)
    params, state = stage.init(bench.config(bench.universe(1)).evaluator, bench.universe(1), 1.3)
    quoted = cycle.belief
    state, _ = stage.step(params, state, quoted, snapshot, (), ())
    price = math.exp(quoted.log_price[0] - 5e-4)
    bought = Fill(
        time_ns=snapshot.time_ns,
        asset=0,
        side=1,
        price=price,
        size=2.0,
        fee=0.1,
        maker=True,
        cloid="",
        fill_id=1,
    )
    moved = msgspec.structs.replace(
        quoted, log_price=quoted.log_price - 1e-3, time_ns=quoted.time_ns + NS
    )
    state, evaluation = stage.step(params, state, moved, snapshot, (bought,), ())
    assert evaluation.spread[0] == pytest.approx(2.0 * (math.exp(quoted.log_price[0]) - price))
    assert evaluation.fees[0] == 0.1
    assert evaluation.horizon_s.tolist() == [1.0]
    assert evaluation.markout[0] == pytest.approx(5e-4 - 1e-3)
    later = msgspec.structs.replace(moved, time_ns=moved.time_ns + 10 * NS)
    _, evaluation = stage.step(params, state, later, snapshot, (), ())
    assert np.isfinite(evaluation.updates.informed_flow).all()
    assert evaluation.updates.informed_flow.any()
