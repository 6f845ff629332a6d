"""Markouts against a brute-force search of the price path."""

from __future__ import annotations

import math

import numpy as np
import pytest

from portfolio_mm.evaluator import markout
from portfolio_mm.types import NS, Fill


def test_equals_brute_force():
    rng = np.random.default_rng(1)
    times = np.cumsum(rng.integers(NS // 5, 3 * NS, 400))
    path = 4.0 + np.cumsum(1e-4 * rng.normal(size=(400, 2)), axis=0)
    fills = {}
    pending, found = markout.nothing_pending(), []
    for step, now in enumerate(times):
        new = ()
        if step % 7 == 3:
            new = tuple(
                Fill(
                    time_ns=int(now) - int(rng.integers(0, NS)),
                    asset=a,
                    side=1 - 2 * a,
                    price=math.exp(4.0 + 1e-3 * rng.normal()),
                    size=1.0,
                    fee=0.0,
                    maker=True,
                    cloid="",
                    fill_id=10 * step + a,
                )
                for a in (0, 1)
            )
        fills |= {f.fill_id: f for f in new}
        pending, matured = markout.mature(markout.add(pending, new), int(now), path[step])
        found += list(zip(*matured, [step] * len(matured.fill_id), strict=True))
    assert len({(i, h) for i, h, _, _ in found}) == len(found)
    expected = 0
    for f in fills.values():
        for h in markout.HORIZONS_S:
            after = np.flatnonzero(times >= f.time_ns + h * NS)
            if not len(after):
                continue
            expected += 1
            [(_, _, value, step)] = [x for x in found if x[0] == f.fill_id and x[1] == h]
            assert step == after[0], "at the first cycle past the horizon"
            exact = f.side * (path[step, f.asset] - math.log(f.price))
            assert value == pytest.approx(exact, abs=1e-15)
    assert len(found) == expected > 300


def test_nothing_happens_without_fills():
    pending = markout.nothing_pending()
    assert markout.add(pending, ()) is pending
    _, matured = markout.mature(pending, NS, np.zeros(2))
    assert len(matured.fill_id) == 0
