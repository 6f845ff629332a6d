"""The typed interfaces between the stages: frozen, arrays with documented shapes and units.

N assets, D book levels, L quoted levels per side, P margin pools, K rows of a columnar batch.
Sides are indices 0 = bid (our buy) and 1 = ask (our sell); as signs +1 and -1.
Times are int64 nanoseconds UTC. Prices are USD, sizes contracts, notionals USD, rates per second.
Arrays are never written to after they were handed over.
"""

from __future__ import annotations

import math
from enum import IntEnum
from functools import cached_property

import msgspec
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

NS = 1_000_000_000
"""Nanoseconds in a second."""

DAY_S = 86_400.0
"""Seconds in a day."""


class Frozen(msgspec.Struct, frozen=True, kw_only=True, eq=False, forbid_unknown_fields=True):
    """Base of every interface: immutable, compared by identity, encodable."""


UNKNOWN = "unknown"
"""Status of an order that was sent and not answered: it may rest, be filled, or never have arrived."""

UNSENT = "unsent"
"""Status of an order that certainly never left us."""


class MarketStatus(IntEnum):
    """Why an asset can or cannot be quoted now."""

    OPEN = 0
    NO_BOOK = 1
    STALE = 2
    CROSSED = 3
    EMPTY = 4
    HALTED = 5


class Target(IntEnum):
    """What an observation observes."""

    FAIR_VALUE = 0
    DRIFT = 1
    LOG_VARIANCE = 2


class SolveStatus(IntEnum):
    """How the allocation of a cycle came about."""

    OPTIMAL = 0
    FALLBACK = 1
    FAILED = 2


class Reason(IntEnum):
    """Why a side of an asset carries no quote."""

    QUOTED = 0
    MARKET = 1
    NEGATIVE_MARGIN = 2
    NO_BUDGET = 3
    BELOW_MINIMUM = 4
    SOLVER = 5


class MarginTier(Frozen, frozen=True, kw_only=True):
    """Maximum leverage from a notional upwards."""

    lower_bound: float
    max_leverage: float


class Instrument(Frozen, frozen=True, kw_only=True):
    """What the venue says of one market, and how this account trades it.

    Fees are fractions of notional, negative for a rebate. `requests_per_usd` is what a dollar of volume
    adds to the request budget of the address: 1, or 0.1 in growth mode, which is the cautious default. `pool` is the index of the collateral
    pool that pays its margin.
    """

    name: str
    asset_id: int
    sz_decimals: int
    tiers: tuple[MarginTier, ...]
    leverage: int
    isolated: bool
    pool: int
    maker_fee: float
    taker_fee: float
    size_usd: float
    funding_multiplier: float = 1.0
    interest_rate: float = 1e-4 / 8.0
    requests_per_usd: float = 0.1


class Universe(msgspec.Struct, frozen=True, kw_only=True, eq=False, dict=True):
    """The N instruments of a run and their columns."""

    instruments: tuple[Instrument, ...]
    pools: tuple[str, ...]

    def __len__(self) -> int:
        """Return N."""
        return len(self.instruments)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names in index order."""
        return tuple(i.name for i in self.instruments)

    @cached_property
    def dex(self) -> tuple[str, ...]:
        """Deployer of each market, empty for the venue's own."""
        return tuple(name.rpartition(":")[0] for name in self.names)

    @cached_property
    def sz_decimals(self) -> Ints:
        """Decimals of a size, (N,)."""
        return np.array([i.sz_decimals for i in self.instruments], dtype=np.int64)

    @cached_property
    def leverage(self) -> Floats:
        """Chosen leverage, (N,)."""
        return np.array([i.leverage for i in self.instruments], dtype=np.float64)

    @cached_property
    def isolated(self) -> Bools:
        """Margined alone, (N,)."""
        return np.array([i.isolated for i in self.instruments], dtype=np.bool_)

    @cached_property
    def pool(self) -> Ints:
        """Index of the margin pool, (N,)."""
        return np.array([i.pool for i in self.instruments], dtype=np.int64)

    @cached_property
    def maker_fee(self) -> Floats:
        """Maker fee as a fraction, (N,)."""
        return np.array([i.maker_fee for i in self.instruments], dtype=np.float64)

    @cached_property
    def requests_per_usd(self) -> Floats:
        """Requests that a dollar of volume earns, (N,)."""
        return np.array([i.requests_per_usd for i in self.instruments], dtype=np.float64)

    @cached_property
    def size_usd(self) -> Floats:
        """Reference fill size z in USD, (N,)."""
        return np.array([i.size_usd for i in self.instruments], dtype=np.float64)


