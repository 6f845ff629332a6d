"""The small world of a run: three markets on two dexs, cross and isolated, and a hasty engine."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from portfolio_mm import config
from portfolio_mm.types import NS
from portfolio_mm.venues.hyperliquid.signer import Signer
from portfolio_mm.venues.settings import Hyperliquid, Server

START = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)
START_NS = int(START.timestamp()) * NS

SIGNER = Signer("01" * 32, mainnet=False)
"""A key that everybody knows: its money is simulated."""

DATA_LOSS_S = 25.0
DAILY_LOSS_USD = 2_000.0
POSITION_USD = 25_000.0
CANCEL_S, FLATTEN_S = 35.0, 30.0
FAUCET_USD = 20_000.0

ASSETS = (
    config.Asset(name="xyz:NVDA", leverage=10, size_usd=1500.0),
    config.Asset(name="xyz:HOOD", leverage=5, size_usd=800.0, isolated_margin_usd=4000.0),
    config.Asset(name="para:AVGO", leverage=10, size_usd=1000.0),
)

VENUE = Hyperliquid(network="local", url="http://127.0.0.1:0", key_env="NONE")

CONFIG = config.Config(
    name="faults",
    venue=VENUE,
    account=config.Account(margin_buffer=0.2),
    assets=ASSETS,
    governor=config.Governor(volatility_budget=0.02, kelly_fraction=0.25, max_drawdown=0.3),
    actuary=config.Actuary(levels=2),
    kill=config.Kill(
        position_usd=POSITION_USD,
        daily_loss_usd=DAILY_LOSS_USD,
        data_loss_s=DATA_LOSS_S,
        clock_skew_s=2.0,
        cancel_s=CANCEL_S,
        flatten_s=FLATTEN_S,
    ),
    run=config.Run(cycle_s=5.0, min_cycle_s=2.5, stale_s=10.0, durable_journal=False, audit_s=10.0),
)
"""What every engine of a campaign runs."""


def server(seed: int, account: Literal["standard", "unified"]) -> Server:
    """Return the settings of a venue with the three markets alone, and many takers."""
    return Server(
        seed=seed,
        start=START,
        markets=tuple(asset.name for asset in ASSETS),
        account=account,
        faucet_usd=FAUCET_USD,
        arrival_scale=3.0,
        volatility_scale=1.0,
        block_ms=300.0,
    )
