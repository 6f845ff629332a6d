"""Who takes: noise takers and informed takers.

Noise takers of asset i and side s arrive as a Hawkes process

    lambda_k(t) = m(R) (1 - g) a_k + a_k sum_j W_kj sum_{t_n < t of j} b e^(-b (t - t_n)) / a_j

with k = (i, s), rows of W summing to g, so that in the long run-level regime (m = 1) the mean
intensity is the listed a_k: solve  l = (1 - g) a + diag(a) W diag(1/a) l  with l = a. A taker
reaches a depth Exp(kappa) from fair value, so quotes at depth d meet a e^(-kappa d) takers per
second, and wants a lognormal size.

Informed takers look at the book at random times, know fair value somewhat ahead, and take what
is mispriced by more than the taker fee. Noise takers and the moments of these looks depend on
nothing that happens in the books.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from portfolio_mm.types import NS, Floats
from portfolio_mm.venues.settings import Simulated
from sim.market.listing import Listing
from sim.market.market import Market

EXCITATION_PER_S = 0.2
SAME_SIDE, OTHER_SIDE, OTHER_ASSETS = 0.35, 0.10, 0.15
"""Branching ratios: children of a taker on its own stream, the opposite one, and elsewhere."""

SIZE_SPREAD = 0.9
"""Standard deviation of the logarithm of a taker's size."""


class Taker(NamedTuple):
    """An immediate-or-cancel order before it meets the grid."""

    time_ns: int
    asset: int
    side: int  # 0 buys, 1 sells
    limit: float  # USD
    usd: float


class NoiseTakers:
    """The Hawkes process of uninformed takers over all assets and both sides, by thinning."""

    def __init__(
        self,
        listings: Sequence[Listing],
        settings: Simulated,
        market: Market,
        rng: np.random.Generator,
        start_ns: int,
    ) -> None:
        n = len(listings)
        self._market = market
        self._rng = rng
        self._time_s = 0.0
        self._start_ns = start_ns
        self._activity = [r.activity for r in settings.regimes]
        self._arrival = settings.arrival_scale * np.repeat([x.arrival for x in listings], 2)
        self._decay = [x.decay for x in listings]
        self._usd = [x.taker_usd for x in listings]
        weights = _branching(n)
        self._base = (1.0 - weights.sum(axis=1)) * self._arrival
        jump = EXCITATION_PER_S * self._arrival[:, None] * weights / self._arrival
        self._jump = np.ascontiguousarray(jump.T)
        self._excited = np.zeros(2 * n)

    def next(self) -> Taker:
        """Return the next taker; times never decrease."""
        top_activity = max(self._activity)
        while True:
            bound = top_activity * self._base.sum() + self._excited.sum()
            wait = self._rng.exponential(1.0 / bound)
            self._time_s += wait
            self._excited *= math.exp(-EXCITATION_PER_S * wait)
            time_ns = self._start_ns + int(self._time_s * NS)
            activity = self._activity[self._market.regime(time_ns)]
            cumulative = np.cumsum(activity * self._base + self._excited)
            mark = self._rng.random() * bound
            if mark < cumulative[-1]:
                stream = int(np.searchsorted(cumulative, mark, side="right"))
                self._excited += self._jump[stream]
                return self._taker(time_ns, *divmod(stream, 2))

    def _taker(self, time_ns: int, asset: int, side: int) -> Taker:
        reach = self._rng.exponential(1.0 / self._decay[asset])
        fair = float(self._market.fair(time_ns)[asset])
        return Taker(
            time_ns,
            asset,
            side,
            fair * math.exp(reach if side == 0 else -reach),
            self._usd[asset] * math.exp(SIZE_SPREAD * self._rng.standard_normal()),
        )


def _branching(n: int) -> Floats:
    stream = np.arange(2 * n)
    same_asset = stream[:, None] // 2 == stream // 2
    same_side = stream[:, None] % 2 == stream % 2
    weights = np.where(same_asset, np.where(same_side, SAME_SIDE, OTHER_SIDE), 0.0)
    if n > 1:
        weights += np.where(~same_asset & same_side, OTHER_ASSETS / (n - 1), 0.0)
    return weights


class Look(NamedTuple):
    """A moment at which an informed taker looks at one book."""

    time_ns: int
    asset: int
    foresight_ns: int
    usd: float


class InformedTakers:
    """Poisson looks at the books, more of them in busy regimes."""

    LOOKS_PER_ARRIVAL = 6.0
    SIZE = 4.0
    """Median size in medians of noise takers."""
    EDGE = 0.5e-4
    """Fraction beyond the taker fee that makes a trade worthwhile."""

    def __init__(
        self,
        listings: Sequence[Listing],
        settings: Simulated,
        market: Market,
        rng: np.random.Generator,
        start_ns: int,
    ) -> None:
        self._market = market
        self._rng = rng
        self._time_s = 0.0
        self._start_ns = start_ns
        self._foresight_ns = settings.foresight_s * NS
        self._scale = [r.informed for r in settings.regimes]
        rates = np.array([x.arrival for x in listings])
        rates *= self.LOOKS_PER_ARRIVAL * settings.informed_scale
        self._cumulative = np.cumsum(rates)
        self._usd = [x.taker_usd for x in listings]
        self._cost = [x.fees().taker + self.EDGE for x in listings]

    @property
    def active(self) -> bool:
        """Whether there are any."""
        return bool(self._cumulative[-1] > 0.0) and max(self._scale) > 0.0

    def next(self) -> Look:
        """Return the next look; only where `active`."""
        top = max(self._scale)
        while True:
            self._time_s += self._rng.exponential(1.0 / (top * self._cumulative[-1]))
            time_ns = self._start_ns + int(self._time_s * NS)
            if self._rng.random() * top < self._scale[self._market.regime(time_ns)]:
                mark = self._rng.random() * self._cumulative[-1]
                asset = int(np.searchsorted(self._cumulative, mark, side="right"))
                ahead = int(self._rng.random() * self._foresight_ns)
                size = math.exp(SIZE_SPREAD * self._rng.standard_normal())
                return Look(time_ns, asset, ahead, self.SIZE * self._usd[asset] * size)

    def decide(self, look: Look, bid: float, ask: float) -> Taker | None:
        """Return the order that takes what is mispriced, if anything is (0 = empty side)."""
        known = float(self._market.fair(look.time_ns + look.foresight_ns)[look.asset])
        cost = self._cost[look.asset]
        dearest, cheapest = known * (1.0 - cost), known * (1.0 + cost)
        if 0.0 < ask < dearest:
            return Taker(look.time_ns, look.asset, 0, dearest, look.usd)
        if bid > cheapest:
            return Taker(look.time_ns, look.asset, 1, cheapest, look.usd)
        return None
