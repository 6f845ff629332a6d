"""What happened to our account at a simulated exchange: the truth, which no strategy may look at."""

from __future__ import annotations

from collections.abc import Sequence

from portfolio_mm.types import Floats, Frozen
from sim.exchange.exchange import Exchange
from sim.exchange.messages import MICRO


class Statistics(Frozen, frozen=True):
    """What happened to our account at the exchange so far."""

    peak_margin_use: Floats  # (P,) largest margin used over equity at any instant
    rejections: dict[str, int]  # by the venue's words
    fills: int
    maker_volume_usd: float
    taker_volume_usd: float
    fees_usd: float
    funding_usd: float
    forfeited_usd: float
    liquidations: int


def observed(exchange: Exchange, owner: int, fills: int, volume_usd: Sequence[float]) -> Statistics:
    """Return the statistics of an account; `volume_usd` is that of its maker and taker fills."""
    account = exchange.accounts[owner]
    return Statistics(
        peak_margin_use=account.peak_use,
        rejections=dict(exchange.rejections),
        fills=fills,
        maker_volume_usd=volume_usd[0],
        taker_volume_usd=volume_usd[1],
        fees_usd=account.fees_paid / MICRO,
        funding_usd=sum(account.funding_paid) / MICRO,
        forfeited_usd=account.forfeited / MICRO,
        liquidations=exchange.liquidations,
    )
