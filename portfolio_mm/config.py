"""The configuration of a run: one TOML file, one frozen struct per stage.

Unknown keys, wrong types, non-finite and out-of-range values are refused with the path of the key.
What can lose money has no default: the venue, leverage, sizes, the volatility budget, the loss
limit. Every other default is a prior, and says so.
"""

from __future__ import annotations

import math
import re
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from portfolio_mm.venues.settings import (
    Embedded,
    Hyperliquid,
    Queue,
    Recorded,
    Server,
    Shadow,
    Simulated,
)

Positive = Annotated[float, Meta(gt=0)]
NonNegative = Annotated[float, Meta(ge=0)]
Fraction = Annotated[float, Meta(ge=0, le=1)]
Share = Annotated[float, Meta(gt=0, lt=1)]
Ratio = Annotated[float, Meta(gt=0, le=100)]
Multiple = Annotated[float, Meta(ge=0, le=100)]
Deviation = Annotated[float, Meta(gt=0, le=2)]
Seconds = Annotated[float, Meta(ge=1e-3, le=1e8)]
Name = Annotated[str, Meta(pattern=r"^\w[\w.-]*$", max_length=60)]
"""Of a run, and so of a folder."""

Feature = Literal["bim_10", "bim_25", "bim_50", "flow"]
"""Sensor features that can observe drift: book imbalance within so many bps, signed taker flow."""

EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
"""Of the start of a session: its nanoseconds are a 64-bit integer, and 0 is no time."""