class Trades(Frozen, frozen=True, kw_only=True):
    """Public prints since the last snapshot, in time order."""

    asset: Ints  # (K,)
    side: Ints  # (K,) of the aggressor: +1 lifted asks, -1 hit bids
    price: Floats  # (K,) USD
    size: Floats  # (K,) contracts
    time_ns: Ints  # (K,) venue time


class MarketSnapshot(Frozen, frozen=True, kw_only=True):
    """What is known locally of all markets at `time_ns`. Absent levels are NaN price, 0 size."""

    time_ns: int
    status: Ints  # (N,) MarketStatus
    book_time_ns: Ints  # (N,) venue time of the book, 0 before the first
    bid_price: Floats  # (N, D) best first
    bid_size: Floats  # (N, D) contracts
    ask_price: Floats  # (N, D)
    ask_size: Floats  # (N, D)
    mark: Floats  # (N,) USD, NaN if unknown
    oracle: Floats  # (N,) USD, NaN if unknown
    funding: Floats  # (N,) expected rate of the next settlement, fraction, longs pay
    settlement_ns: int  # time of the next funding settlement
    trades: Trades


class OpenOrders(Frozen, frozen=True, kw_only=True):
    """Our orders believed to rest or to be on their way, (K,) each."""

    cloid: tuple[str, ...]
    asset: Ints
    side: Ints  # 0 bid, 1 ask
    level: Ints
    units: Ints  # price in price units of the asset (rules.ticks)
    lots: Ints  # remaining size in lots
    queue: Floats  # contracts believed ahead of it
    time_ns: Ints  # when it was sent


class AccountState(Frozen, frozen=True, kw_only=True):
    """The one account: positions, and equity and margin per pool, as the venue last said."""

    time_ns: int
    position: Floats  # (N,) contracts, long > 0
    entry_price: Floats  # (N,) USD, 0 when flat
    mark: Floats  # (N,) USD, at which the venue values positions
    isolated_margin: Floats  # (N,) USD of equity held by isolated positions
    equity: Floats  # (P,) USD, isolated positions included
    position_margin: Floats  # (P,) initial margin of positions, USD
    order_margin: Floats  # (P,) initial margin of resting orders, USD
    maintenance: Floats  # (P,) maintenance margin, USD
    funding_paid: Floats  # (N,) USD paid since the start, received < 0
    orders: OpenOrders
    address_requests: float  # requests left for the address
    ip_weight: float  # REST weight left in this minute
    actions_left: float = math.inf  # actions the account may still take today


class Fill(Frozen, frozen=True, kw_only=True):
    """One fill of ours."""

    time_ns: int
    asset: int
    side: int  # +1 we bought, -1 we sold
    price: float
    size: float  # contracts
    fee: float  # USD, > 0 paid
    maker: bool
    cloid: str
    fill_id: int


class OrderUpdate(Frozen, frozen=True, kw_only=True):
    """The venue's word on one of our orders: open, filled, canceled, rejected; or that none came.

    `status` is the venue's word, `UNKNOWN` or `UNSENT`.
    """

    time_ns: int
    cloid: str
    status: str
    reason: str = ""
    oid: int = 0  # the venue's number of it, 0 where it has none


class FundingPayment(Frozen, frozen=True, kw_only=True):
    """One funding settlement of one position."""

    time_ns: int
    asset: int
    usd: float  # > 0 paid by us
    rate: float


