"""Many runs of the whole engine under faults, one plan per seed.

`python -m sim.faults.campaign --seed S` runs one seed, `--seeds N` that many from S on, `--jobs J`
as many at once, `--sockets` over a real server and real sockets, in real time and without kills,
`--seconds T` with faults for so long. `--crash K` runs the short session instead and kills the
process where a task would be resumed for the K-th time; `--crash all` does so at each of these
points in turn. The exit status is 1 when an invariant is broken, and the command that replays it is
printed.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import NamedTuple

from portfolio_mm.terminal import note, progress
from sim.faults.course import Course, play
from sim.faults.plan import Kind, Plan, Rate, draw

SECONDS = 60.0
"""How long faults strike in a run."""

CRASH = Plan(
    seed=106,
    seconds=15.0,
    rates=(Rate(Kind.LOST_ANSWER, 0.15, 0.0, 15.0), Rate(Kind.DROP, 0.05, 0.0, 15.0)),
    account="unified",
)
"""The short session in which the process is killed at every point in turn: it has fills, orders
that are replaced, answers that are lost, and positions that are closed in the end."""

RUNS_PER_WORKER = 50
"""A worker keeps what its killed processes held in memory, and is replaced after so many runs."""


class Tally(NamedTuple):
    """What a campaign did, and what it found."""

    runs: int
    struck: Counter[str]
    failed: tuple[Course, ...]
    cpu_s: float

    def __str__(self) -> str:
        """Return it in a few lines."""
        faults = ", ".join(f"{kind} {count}" for kind, count in sorted(self.struck.items()))
        return (
            f"{self.runs} runs, {len(self.failed)} failed, {self.cpu_s:.0f} s of processor time\n"
            f"struck: {faults}"
        )


def plans(seed: int, seeds: int, seconds: float = SECONDS) -> list[Plan]:
    """Return the plans of consecutive seeds."""
    return [draw(number, seconds) for number in range(seed, seed + seeds)]


def crash_plan(point: int) -> Plan:
    """Return the short session whose process is killed at one await point; 0 is not at all."""
    return CRASH._replace(kills=(point,) if point else ())


def crash_points() -> int:
    """Return the number of await points of the short session."""
    return run_plan(crash_plan(0)).resumptions[0]


def run_plan(plan: Plan, *, sockets: bool = False) -> Course:
    """Run one plan in a folder of its own."""
    plan = plan._replace(kills=()) if sockets else plan
    with tempfile.TemporaryDirectory(prefix="faults-", dir=_fast_disk()) as folder:
        return play(plan, Path(folder), sockets=sockets)


def campaign(todo: list[Plan], jobs: int, *, sockets: bool = False) -> Iterator[Course]:
    """Run plans, `jobs` at once, and yield the courses as they end.

    Raises
    ------
    RuntimeError
        When a worker dies.
    """
    if jobs == 1:
        for plan in todo:
            yield run_plan(plan, sockets=sockets)
        return
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["sim.faults.course"])
    size = max(1, min(RUNS_PER_WORKER, -(-len(todo) // jobs)))
    waiting = [todo[i : i + size] for i in range(0, len(todo), size)]
    workers: dict[Connection, BaseProcess] = {}
    while waiting or workers:
        while waiting and len(workers) < jobs:
            ours, theirs = context.Pipe(duplex=False)
            worker: BaseProcess = context.Process(
                target=_work, args=(waiting.pop(0), sockets, theirs), daemon=True
            )
            worker.start()
            theirs.close()
            workers[ours] = worker
        for ready in wait(list(workers)):
            assert isinstance(ready, Connection)
            try:
                course = ready.recv()
            except EOFError:
                dead = workers.pop(ready)
                dead.join()
                raise RuntimeError(f"a worker died with status {dead.exitcode}") from None
            if course is None:
                workers.pop(ready).join()
            else:
                yield course


def _work(todo: list[Plan], sockets: bool, results: Connection) -> None:
    """Run plans in a process of their own; None says that it is done."""
    for plan in todo:
        results.send(run_plan(plan, sockets=sockets))
    results.send(None)


def tally(courses: Iterable[Course]) -> Tally:
    """Add up courses."""
    runs, struck, failed, cpu_s = 0, Counter[str](), [], 0.0
    for course in courses:
        runs += 1
        struck.update(course.struck)
        cpu_s += course.cpu_s
        if course.complaints:
            failed.append(course)
    return Tally(runs, struck, tuple(failed), cpu_s)


def replay_command(course: Course, *, sockets: bool = False) -> str:
    """Return the command that runs the same again."""
    plan = course.plan
    if plan._replace(kills=()) == CRASH:
        what = f"--crash {plan.kills[0] if plan.kills else 0}"
    elif plan.seconds != SECONDS:
        what = f"--seed {plan.seed} --seconds {plan.seconds:g}"
    else:
        what = f"--seed {plan.seed}"
    return f"python -m sim.faults.campaign {what}" + (" --sockets" if sockets else "")


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return the exit status."""
    options = _parser().parse_args(arguments)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    match options.crash:
        case None:
            todo = plans(options.seed, options.seeds, options.seconds)
        case "all":
            todo = [crash_plan(point) for point in range(1, crash_points() + 1)]
        case point:
            todo = [crash_plan(int(point))]
    courses = campaign(todo, options.jobs, sockets=options.sockets)
    total = tally(_shown(courses, len(todo), sockets=options.sockets))
    sys.stdout.write(f"{total}\n")
    return 1 if total.failed else 0


def _shown(courses: Iterator[Course], total: int, *, sockets: bool) -> Iterator[Course]:
    """Show progress and failures on the way."""
    failed = 0
    with progress("fault campaign") as advance:
        for done, course in enumerate(courses, 1):
            if course.complaints:
                failed += 1
                note(str(course), f"  replay: {replay_command(course, sockets=sockets)}")
            advance(done / total, f"{done} runs, {failed} failed")
            yield course


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sim.faults.campaign", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="first seed")
    parser.add_argument("--seeds", type=int, default=1, help="how many")
    parser.add_argument("--jobs", type=int, default=1, help="how many at once")
    parser.add_argument("--sockets", action="store_true", help="over real sockets, in real time")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of faults in each run")
    parser.add_argument("--crash", metavar="K", help="kill at the K-th await point, or at 'all'")
    return parser


def _fast_disk() -> str | None:
    """Return a folder in memory where there is one: nothing here has to survive the machine."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


if __name__ == "__main__":
    sys.exit(main())
