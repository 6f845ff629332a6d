from __future__ import annotations

from threading import Barrier, Thread

from hypothesis import given
from hypothesis import strategies as st

from portfolio_mm.venues.hyperliquid.nonces import Nonces


@given(st.integers(0, 2**53), st.lists(st.integers(0, 2**53), min_size=1))
def test_nonces_follow_the_clock_and_never_repeat(last: int, clock: list[int]) -> None:
    nonces = Nonces(last)
    given_out = [nonces.next(now) for now in clock]
    assert given_out[0] == max(clock[0], last + 1)
    for now, before, after in zip(clock[1:], given_out, given_out[1:], strict=False):
        assert after == max(now, before + 1)
    assert nonces.last == given_out[-1]


def test_threads_in_one_millisecond_get_different_nonces() -> None:
    nonces, barrier, threads = Nonces(last=50), Barrier(8), 8
    given_out: list[list[int]] = [[] for _ in range(threads)]

    def ask(mine: list[int]) -> None:
        barrier.wait()
        mine.extend(nonces.next(now_ms=40) for _ in range(5_000))

    workers = [Thread(target=ask, args=(mine,)) for mine in given_out]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for mine in given_out:
        assert mine == sorted(mine)
    assert sorted(n for mine in given_out for n in mine) == list(range(51, 51 + threads * 5_000))