class Observations(Frozen, frozen=True, kw_only=True):
    """Columnar batch of observations for the belief, and the counts behind its intensities."""

    time_ns: int
    asset: Ints  # (K,)
    target: Ints  # (K,) Target
    value: Floats  # (K,) z: log price, 1/s, or ln(r^2 / dt) + 1.270
    variance: Floats  # (K,) R, in squared units of z
    noise: (
        Floats  # (K,) for LOG_VARIANCE: variance rate of price noise inside r^2 / dt, 1/s; else 0
    )
    age: Floats  # (K,) s since the observed instant
    returns: Floats  # (N,) log return since this asset's last return sample, NaN if none is due
    interval: Floats  # (N,) s spanned by `returns`
    takers: Floats  # (N, 2) taker sweeps that hit our bid side, our ask side
    reach: Floats  # (N, 2) sum over sweeps of the depth reached from the last fair value, fraction
    exposure: Floats  # (N,) s during which sweeps were counted
    features: Floats  # (N, F) named in sensor.FEATURES, recorded whether or not they observe


class MarketBelief(Frozen, frozen=True, kw_only=True):
    """The posterior over the market: the one authority downstream."""

    time_ns: int
    log_price: Floats  # (N,) v, logarithm of fair value
    drift: Floats  # (N,) mu, 1/s
    variance: Floats  # (N,) Var v
    drift_covariance: Floats  # (N, N) Var mu, 1/s^2
    reversion: Floats  # (N,) k, 1/s
    sigma: Floats  # (N,) 1/sqrt(s)
    tail: Floats  # (N,) realised over predicted sd of returns: fat tails scale s by it
    covariance: Floats  # (N, N) Sigma, 1/s
    arrival: Floats  # (N, 2) a, takers per second
    decay: Floats  # (N, 2) kappa, 1/fraction
    informed: Floats  # (N, 2) pi
    foresight_s: Floats  # (N,) how far ahead informed takers see, s
    crisis: Floats  # (N,) probability that sigma is above twice its long-run level
    known: Bools  # (N,) a fair value was observed at least once


class RiskBudget(Frozen, frozen=True, kw_only=True):
    """What is held and what may be risked now."""

    inventory: Floats  # (N,) x at fair value, USD
    gamma: float  # 1/USD
    gamma_base: float  # 1/USD
    gamma_volatility: float  # 1/USD, the risk aversion that meets the volatility budget
    utilisation: float  # u^2, inventory variance over its budget
    exposure_limit: float  # USD, worst-side gross exposure
    toxicity_budget: float  # USD/s of expected adverse selection
    margin_rate: Floats  # (R, N, 2) margin per USD resting, rows of governor.margin
    margin_free: Floats  # (R,) USD left by positions and buffer
    action_rate: float  # actions that the request budgets allow, 1/s
    actions_per_move: float  # measured: what a planned move of a quote takes
    actions: int  # that may be taken at once
    volume_earns: bool  # the scarcest budget is the one that volume adds to
    equity: float  # USD, slow
    drawdown: float  # fraction of the peak
    bound_hit: bool  # alert: a numerical bound of gamma binds
    gamma_moved: bool  # alert: gamma of the volatility budget moved by more than a factor of two


class PricingSurface(Frozen, frozen=True, kw_only=True):
    """Expected profit of every candidate quote, (N, 2, L) unless said."""

    time_ns: int
    fair: Floats  # (N,) USD
    reservation: Floats  # (N,) r, log-fraction above fair value
    skew: Floats  # (N,) part of -r due to inventory
    curvature: Floats  # (N, N) A
    half_width: Floats  # (N, 2) optimal depth from the reservation price
    floor: Floats  # (N, 2) smallest depth from fair value
    price: Floats  # USD, not yet on the tick grid
    depth: Floats  # fraction from fair value
    probability: Floats  # P, of a fill within the quote's life
    edge: Floats  # fraction
    adverse_selection: Floats  # fraction
    impact: Floats  # fraction
    fee: Floats  # (N,) fraction, less the worth of the requests that a fill earns
    margin: Floats  # m, per USD, relative to the reservation price
    expected_pnl: Floats  # USD per reference size and life
    band: Floats  # (N, 2, L, 2) how far a quote may be off, nearer to fair value and further away
    income: Floats  # USD/s of a reference size in its best place
    action_cost: Floats  # USD/s of a reference size: lost to waiting, and to moving it
    action_price: float  # USD, shadow price of a request: 0 where requests abound
    move_rate: float  # planned moves of all candidates, 1/s
    life: float  # s, expected life of a quote
    sweep: float  # probability that a whole side of the account is swept
    side_weights: Floats  # (2,) which side then


