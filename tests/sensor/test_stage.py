"""The sensor: what is an observation, and what is not."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from portfolio_mm.config import Sensor
from portfolio_mm.sensor import stage
from portfolio_mm.types import NS, MarketStatus, Target


def run(bench, snapshots, config=None):
    params, state = stage.init(config or Sensor(), bench.universe(len(snapshots[0].mark)))
    results = []
    for snapshot in snapshots:
        state, observations = stage.step(params, state, snapshot)
        results.append(observations)
    return results


def of(observations, target):
    return observations.asset[observations.target == target].tolist()


def test_each_new_book_is_observed_once_and_a_repeated_one_is_not(bench):
    first = bench.snapshot(bench.start, bench.prices(3))
    later = msgspec.structs.replace(first, time_ns=bench.start + NS)
    moved = first.book_time_ns.copy()
    moved[1] += NS
    partly = msgspec.structs.replace(later, book_time_ns=moved)
    seen = [of(o, Target.FAIR_VALUE) for o in run(bench, [first, later, partly])]
    assert seen == [[0, 1, 2], [], [1]]


@pytest.mark.parametrize("status", [MarketStatus.STALE, MarketStatus.CROSSED, MarketStatus.HALTED])
def test_a_market_that_is_not_open_is_not_observed(bench, status):
    snapshot = bench.snapshot(bench.start, bench.prices(2))
    snapshot = msgspec.structs.replace(snapshot, status=np.array([status, MarketStatus.OPEN]))
    [observations] = run(bench, [snapshot])
    assert of(observations, Target.FAIR_VALUE) == [1]
    assert not observations.features[0].any()


def test_values_noise_and_age(bench):
    snapshot = bench.snapshot(bench.start, bench.prices(2), half_spread=3e-4)
    [observations] = run(bench, [snapshot])
    np.testing.assert_allclose(observations.value, np.log(bench.prices(2)), rtol=1e-12)
    np.testing.assert_allclose(observations.variance, (3e-4) ** 2 / 3.0, rtol=1e-5)
    np.testing.assert_allclose(observations.age, 0.1)


def test_a_book_from_the_future_has_no_age(bench):
    snapshot = bench.snapshot(bench.start, bench.prices(1))
    ahead = msgspec.structs.replace(snapshot, book_time_ns=np.array([bench.start + NS]))
    assert run(bench, [ahead])[0].age.tolist() == [0.0]


def test_one_sampling_grid_for_all_assets(bench):
    """Returns of all assets are due in the same cycles, whenever their books came."""
    price = bench.prices(2)
    snapshots = []
    for second in range(30):
        snapshot = bench.snapshot(bench.start + second * NS, price * np.exp(1e-4 * second))
        lag = NS * np.array([1, 4 if second % 2 else 7]) // 10
        snapshots.append(msgspec.structs.replace(snapshot, book_time_ns=snapshot.time_ns - lag))
    results = run(bench, snapshots)
    due = [np.isfinite(o.returns).all() for o in results]
    assert due == [np.isfinite(o.returns).any() for o in results]
    assert np.flatnonzero(due).tolist() == [5, 10, 15, 20, 25]
    for second in (5, 10):
        np.testing.assert_allclose(results[second].returns, 5e-4, rtol=1e-9)
        assert of(results[second], Target.LOG_VARIANCE) == [0, 1]
    assert results[5].interval == pytest.approx([5.0, 5.3])


def test_a_missed_sample_spans_the_whole_time(bench):
    price = bench.prices(1)
    snapshots = [bench.snapshot(bench.start + s * NS, price * np.exp(1e-4 * s)) for s in range(11)]
    snapshots[5] = msgspec.structs.replace(snapshots[5], status=np.array([MarketStatus.STALE]))
    results = run(bench, snapshots)
    assert np.isnan(results[5].returns).all()
    assert results[10].returns[0] == pytest.approx(1e-3)
    assert results[10].interval[0] == pytest.approx(10.0)


def test_loadings_make_drift_observations_and_only_then(bench):
    snapshots = bench.path(2, 3, seed=1)
    for observations in run(bench, snapshots):
        assert of(observations, Target.DRIFT) == []
    config = Sensor(loadings={"flow": (2e-6, 3e-6)})
    for observations in run(bench, snapshots, config):
        drift = observations.target == Target.DRIFT
        assert of(observations, Target.DRIFT) == [0, 1]
        np.testing.assert_allclose(observations.value[drift], 2e-6 * observations.features[:, -1])
        np.testing.assert_allclose(observations.variance[drift], 9e-12)


def test_flow_counts_only_where_a_fair_value_is_known(bench):
    price = bench.prices(2)
    prints = [
        bench.trades([(i, 1, price[i] * 1.001, 1.0, bench.start + s)]) for s, i in ((0, 0), (NS, 0))
    ]
    snapshots = [bench.snapshot(bench.start + s * NS, price, p) for s, p in enumerate(prints)]
    first, second = run(bench, snapshots)
    assert not first.takers.any()
    assert not first.exposure.any()
    assert second.takers.tolist() == [[0.0, 1.0], [0.0, 0.0]]
    assert second.reach[0, 1] == pytest.approx(np.log(1.001))
    assert second.exposure.tolist() == [1.0, 1.0]


def test_books_without_prices_give_nothing_and_no_warning(bench):
    snapshot = bench.snapshot(bench.start, bench.prices(3))
    empty = msgspec.structs.replace(
        snapshot,
        **{name: np.full((3, 5), np.nan) for name in ("bid_price", "ask_price")},
        **{name: np.zeros((3, 5)) for name in ("bid_size", "ask_size")},
    )
    after = msgspec.structs.replace(
        snapshot, time_ns=bench.start + 5 * NS, book_time_ns=snapshot.book_time_ns + 5 * NS
    )
    first, second, third = run(bench, [empty, after, empty])
    assert len(first.asset) == len(third.asset) == 0
    assert of(second, Target.FAIR_VALUE) == [0, 1, 2]
    assert np.isfinite(second.features).all()
