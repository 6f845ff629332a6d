"""Streams of messages: delay, order, determinism."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.market.latency import MS, Stream


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=50), st.floats(0, 100))
def test_no_message_overtakes_another(gaps: list[int], jitter: float) -> None:
    stream = Stream(np.random.default_rng(1), 20.0, jitter)
    sent = np.cumsum(gaps).tolist()
    arrived = [stream.arrival(t) for t in sent]
    assert arrived == sorted(arrived)
    assert all(a >= s + 20 * MS for a, s in zip(arrived, sent, strict=True))


def test_mean_delay() -> None:
    stream = Stream(np.random.default_rng(2), 100.0, 30.0)
    delays = [stream.arrival(t) - t for t in range(0, 10**13, 10**9)]
    assert np.mean(delays) / MS == pytest.approx(130.0, abs=1.5)


def test_without_jitter_the_delay_is_constant() -> None:
    stream = Stream(np.random.default_rng(3), 5.0, 0.0)
    assert [stream.arrival(t) - t for t in (0, 7, 10**9)] == [5 * MS] * 3
