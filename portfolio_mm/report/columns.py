"""A run as columns: T cycles, N assets, L levels per side, P pools, F fills, H markout horizons."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from portfolio_mm.config import Config
from portfolio_mm.types import (
    Bools,
    Floats,
    Ints,
    MarketBelief,
    PricingSurface,
    QuoteSet,
    Universe,
)


class Cycles(NamedTuple):
    """What was known, held, quoted and earned, one row per cycle."""

    time_ns: Ints  # (T,)
    best: Floats  # (T, N, 2) best bid and ask of the book, USD, NaN if absent
    mark: Floats  # (T, N) USD, NaN if unknown
    fair: Floats  # (T, N) USD, NaN before it is known
    log_fair: Floats  # (T, N)
    sigma: Floats  # (T, N) 1/sqrt(s)
    arrival: Floats  # (T, N, 2) 1/s
    decay: Floats  # (T, N, 2) 1/fraction
    informed: Floats  # (T, N, 2)
    account_ns: Ints  # (T,) when the venue reported the account
    equity: Floats  # (T, P) as reported, USD
    position_margin: Floats  # (T, P) USD
    order_margin: Floats  # (T, P) USD
    inventory: Floats  # (T, N) USD at fair value
    variance: Floats  # (T,) x'Σx, USD^2/s
    gamma: Floats  # (T,) 1/USD
    gamma_base: Floats  # (T,) 1/USD
    utilisation: Floats  # (T,) u^2
    exposure_limit: Floats  # (T,) USD
    bound_hit: Bools  # (T,) a numerical bound of gamma bound
    gamma_moved: Bools  # (T,) gamma of the volatility budget jumped
    reservation: Floats  # (T, N) USD
    probability: Floats  # (T, N, 2, L) of a fill within the quote's life
    expected_markout: Floats  # (T, N, 2, L) edge less adverse selection, fraction
    price: Floats  # (T, N, 2, L) of our quotes, USD, NaN where none
    reason: Ints  # (T, N, 2) types.Reason
    margin_dual: Floats  # (T, R) USD per USD
    exposure_dual: Floats  # (T,)
    toxicity_dual: Floats  # (T,)
    status: Ints  # (T,) types.SolveStatus
    spread: Floats  # (T, N) cumulative USD, and so are the next four
    adverse_selection: Floats  # (T, N)
    inventory_pnl: Floats  # (T, N)
    fees: Floats  # (T, N) > 0 paid
    funding: Floats  # (T, N) > 0 paid


class Fills(NamedTuple):
    """Our fills in the order in which they were reported."""

    cycle: Ints  # (F,) index of the cycle that learnt of it
    time_ns: Ints  # (F,)
    asset: Ints  # (F,)
    side: Ints  # (F,) +1 we bought
    price: Floats  # (F,) USD
    size: Floats  # (F,) contracts
    fee: Floats  # (F,) USD
    maker: Bools  # (F,)
    fair: Floats  # (F,) fair value that the quote was priced around, USD
    level: Ints  # (F,) of the quote that was hit, -1 where none stood any more
    markout: Floats  # (F, H) fraction, NaN where it has not matured

    @property
    def usd(self) -> Floats:
        """Notionals, (F,) USD."""
        return self.price * self.size


class Quoted(NamedTuple):
    """The last cycle that quoted an asset."""

    belief: MarketBelief
    gamma: float
    inventory: Floats  # (N,) USD
    surface: PricingSurface
    quotes: QuoteSet


class Requests(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked of the venue."""

    placed: int
    modified: int
    cancelled: int
    rejected: dict[str, int]  # by the venue's words
    word_p50_s: float | None  # from a decision to the venue's first word on it
    word_p99_s: float | None


class History(NamedTuple):
    """A run."""

    config: Config
    universe: Universe
    stopped: str | None  # None: the run was cut short
    position: Floats  # (N,) contracts at the opening
    cycles: Cycles
    fills: Fills
    requests: Requests
    covariance: Floats  # (N, N) Σ of the last cycle, 1/s
    riskiest: int  # cycle with the largest x'Σx
    riskiest_covariance: Floats  # (N, N) its Σ
    last_quotes: tuple[Quoted | None, ...]  # by asset