class QuoteSet(Frozen, frozen=True, kw_only=True):
    """The quotes that should rest, and why the others should not."""

    time_ns: int
    sizes: Floats  # (N, 2, L) USD before rounding
    units: Ints  # (N, 2, L) price in price units, 0 = none
    lots: Ints  # (N, 2, L) size in lots, 0 = none
    tolerance: (
        Ints  # (N, 2, L, 2) price units: as good as the target, nearer to fair value, further
    )
    reason: Ints  # (N, 2) Reason
    margin_dual: Floats  # (R,) USD per USD of margin
    exposure_dual: float
    toxicity_dual: float
    status: int  # SolveStatus
    iterations: int


class NewOrder(Frozen, frozen=True, kw_only=True):
    """A post-only limit order."""

    cloid: str
    asset: int
    side: int  # 0 bid, 1 ask
    level: int
    units: int
    lots: int


class Orders(Frozen, frozen=True, kw_only=True):
    """What is sent to the venue, in this order: cancels, modifies, places, exits."""

    time_ns: int
    cancels: tuple[str, ...] = ()
    modifies: tuple[tuple[str, NewOrder], ...] = ()
    places: tuple[NewOrder, ...] = ()
    exits: tuple[NewOrder, ...] = ()  # reduce-only, immediate or cancel: they close positions

    def __len__(self) -> int:
        """Return the number of actions, each of which costs one request."""
        return len(self.cancels) + len(self.modifies) + len(self.places) + len(self.exits)


class OpenOrder(Frozen, frozen=True, kw_only=True):
    """An order that rests at the venue, as the venue lists it."""

    oid: int
    cloid: str  # empty where it has none
    asset: int
    side: int  # 0 bid, 1 ask
    units: int
    lots: int  # what remains of it
    time_ns: int


class Audit(Frozen, frozen=True, kw_only=True):
    """What the venue itself says of the account: the authority on positions and open orders."""

    time_ns: int  # the instant it was asked for; fills after it may be missing from it
    position: Floats  # (N,) contracts
    orders: tuple[OpenOrder, ...]  # on the assets of the run
    fills: tuple[Fill, ...]  # on the assets of the run, since the time that was asked for
    elsewhere: tuple[str, ...] = ()  # coins outside the run with positions or orders


class ParameterUpdates(Frozen, frozen=True, kw_only=True):
    """What the evaluator learnt from matured fills, for the belief."""

    informed_flow: Floats  # (N, G) log-likelihood of each hypothesis of theory.informed_flow


class Evaluation(Frozen, frozen=True, kw_only=True):
    """What matured in this cycle, and the PnL of the run so far by cause."""

    time_ns: int
    updates: ParameterUpdates
    fill_id: Ints  # (K,) matured markouts
    horizon_s: Floats  # (K,)
    markout: Floats  # (K,) fraction of the fill price, > 0 in our favour
    spread: Floats  # (N,) USD, cumulative
    adverse_selection: Floats  # (N,) USD
    inventory: Floats  # (N,) USD
    fees: Floats  # (N,) USD, > 0 paid
    funding: Floats  # (N,) USD, > 0 paid


class Events(Frozen, frozen=True, kw_only=True):
    """What the venue told us since the last wait."""

    fills: tuple[Fill, ...] = ()
    updates: tuple[OrderUpdate, ...] = ()
    funding: tuple[FundingPayment, ...] = ()
    closed: bool = False  # the data ended or the session is over
