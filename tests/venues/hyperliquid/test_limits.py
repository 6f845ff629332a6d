from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portfolio_mm.types import NS
from portfolio_mm.venues.hyperliquid.limits import (
    LONGEST_BACKOFF_S,
    RESERVE,
    TRICKLE_NS,
    WEIGHT_PER_MINUTE,
    Exhausted,
    Limiter,
    Ticket,
    Window,
    action_weight,
    full_jitter,
)

MINUTE_NS = 60 * NS


def limiter(*, requests: float = 1e6, cap: float = 1e6) -> Limiter:
    made = Limiter(np.random.default_rng(1))
    made.reading(made.mark(), left=requests, cap=cap)
    return made


@pytest.mark.parametrize(("orders", "weight"), [(1, 1), (39, 1), (40, 2), (79, 2), (80, 3)])
def test_the_weight_of_an_action(orders: int, weight: int) -> None:
    assert action_weight(orders) == weight


requests = st.lists(
    st.tuples(
        st.integers(0, 4 * NS),  # pause before it
        st.integers(1, 300),  # weight or orders
        st.floats(0.0, 1.0),  # when the venue booked it, between sending and answer
        st.integers(0, 12 * NS),  # until the answer
        st.booleans(),  # by the kill switch
        st.booleans(),  # an action
    ),
    max_size=80,
)


@settings(max_examples=150, deadline=None)
@given(requests=requests, budget=st.integers(0, 2000), daily=st.integers(30, 3000))
def test_no_budget_is_ever_exceeded(
    requests: list[tuple[int, int, float, int, bool, bool]], budget: int, daily: int
) -> None:
    limits = limiter(requests=budget, cap=budget)
    limits.daily(daily)
    now, booked, under_way, waits = 0, [], [], []
    acted = spent = 0
    for pause, amount, share, latency, urgent, action in requests:
        now += pause
        for answered, ticket in sorted(under_way):
            if answered <= now:
                limits.settle(ticket, answered)
        under_way = [row for row in under_way if row[0] > now]
        try:
            if action:
                ticket = limits.act(amount, now, urgent=urgent)
                acted += amount
                if spent + amount > budget:
                    assert urgent
                    assert amount == 1
                else:
                    spent += amount
                    assert urgent or spent <= budget - RESERVE
            else:
                ticket = limits.read(amount, now, urgent=urgent)
        except Exhausted as error:
            waits.append(error.wait_ns)
            continue
        booked.append((now + round(share * latency), ticket.weight, urgent))
        under_way.append((now + latency, ticket))
    assert acted <= daily
    assert all(wait > 0 for wait in waits)
    for start, _, _ in booked:
        inside = [row for row in booked if start <= row[0] < start + MINUTE_NS]
        assert sum(weight for _, weight, _ in inside) <= WEIGHT_PER_MINUTE


@settings(max_examples=100, deadline=None)
@given(
    steps=st.lists(
        st.tuples(st.integers(0, 30 * NS), st.integers(1, 40), st.integers(0, 90 * NS)),
        max_size=60,
    ),
    limit=st.integers(1, 100),
)
def test_what_a_window_asks_to_wait_for_is_enough(
    steps: list[tuple[int, int, int]], limit: int
) -> None:
    window, now, answers = Window(limit, MINUTE_NS), 0, defaultdict(float)
    for pause, amount, latency in steps:
        now += pause
        for when in sorted(when for when in answers if when <= now):
            window.settle(answers.pop(when), when)
        if amount > limit:
            continue
        wait = window.wait_ns(amount, now)
        if wait == 0:
            assert window.left(now) >= amount
            window.take(amount)
            answers[now + latency] += amount
        elif not answers:
            assert window.left(now + wait) >= amount


def test_twenty_requests_are_kept_for_the_kill_switch() -> None:
    limits = limiter(requests=25.0, cap=25.0)
    limits.settle(limits.act(5, 0), 0)
    with pytest.raises(Exhausted, match="requests"):
        limits.act(1, 0)
    with pytest.raises(Exhausted):
        limits.act(1, 0, cancels=True)
    limits.settle(limits.act(20, 0, urgent=True), 0)
    assert limits.requests == 0.0


def test_cancels_of_everything_have_an_allowance_beyond_the_budget() -> None:
    limits = limiter(requests=0.0, cap=10_000.0)
    limits.settle(limits.act(40, 0, cancels=True, urgent=True), 0)
    assert limits.requests == -40.0
    with pytest.raises(Exhausted):
        limits.act(40, 0, urgent=True)


def test_an_address_without_requests_sends_one_exit_now_and_then() -> None:
    limits = limiter(requests=0.0, cap=0.0)
    limits.act(1, 0, urgent=True)
    with pytest.raises(Exhausted):
        limits.act(1, TRICKLE_NS - 1, urgent=True)
    limits.act(1, TRICKLE_NS, urgent=True)


def test_a_reading_does_not_forget_what_was_sent_while_it_was_read() -> None:
    limits = limiter(requests=1000.0)
    before = limits.act(3, 0)
    mark = limits.mark()
    limits.act(4, 0)
    limits.settle(before, 1)
    limits.reading(mark, left=900.0, cap=10_000.0)
    assert limits.requests == 900.0 - 3 - 4


def test_the_days_actions_come_back_after_a_day() -> None:
    limits = limiter()
    limits.daily(30.0)
    limits.settle(limits.act(10, 0), 0)
    with pytest.raises(Exhausted, match="day"):
        limits.act(1, 3600 * NS)
    assert limits.actions(0) == 20.0
    assert limits.actions(25 * 3600 * NS) == 30.0


def test_what_an_answer_weighed_less_is_given_back() -> None:
    limits = limiter()
    ticket = limits.read(120, 0)
    limits.settle(limits.lighter(ticket, 23), 0)
    assert limits.weight(0) == WEIGHT_PER_MINUTE - 23


def test_a_429_keeps_everybody_away_but_the_kill_switch() -> None:
    limits = limiter()
    limits.throttled(0)
    with pytest.raises(Exhausted, match="429") as refused:
        limits.act(1, 0)
    assert isinstance(limits.act(1, 0, urgent=True), Ticket)
    limits.read(2, refused.value.wait_ns)


def test_the_back_off_grows_is_bounded_and_starts_anew() -> None:
    rng = np.random.default_rng(3)
    delays = np.array([[full_jitter(rng, k, 1.0, 60.0) for _ in range(500)] for k in range(9)])
    ceilings = np.minimum(2.0 ** np.arange(9), 60.0)
    assert (delays <= ceilings[:, None]).all()
    np.testing.assert_allclose(delays.mean(axis=1), ceilings / 2.0, rtol=0.1)
    limits = limiter()
    for _ in range(50):
        limits.throttled(0)
    with pytest.raises(Exhausted) as refused:
        limits.read(1, 0)
    assert refused.value.wait_ns <= LONGEST_BACKOFF_S * NS
    limits.answered()
    later = 61 * NS
    limits.throttled(later)
    limits.read(1, later + NS)
