"""Latent fair values: correlated diffusion, mean-reverting drift, three regimes.

    dv_i = mu_i dt + s(R) sigma_i (sum_f L_if dW_f + c_i dW_i)
    dmu_i = -k mu_i dt + d(R) eta_i (sum_f L_if dB_f + c_i dB_i)

with loadings L on a market and a sector factor, c_i^2 = 1 - sum_f L_if^2, and one regime R for the
whole portfolio, a continuous-time Markov chain over quiet, trending and crisis that scales
volatility and drift. eta_i is set so that drift held over its life 1/k moves the price by
`drift_share` times what diffusion does: stationary sd of mu is drift_share * sigma * sqrt(k).

The path lives on a fixed grid, is generated in blocks as time advances, and depends on nothing
that happens in the market.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from portfolio_mm.types import DAY_S, NS, Floats, Ints
from portfolio_mm.venues.settings import Simulated
from sim.market.listing import FACTORS, Listing

STEP_NS = NS // 10
"""Spacing of the grid."""

BLOCK = 4096
YEAR_S = 365.0 * DAY_S
START = 0
NEXT = np.array([[0.0, 0.85, 0.15], [0.7, 0.0, 0.3], [0.4, 0.6, 0.0]])
"""Probability of the next regime, given the one that ends."""


class Market:
    """Fair values and the regime on the grid, from one seed."""

    def __init__(
        self,
        listings: Sequence[Listing],
        settings: Simulated,
        seed: np.random.SeedSequence,
        start_ns: int,
    ) -> None:
        prices, regimes, drifts = seed.spawn(3)
        self._rng = np.random.default_rng(prices)
        self._drift_rng = np.random.default_rng(drifts)
        self._regime_rng = np.random.default_rng(regimes)
        self._settings = settings
        self._start_ns = start_ns
        self._loadings = _loadings(listings)
        self._own = np.sqrt(1.0 - np.sum(self._loadings**2, axis=1))
        annual = np.array([listing.volatility for listing in listings])
        self.sigma: Floats = settings.volatility_scale * annual / math.sqrt(YEAR_S)
        self._log_price = np.log([listing.price for listing in listings])
        self._drift = np.zeros(len(listings))
        self._current = START
        self._left_s = self._stay(START)
        self._volatility = np.array([r.volatility for r in settings.regimes])
        self._drift_scale = np.array([r.drift for r in settings.regimes])
        self._prices: list[Floats] = []
        self._regimes: list[NDArray[np.int8]] = []

    @property
    def correlation(self) -> Floats:
        """True correlation of returns, (N, N)."""
        common: Floats = self._loadings @ self._loadings.T
        return common + np.diag(self._own**2)

    def fair(self, time_ns: int) -> Floats:
        """Return the true fair values in USD at a time, (N,); before the start, the first."""
        block, row = divmod(max(time_ns - self._start_ns, 0) // STEP_NS, BLOCK)
        self._extend(block)
        values: Floats = self._prices[block][row]
        return values

    def regime(self, time_ns: int) -> int:
        """Return the true regime at a time: 0 quiet, 1 trending, 2 crisis."""
        block, row = divmod(max(time_ns - self._start_ns, 0) // STEP_NS, BLOCK)
        self._extend(block)
        return int(self._regimes[block][row])

    def path(self, until_ns: int) -> tuple[Ints, Floats, NDArray[np.int8]]:
        """Return times (T,), fair values (T, N) and regimes (T,) from the start to a time."""
        steps = max(until_ns - self._start_ns, 0) // STEP_NS + 1
        self._extend((steps - 1) // BLOCK)
        times = self._start_ns + STEP_NS * np.arange(steps, dtype=np.int64)
        prices = np.concatenate(self._prices)[:steps]
        return times, prices, np.concatenate(self._regimes)[:steps]

    def _extend(self, block: int) -> None:
        while len(self._prices) <= block:
            self._generate()

    def _generate(self) -> None:
        dt = STEP_NS / NS
        regimes = self._walk(dt)
        half_life = self._settings.drift_half_life_s
        keep = 0.5 ** (dt / half_life)
        stationary = self._settings.drift_share * self.sigma * math.sqrt(math.log(2) / half_life)
        innovations = (
            math.sqrt(1.0 - keep**2)
            * self._drift_scale[regimes, None]
            * stationary
            * self._shocks(self._drift_rng)
        )
        drift, _ = lfilter([1.0], [1.0, -keep], innovations, axis=0, zi=keep * self._drift[None])
        diffusion = math.sqrt(dt) * self._volatility[regimes, None] * self.sigma
        returns = drift * dt + diffusion * self._shocks(self._rng)
        path = self._log_price + np.cumsum(returns, axis=0) - returns[0] * (not self._prices)
        self._log_price, self._drift = path[-1], drift[-1]
        self._prices.append(np.exp(path))
        self._regimes.append(regimes)

    def _shocks(self, rng: np.random.Generator) -> Floats:
        common = rng.standard_normal((BLOCK, len(FACTORS)))
        own = rng.standard_normal((BLOCK, len(self._own)))
        shocks: Floats = common @ self._loadings.T + own * self._own
        return shocks

    def _stay(self, regime: int) -> float:
        return float(self._regime_rng.exponential(60.0 * self._settings.regimes[regime].minutes))

    def _walk(self, dt: float) -> NDArray[np.int8]:
        regimes = np.empty(BLOCK, dtype=np.int8)
        filled = 0
        while filled < BLOCK:
            steps = min(max(round(self._left_s / dt), 1), BLOCK - filled)
            regimes[filled : filled + steps] = self._current
            filled += steps
            self._left_s -= steps * dt
            if self._left_s <= 0.5 * dt:
                self._current = int(self._regime_rng.choice(3, p=NEXT[self._current]))
                self._left_s = self._stay(self._current)
        return regimes


def _loadings(listings: Sequence[Listing]) -> Floats:
    loadings = np.zeros((len(listings), len(FACTORS)))
    for row, listing in zip(loadings, listings, strict=True):
        row[0] = math.sqrt(listing.market_share)
        row[FACTORS.index(listing.factor)] = math.sqrt(listing.sector_share)
    return loadings


class Oracle:
    """What price feeds make of fair value: the market trades at a slowly moving basis to them.

    The logarithm of fair value over oracle is an Ornstein-Uhlenbeck process per asset.
    """

    BASIS = 3e-4
    """Stationary standard deviation of the basis."""
    HALF_LIFE_S = 1800.0
    NOISE = 2e-5
    """Standard deviation of each published price's error."""

    def __init__(self, market: Market, rng: np.random.Generator, step_s: float) -> None:
        self._market = market
        self._rng = rng
        self._keep = 0.5 ** (step_s / self.HALF_LIFE_S)
        self._basis = self.BASIS * rng.standard_normal(len(market.sigma))

    def prices(self, time_ns: int) -> tuple[Floats, Floats]:
        """Return the next oracle prices and external perpetual prices in USD, (N,) each."""
        shocks = self._rng.standard_normal((3, len(self._basis)))
        kick = self.BASIS * math.sqrt(1.0 - self._keep**2)
        self._basis = self._keep * self._basis + kick * shocks[0]
        fair = self._market.fair(time_ns)
        oracle: Floats = fair * np.exp(self.NOISE * shocks[1] - self._basis)
        external: Floats = fair * np.exp(self.NOISE * shocks[2])
        return oracle, external
