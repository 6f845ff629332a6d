"""Settings of the venues: the table [venue] of a run's configuration decodes into one of them.

What can lose money, or names an experiment, has no default. Everything else is a documented
prior about the market that is simulated.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Positive = Annotated[float, Meta(gt=0)]
NonNegative = Annotated[float, Meta(ge=0)]
Seed = Annotated[int, Meta(ge=0)]
Interval = Annotated[float, Meta(ge=1)]
Deposit = Annotated[float, Meta(ge=1, le=1e9)]
Scale = Annotated[float, Meta(ge=0.01, le=100)]
Hours = Annotated[float, Meta(gt=0, le=744)]
Levels = Annotated[int, Meta(ge=1, le=20)]
Instant = Annotated[datetime, Meta(tz=True)]
Network = Literal["local", "testnet", "mainnet"]
Url = Annotated[str, Meta(pattern=r"^(https?://[^/\s]+)?$")]
Address = Annotated[str, Meta(pattern="^(0x[0-9a-fA-F]{40})?$")]
Queue = Literal["conservative", "bounded", "power"]
"""Queue models of recorded markets, from the fewest fills to the most."""


class Regime(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A market regime as multiples of each asset's long-run values."""

    minutes: Positive  # mean duration
    volatility: Positive  # of sigma and of the other makers' half-spreads
    drift: NonNegative  # of the innovations of drift
    informed: NonNegative  # of the rate at which informed takers look at the book
    activity: Positive  # of the base rate of noise takers


QUIET = Regime(minutes=40.0, volatility=0.7, drift=0.5, informed=0.7, activity=0.9)
TRENDING = Regime(minutes=15.0, volatility=1.1, drift=3.0, informed=1.3, activity=1.1)
CRISIS = Regime(minutes=4.0, volatility=3.0, drift=2.0, informed=2.5, activity=2.0)


class Simulated(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The simulated market itself: its seed, its hour and how it behaves."""

    seed: Seed  # of everything random
    start: Instant = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)

    context_ms: Interval = 3000.0  # mark and oracle prices change this often
    regimes: tuple[Regime, Regime, Regime] = (QUIET, TRENDING, CRISIS)
    drift_share: Annotated[float, Meta(ge=0, le=100)] = (
        0.3  # sd of drift's move over its life, in units of diffusion's
    )
    drift_half_life_s: Positive = 120.0
    volatility_scale: Scale = 1.0  # of every listed volatility
    arrival_scale: Scale = 1.0  # of every listed taker rate
    informed_scale: Annotated[float, Meta(ge=0, le=100)] = 1.0  # of the rate of informed takers
    foresight_s: Annotated[float, Meta(ge=0, le=3600)] = (
        40.0  # informed takers know fair value up to this far ahead
    )

    requests: NonNegative = 10_000.0  # actions the address may send before its volume earns more


class Embedded(
    Simulated,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="kind",
    tag="embedded",
):
    """The simulated exchange inside the process, on a virtual clock."""

    hours: Hours  # length of the session
    deposit_usd: Deposit  # split evenly over the collateral pools

    feed_ms: NonNegative = 100.0  # exchange to us: public market data
    feed_jitter_ms: NonNegative = 20.0  # mean of an exponential on top, here and below
    order_ms: NonNegative = 200.0  # us to the matching engine
    order_jitter_ms: NonNegative = 50.0
    response_ms: NonNegative = 100.0  # exchange to us: fills, order updates, account
    response_jitter_ms: NonNegative = 20.0

    book_ms: Interval = 500.0  # a book is sent this often,
    best_ms: Interval = 100.0  # and when a best price changed, at most this often
    levels: Levels = 10  # per side of a sent book


class Server(Simulated, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The simulated exchange behind the venue's protocol: the table [server] of `pmm venue`."""

    markets: tuple[str, ...] = ()  # full names of what is listed, empty for all there are
    speed: Annotated[float, Meta(gt=0, le=1000)] = 1.0  # venue seconds per second
    block_ms: Interval = 70.0  # actions are executed in blocks this far apart
    account: Literal["standard", "unified"] = "standard"  # mode of an address at first contact
    faucet_usd: Annotated[float, Meta(ge=0, le=1e9)] = 0.0  # credited to it then
    chain: Literal["testnet", "mainnet"] = "testnet"  # whose signatures are accepted


class Hyperliquid(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="kind",
    tag="hyperliquid",
):
    """The real venue, or a server that speaks its protocol. Equity is what the venue says it is."""

    network: Network
    url: Url = ""  # of the API, empty for the network's own; a local one has none of its own
    account: Address = ""  # whose orders these are, empty for the address of the key itself
    vault: Address = ""  # sub-account to trade for
    key_file: str = ""  # holds the private key; a local network's is made on first use
    key_env: str = ""  # environment variable that holds it instead

    def __post_init__(self) -> None:
        """Refuse what leaves the venue or the key open."""
        _need_url(self.network, self.url)
        if bool(self.key_file) == bool(self.key_env):
            raise ValueError("exactly one of `key_file` and `key_env` names where the key is")


class Shadow(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="kind",
    tag="shadow",
):
    """Live market data of the real venue, with our orders simulated against them."""

    network: Network
    seed: Seed  # of the jitter of our own messages
    deposit_usd: Deposit
    queue: Queue

    url: Url = ""  # of the API, empty for the network's own; a local one has none of its own
    order_ms: NonNegative = 200.0  # us to the matching engine
    order_jitter_ms: NonNegative = 50.0  # mean of an exponential on top, here and below
    response_ms: NonNegative = 100.0  # exchange to us: fills, order updates, account
    response_jitter_ms: NonNegative = 20.0
    patience_ms: NonNegative = 500.0  # an instant is simulated so long after it, once its data came
    requests: NonNegative = 10_000.0  # actions the address may send before its volume earns more

    def __post_init__(self) -> None:
        """Refuse what leaves the venue open."""
        _need_url(self.network, self.url)


def _need_url(network: str, url: str) -> None:
    if network == "local" and not url:
        raise ValueError("a local network needs a `url`")


class Recorded(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="kind",
    tag="recorded",
):
    """Recorded market data, with our orders simulated against them.

    The recording gives books, prints and the delay of every message. The account, the delay of our own
    messages, the rule that turns prints into fills and the fees come from here.
    """

    seed: Seed  # of the jitter of our own messages
    deposit_usd: Deposit
    queue: Queue
    maker_fee_bps: Annotated[float, Meta(ge=-10, le=100)]  # negative for a rebate
    taker_fee_bps: Annotated[float, Meta(ge=0, le=100)]

    order_ms: NonNegative = 200.0  # us to the matching engine
    order_jitter_ms: NonNegative = 50.0  # mean of an exponential on top, here and below
    response_ms: NonNegative = 100.0  # exchange to us: fills, order updates, account
    response_jitter_ms: NonNegative = 20.0
    feed_ms: NonNegative = 400.0  # delay of market data where the recording has one time only

    funding_rate: Annotated[float, Meta(ge=-0.04, le=0.04)] = 0.0  # fraction per hour, longs pay
    touch_usd: Positive = 50_000.0  # displayed at a best price whose size was not recorded
    requests: NonNegative = 1_000_000.0  # actions the address may send before volume earns more
