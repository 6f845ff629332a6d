"""What may be asked of /info about markets: one structure per question, with its weight."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import Meta

from sim.server.scalars import Natural

Interval = Literal[
    "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "8h", "12h", "1d", "3d", "1w", "1M"
]
Coin = Annotated[str, Meta(max_length=100)]
Figures = Annotated[int, Meta(ge=2, le=5)]
Mantissa = Literal[1, 2, 5]


class Query(msgspec.Struct, tag_field="type"):
    """Base of every question."""

    weight: ClassVar[int] = 20


class DexQuery(Query):
    """A question about one dex, the venue's own by default."""

    dex: Coin | None = ""


class AskMeta(DexQuery, tag="meta"):
    """Universe and margin tables."""


class AskMetaAndCtxs(DexQuery, tag="metaAndAssetCtxs"):
    """Universe and the state of its markets."""


class AskAllMetas(Query, tag="allPerpMetas"):
    """Every universe."""


class AskDexs(Query, tag="perpDexs"):
    """Every dex."""


class AskDexLimits(DexQuery, tag="perpDexLimits"):
    """Caps of a builder's dex."""


class AskDexStatus(DexQuery, tag="perpDexStatus"):
    """Deposits of a dex."""


class AskCapped(DexQuery, tag="perpsAtOpenInterestCap"):
    """Markets whose open interest is at its cap."""


class AskMarginTable(Query, tag="marginTable"):
    """A margin table."""

    id: Natural
    dex: Coin | None = ""


class AskMids(DexQuery, tag="allMids"):
    """Every mid price."""

    weight = 2


class AskBook(Query, tag="l2Book"):
    """A book."""

    weight = 2

    coin: Coin
    nSigFigs: Figures | None = None
    mantissa: Mantissa | None = None


class AskTrades(Query, tag="recentTrades"):
    """The last trades."""

    coin: Coin


class CandleRequest(msgspec.Struct):
    """Which candles."""

    coin: Coin
    interval: Interval
    startTime: Natural
    endTime: Natural | None = None


class AskCandles(Query, tag="candleSnapshot"):
    """Candles."""

    req: CandleRequest


class AskSpotMeta(Query, tag="spotMeta"):
    """Tokens and pairs."""


class AskSpotMetaAndCtxs(Query, tag="spotMetaAndAssetCtxs"):
    """Tokens, pairs and their state."""


class AskFundingHistory(Query, tag="fundingHistory"):
    """Funding rates of a market."""

    coin: Coin
    startTime: Natural
    endTime: Natural | None = None


class AskPredictedFundings(Query, tag="predictedFundings"):
    """Funding rates to come."""


class AskExchangeStatus(Query, tag="exchangeStatus"):
    """Time and special conditions."""

    weight = 2


class AskDeployAuction(Query, tag="perpDeployAuctionStatus"):
    """The auction of markets."""


AnyMarketQuery = (
    AskMeta
    | AskMetaAndCtxs
    | AskAllMetas
    | AskDexs
    | AskDexLimits
    | AskDexStatus
    | AskCapped
    | AskMarginTable
    | AskMids
    | AskBook
    | AskTrades
    | AskCandles
    | AskSpotMeta
    | AskSpotMetaAndCtxs
    | AskFundingHistory
    | AskPredictedFundings
    | AskExchangeStatus
    | AskDeployAuction
)
