from __future__ import annotations

from collections import Counter

from sim.faults.plan import FRAMES, REQUESTS, Ending, Kind, Plan, Rate, draw


def test_a_seed_gives_one_plan() -> None:
    assert [draw(seed) for seed in range(50)] == [draw(seed) for seed in range(50)]
    assert len({str(draw(seed)) for seed in range(50)}) == 50


def test_a_plan_prints_as_one_line_that_names_all_its_parts() -> None:
    plan = Plan(
        seed=3,
        rates=(Rate(Kind.DROP, 0.125, 1.0, 2.0),),
        closes=(4.0,),
        gaps=((5.0, 6.5),),
        restarts=((7.0, 3.0),),
        kills=(12, 300),
        disk_full_s=8.0,
        ending=Ending.LOSS,
    )
    assert str(plan) == (
        "seed 3; 60 s standard; drop 0.125@1.0-2.0; close@4.0; gap@5.0-6.5; restart@7.0+3.0; "
        "kill#12; kill#300; disk-full@8.0; ending loss"
    )
    assert all("\n" not in str(draw(seed)) for seed in range(100))


def test_every_kind_of_fault_occurs_and_every_kind_is_absent_somewhere() -> None:
    plans = [draw(seed) for seed in range(500)]
    seen: Counter[Kind] = Counter()
    for plan in plans:
        seen.update({rate.kind for rate in plan.rates})
        seen[Kind.CLOSE] += bool(plan.closes)
        seen[Kind.GAP] += bool(plan.gaps)
        seen[Kind.RESTART] += bool(plan.restarts)
        seen[Kind.KILL] += bool(plan.kills)
        seen[Kind.DISK_FULL] += plan.disk_full_s is not None
    assert set(seen) == set(Kind)
    assert min(seen.values()) >= 20
    assert max(seen.values()) < len(plans)
    assert {plan.ending for plan in plans} == set(Ending)


def test_all_faults_lie_within_the_run() -> None:
    for seed in range(200):
        plan = draw(seed, 30.0)
        times = [t for rate in plan.rates for t in (rate.start_s, rate.end_s)]
        times += [*plan.closes, *(t for gap in plan.gaps for t in gap)]
        assert all(0.0 <= time <= 30.0 for time in times)
        assert all(0.0 < rate.probability <= 0.5 for rate in plan.rates)
        assert all(point >= 1 for point in plan.kills)


def test_chances_are_those_of_the_moment_and_of_the_kinds_asked_for() -> None:
    plan = Plan(seed=0, rates=(Rate(Kind.DROP, 0.1, 0.0, 10.0), Rate(Kind.REFUSED, 0.2, 5.0, 9.0)))
    assert plan.chances(FRAMES, 6.0) == [(Kind.DROP, 0.1)]
    assert plan.chances(REQUESTS, 6.0) == [(Kind.REFUSED, 0.2)]
    assert plan.chances(REQUESTS, 9.0) == []
