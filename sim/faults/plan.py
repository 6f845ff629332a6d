"""What goes wrong in one run, drawn from a seed and printed as one line.

Messages of the websocket are dropped, delayed, duplicated or overtaken; requests never arrive,
arrive late, or are executed and the answer is lost; the venue answers with an error or half a
body; sockets close, the network is down for a while, the venue restarts, the process is killed,
the disk fills up. Rates hold within windows of time, so that every run also has calm phases.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal, NamedTuple

import numpy as np


class Kind(StrEnum):
    """What can go wrong; the first four with a frame, the next with a request."""

    DROP = "drop"
    DELAY = "delay"
    DUPLICATE = "duplicate"
    REORDER = "reorder"
    REFUSED = "refused"  # no connection: it certainly never left
    LOST_REQUEST = "lost-request"  # it never arrives
    LATE_REQUEST = "late-request"  # given up on, it arrives afterwards
    LOST_ANSWER = "lost-answer"  # executed, and nothing comes back
    RATE_LIMITED = "429"  # not executed
    UNAVAILABLE = "503"  # not executed
    BAD_GATEWAY = "502"  # executed
    HALF_BODY = "half-body"  # executed, the connection breaks within the answer
    GARBLED = "garbled"  # executed, the answer ends in the middle and says it is whole
    CLOSE = "close"
    GAP = "gap"
    RESTART = "restart"
    KILL = "kill"
    DISK_FULL = "disk-full"


FRAMES = (Kind.DROP, Kind.DELAY, Kind.DUPLICATE, Kind.REORDER)
REQUESTS = (
    Kind.REFUSED,
    Kind.LOST_REQUEST,
    Kind.LATE_REQUEST,
    Kind.LOST_ANSWER,
    Kind.RATE_LIMITED,
    Kind.UNAVAILABLE,
    Kind.BAD_GATEWAY,
    Kind.HALF_BODY,
    Kind.GARBLED,
)


class Ending(StrEnum):
    """What stops the engine when the faults are over."""

    MANUAL = "manual"
    LOSS = "loss"  # the loss limit
    SILENCE = "silence"  # no market data any more
    SKEW = "skew"  # the clock is wrong
    POSITION = "position"  # beyond its hard limit


class Rate(NamedTuple):
    """A kind of fault that hits each message with one probability, within a window."""

    kind: Kind
    probability: float
    start_s: float
    end_s: float

    def __str__(self) -> str:
        return f"{self.kind} {self.probability:.3f}@{self.start_s:.1f}-{self.end_s:.1f}"


class Plan(NamedTuple):
    """Everything that goes wrong in one run; times are seconds from its start."""

    seed: int
    seconds: float = 60.0  # faults end then
    rates: tuple[Rate, ...] = ()
    closes: tuple[float, ...] = ()  # all sockets are closed
    gaps: tuple[tuple[float, float], ...] = ()  # from, to: the network is down
    restarts: tuple[tuple[float, float], ...] = ()  # when, seconds of the post-only phase
    kills: tuple[int, ...] = ()  # of the first, second, ... process: at which await point
    disk_full_s: float | None = None
    ending: Ending = Ending.MANUAL
    account: Literal["standard", "unified"] = "standard"

    def __str__(self) -> str:
        """Return the plan in one line."""
        parts = [f"seed {self.seed}", f"{self.seconds:.0f} s {self.account}"]
        parts += map(str, self.rates)
        parts += [f"{Kind.CLOSE}@{time:.1f}" for time in self.closes]
        parts += [f"{Kind.GAP}@{start:.1f}-{end:.1f}" for start, end in self.gaps]
        parts += [f"{Kind.RESTART}@{time:.1f}+{phase:.1f}" for time, phase in self.restarts]
        parts += [f"{Kind.KILL}#{point}" for point in self.kills]
        if self.disk_full_s is not None:
            parts.append(f"{Kind.DISK_FULL}@{self.disk_full_s:.1f}")
        return "; ".join([*parts, f"ending {self.ending}"])

    def down(self, elapsed_s: float) -> bool:
        """Say whether the network is down."""
        return any(start <= elapsed_s < end for start, end in self.gaps)

    def chances(self, kinds: tuple[Kind, ...], elapsed_s: float) -> list[tuple[Kind, float]]:
        """Return the probability of each of `kinds` that can strike now."""
        return [
            (rate.kind, rate.probability)
            for rate in self.rates
            if rate.kind in kinds and rate.start_s <= elapsed_s < rate.end_s
        ]

    def silent(self, elapsed_s: float) -> bool:
        """Say whether no frame arrives any more."""
        return self.ending is Ending.SILENCE and elapsed_s >= self.seconds


SHARE_OF_RATES = 0.4
"""Of the runs in which a given kind of rate occurs."""

FRAME_PROBABILITY = (0.005, 0.2)
REQUEST_PROBABILITY = (0.02, 0.5)
AWAITS = (0, 6000)
"""Of one process until it is killed: from its first await to about the end of a run."""


def draw(seed: int, seconds: float = 60.0) -> Plan:
    """Return the plan of a seed: about two in five of all kinds of faults, in windows.

    A window starts uniformly within the run and lasts an exponential time of a third of it;
    probabilities are log-uniform.
    """
    rng = np.random.default_rng([seed, 0x0FA1])
    rates = []
    for kind in (*FRAMES, *REQUESTS):
        low, high = FRAME_PROBABILITY if kind in FRAMES else REQUEST_PROBABILITY
        probability = float(np.exp(rng.uniform(np.log(low), np.log(high))))
        start, end = _window(rng, seconds, seconds / 3.0)
        if rng.random() < SHARE_OF_RATES:
            rates.append(Rate(kind, probability, start, end))
    closes = sorted(rng.uniform(0.0, seconds, rng.poisson(0.5)).tolist())
    gaps = sorted(_window(rng, seconds, 6.0) for _ in range(rng.poisson(0.4)))
    restarts = [(float(rng.uniform(1.0, seconds)), float(rng.uniform(1.0, 15.0)))]
    kills = [int(low) for low in np.exp(rng.uniform(0.0, np.log(AWAITS[1]), rng.poisson(0.7)))]
    full = float(rng.uniform(0.0, seconds))
    return Plan(
        seed=seed,
        seconds=seconds,
        rates=tuple(rates),
        closes=tuple(closes),
        gaps=tuple(gaps),
        restarts=tuple(restarts) if rng.random() < 0.2 else (),
        kills=tuple(kills),
        disk_full_s=full if rng.random() < 0.08 else None,
        ending=Ending(rng.choice(list(Ending), p=ENDING_SHARES)),
        account="unified" if rng.random() < 0.5 else "standard",
    )


ENDING_SHARES = (0.6, 0.1, 0.1, 0.1, 0.1)


def _window(rng: np.random.Generator, seconds: float, mean_s: float) -> tuple[float, float]:
    start = float(rng.uniform(0.0, seconds))
    return start, min(seconds, start + float(rng.exponential(mean_s)))