class ConfigError(ValueError):
    """A configuration that cannot be run; the message names the key."""


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every section."""


class Asset(Section, frozen=True, kw_only=True):
    """One market to quote."""

    name: str
    leverage: Annotated[int, Meta(ge=1)]
    size_usd: Annotated[float, Meta(gt=0, le=1e7)]  # reference fill size z
    isolated: bool = False  # margined alone; markets that cannot be cross always are
    isolated_margin_usd: NonNegative = 0.0  # most margin an isolated position may take


class Account(Section, frozen=True, kw_only=True):
    """How the account is margined."""

    margin_buffer: Fraction  # share of equity never offered as margin
    resting_margin: Literal["gross", "netted"] = "gross"  # whether opposite resting orders net


class Sensor(Section, frozen=True, kw_only=True):
    """How market data become observations."""

    volatility_interval_s: Seconds = 5.0  # spacing of return samples
    loadings: dict[Feature, tuple[float, Positive]] = {}  # 1/s per unit, noise sd in 1/s


class Belief(Section, frozen=True, kw_only=True):
    """Priors of the filter. They give way to data with the stated strengths and windows."""

    volatility_daily: Deviation = 0.03  # prior median of long-run sigma, per square root of a day
    level_sd: Deviation = 0.7  # prior sd of ln of that
    level_half_life_s: Seconds = 86400.0  # how slowly the long-run level itself moves
    excursion_sd: Deviation = 0.5  # stationary sd of ln sigma around its long-run level
    excursion_half_life_s: Seconds = 900.0
    tail_strength: Positive = 20.0  # return samples the prior of no fat tail is worth
    tail_half_life_s: Seconds = 3600.0
    drift_share: Ratio = 0.3  # sd of drift's move over its lifetime, in units of diffusion's
    drift_half_life_s: Seconds = 60.0
    correlation: Annotated[float, Meta(ge=0, lt=1)] = 0.0  # prior of every pair
    correlation_strength: Positive = 20.0  # samples the prior is worth
    correlation_half_life_s: Seconds = 3600.0
    factors: Annotated[int, Meta(ge=1)] = 3
    arrival: Annotated[float, Meta(gt=0, le=1e4)] = 0.05  # takers per second and side
    arrival_strength_s: Seconds = 60.0  # seconds of observation the prior is worth
    decay: Annotated[float, Meta(ge=1, le=1e6)] = 2500.0  # 1/fraction
    decay_strength: Positive = 10.0  # sweeps the prior is worth
    window_s: Seconds = 600.0  # memory of arrival and decay
    informed: Share = 0.1  # scale of the prior of the informed fraction
    informed_half_life_s: Seconds = 3600.0
    informed_pooling: Fraction = 0.2  # weight of other assets' fills as evidence


class Governor(Section, frozen=True, kw_only=True):
    """How much may be risked."""

    volatility_budget: Share  # daily volatility of PnL from inventory, as a share of equity
    kelly_fraction: Share
    max_drawdown: Share  # loss limit: from the peak of equity, quoting ends
    toxicity_share: Ratio = 1.0  # expected adverse selection allowed, in units of spread income
    beta: NonNegative = 1.0  # of u^2 in gamma
    equity_half_life_s: Seconds = 600.0  # slow equity, so that a misread balance moves nothing
    refresh_s: Seconds = 10.0  # how often gamma of the volatility budget is solved anew
    budget_horizon_s: Seconds = 86400.0  # what is left of the address's requests lasts this long


class Actuary(Section, frozen=True, kw_only=True):
    """How quotes are priced."""

    levels: Annotated[int, Meta(ge=1, le=20)] = 3
    spacing: Ratio = 0.5  # between levels, in units of 1/kappa
    latency_s: Seconds = 0.3  # from decision to a changed quote
    impact: Multiple = 0.1  # prior: price of unwinding our own size, in 1/kappa at full share
    action_price_usd: Positive = 1e-5  # least cost of a move: an order that moves is late
    action_price_limit_usd: Positive = 1e3  # most, of a move; 0.0005 where requests can be bought


class Executor(Section, frozen=True, kw_only=True):
    """How quotes become orders."""

    size_tolerance: Fraction = 0.2  # an order this close to its target in size is kept


class Evaluator(Section, frozen=True, kw_only=True):
    """How fills are judged."""

    adverse_horizon_s: Seconds = 10.0  # a young fill's price move counts as adverse selection


class Run(Section, frozen=True, kw_only=True):
    """How the engine is run."""

    cycle_s: Seconds = 1.0  # longest wait between two quote cycles
    min_cycle_s: Seconds = 0.2  # shortest, where it is shorter: events in it share one cycle
    stale_s: Seconds = 30.0  # a book older than this is not quoted on
    durable_journal: bool = True  # commit intents and fills to disk before acting on them
    audit_s: Seconds = 10.0  # how often a remote venue is asked for positions and open orders
    resume_s: Seconds = 600.0  # a belief older than this gives way to priors at another start


class Kill(Section, frozen=True, kw_only=True):
    """When everything is cancelled and closed, and how."""

    position_usd: Positive | None = None  # any one position beyond it; remote venues need it
    daily_loss_usd: Positive | None = None  # since midnight UTC; remote venues need it
    data_loss_s: Seconds = 60.0  # no new book of any asset, or no word on the account, for so long
    clock_skew_s: Seconds = 5.0  # new books differ from our clock by more, for `data_loss_s`
    slippage: Share = 0.01  # of the mid, that closing a position may cost at most
    cancel_s: Seconds = 20.0  # bound on cancelling everything
    flatten_s: Seconds = 120.0  # bound on closing all positions after that
    deadman_s: Seconds = 60.0  # silence of the engine after which its orders are cancelled for it


class Replay(Section, frozen=True, kw_only=True):
    """What recorded data are replayed, and the variations of the venue to run over them."""

    data: str  # folder, relative to the working directory
    queues: Annotated[tuple[Queue, ...], Meta(min_length=1)]
    maker_fees_bps: Annotated[
        tuple[Annotated[float, Meta(ge=-10, le=100)], ...], Meta(min_length=1)
    ]


class Config(Section, frozen=True, kw_only=True):
    """A whole run."""

    name: Name
    venue: Embedded | Recorded | Hyperliquid | Shadow
    account: Account
    assets: Annotated[tuple[Asset, ...], Meta(min_length=1)]
    governor: Governor
    sensor: Sensor = Sensor()
    belief: Belief = Belief()
    actuary: Actuary = Actuary()
    executor: Executor = Executor()
    evaluator: Evaluator = Evaluator()
    run: Run = Run()
    kill: Kill = Kill()
    replay: Replay | None = None  # of a recorded venue
    server: Server | None = None  # the market that `pmm venue` serves


def load(path: Path) -> Config:
    """Read and check a configuration.

    Raises
    ------
    ConfigError
        When the file is missing, is not TOML, or a key is unknown, of the wrong type, not finite
        or out of range. Complaints that involve several keys are listed all at once.
    """
    try:
        return _parse(path)
    except RecursionError:
        raise ConfigError(f"{path}: nested too deeply") from None


def _parse(path: Path) -> Config:
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error})") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not TOML: {error}") from None
    try:
        _refuse_not_finite(raw, "$", path)
        config = msgspec.convert(raw, Config)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {_with_path(str(error))}") from None
    complaints = check(config)
    if complaints:
        raise ConfigError(f"{path}: " + "; ".join(complaints))
    return config


def check(config: Config) -> list[str]:
    """Return every complaint that involves more than one key, or a key and the calendar."""
    complaints = []
    names = [asset.name for asset in config.assets]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        complaints.append(f"`$.assets`: named twice: {', '.join(repeated)}")
    match config.venue:
        case (
            Embedded(deposit_usd=deposit)
            | Recorded(deposit_usd=deposit)
            | Shadow(deposit_usd=deposit)
        ):
            complaints += [
                f"`$.assets[{index}].size_usd` needs more margin than the whole deposit"
                for index, asset in enumerate(config.assets)
                if asset.size_usd > asset.leverage * deposit
            ]
        case Hyperliquid():
            limits = {key: getattr(config.kill, key) for key in ("position_usd", "daily_loss_usd")}
            complaints += [
                f"`$.kill.{key}` is required where the money is not simulated"
                for key, limit in limits.items()
                if limit is None
            ]
    isolated = [asset.name for asset in config.assets if asset.isolated]
    if isolated and isinstance(config.venue, Recorded):
        complaints.append(
            f"`$.assets`: recorded markets share one margin, isolated: {', '.join(isolated)}"
        )
    for table, simulated in (("venue", config.venue), ("server", config.server)):
        if isinstance(simulated, Simulated) and not EARLIEST <= simulated.start <= LATEST:
            complaints.append(f"`$.{table}.start` must be within {EARLIEST:%Y}-{LATEST:%Y}")
    if config.server is not None and getattr(config.venue, "network", "local") != "local":
        complaints.append("`$.server`: only a local network is served")
    if isinstance(config.venue, Recorded) != (config.replay is not None):
        complaints.append("`$.replay`: a recorded venue has this table, and no other has")
    if config.replay is not None:
        for key, values in (
            ("queues", config.replay.queues),
            ("maker_fees_bps", config.replay.maker_fees_bps),
        ):
            if len(set(values)) < len(values):
                complaints.append(f"`$.replay.{key}`: a value stands there twice")
    if config.run.stale_s <= config.run.cycle_s:
        complaints.append("`$.run.stale_s` must be longer than `$.run.cycle_s`")
    if config.evaluator.adverse_horizon_s < config.run.cycle_s:
        complaints.append("`$.evaluator.adverse_horizon_s` must be at least `$.run.cycle_s`")
    if config.actuary.action_price_limit_usd < config.actuary.action_price_usd:
        complaints.append(
            "`$.actuary.action_price_limit_usd` must be at least `$.actuary.action_price_usd`"
        )
    if config.kill.data_loss_s < config.run.stale_s:
        complaints.append("`$.kill.data_loss_s` must be at least `$.run.stale_s`")
    if config.actuary.latency_s > config.run.stale_s:
        complaints.append("`$.actuary.latency_s` must be at most `$.run.stale_s`")
    return complaints


_FIELD = re.compile(r"Object (missing required|contains unknown) field `(.*?)`(?: - at `(.*)`)?$")


def _with_path(message: str) -> str:
    """Name the whole path of a key that is missing or unknown, not only its table."""
    found = _FIELD.match(message)
    if found is None:
        return message
    problem, key, table = found.groups()
    what = "missing key" if problem.startswith("missing") else "unknown key"
    return f"{what} - at `{table or '$'}.{key}`"


def _refuse_not_finite(value: Any, path: str, file: Path) -> None:
    """TOML knows nan and inf; no key of ours does."""
    match value:
        case float() if not math.isfinite(value):
            raise ConfigError(f"{file}: expected a finite number, was {value} - at `{path}`")
        case dict():
            for key, item in value.items():
                _refuse_not_finite(item, f"{path}.{key}", file)
        case list():
            for index, item in enumerate(value):
                _refuse_not_finite(item, f"{path}[{index}]", file)
        case _:
            pass
