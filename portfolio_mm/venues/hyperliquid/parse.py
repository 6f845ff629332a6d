"""One parser for each answer of the venue to a question."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import msgspec

from portfolio_mm.venues.hyperliquid.figures import Figure, ParseError
from portfolio_mm.venues.hyperliquid.wire import (
    AssetContext,
    Book,
    Meta,
    PerpDex,
    SpotMeta,
    Trade,
)
from portfolio_mm.venues.hyperliquid.wire_account import (
    Agent,
    ClearinghouseState,
    FundingEntry,
    Mode,
    OrderReport,
    OrderStatus,
    RateLimit,
    RestingOrder,
    SpotState,
    UserFees,
    UserFill,
    UserRole,
)

T = TypeVar("T")

MALFORMED = (msgspec.MsgspecError, UnicodeError, RecursionError)
"""What a decoder raises on hostile text."""


class Parser(Generic[T]):
    """Decode one kind of answer, or raise `ParseError` with its name and the field."""

    def __init__(self, name: str, kind: Any) -> None:
        self.name = name
        self._decoder: msgspec.json.Decoder[T] = msgspec.json.Decoder(kind)

    def __call__(self, body: bytes | str | msgspec.Raw) -> T:
        """Return the answer.

        Raises
        ------
        ParseError
            When it is not JSON, or not of this kind.
        """
        try:
            return self._decoder.decode(body)
        except MALFORMED as error:
            raise ParseError(f"{self.name}: {error}") from None


META: Parser[Meta] = Parser("meta", Meta)
ALL_PERP_METAS: Parser[tuple[Meta, ...]] = Parser("allPerpMetas", tuple[Meta, ...])
PERP_DEXS: Parser[tuple[PerpDex | None, ...]] = Parser("perpDexs", tuple[PerpDex | None, ...])
SPOT_META: Parser[SpotMeta] = Parser("spotMeta", SpotMeta)
META_AND_CONTEXTS: Parser[tuple[Meta, tuple[AssetContext, ...]]] = Parser(
    "metaAndAssetCtxs", tuple[Meta, tuple[AssetContext, ...]]
)
BOOK: Parser[Book | None] = Parser("l2Book", Book | None)
RECENT_TRADES: Parser[tuple[Trade, ...]] = Parser("recentTrades", tuple[Trade, ...])
ALL_MIDS: Parser[dict[str, str]] = Parser("allMids", dict[str, Figure])

CLEARINGHOUSE_STATE: Parser[ClearinghouseState] = Parser("clearinghouseState", ClearinghouseState)
SPOT_STATE: Parser[SpotState] = Parser("spotClearinghouseState", SpotState)
OPEN_ORDERS: Parser[tuple[RestingOrder, ...]] = Parser("openOrders", tuple[RestingOrder, ...])
ORDER_STATUS: Parser[OrderStatus] = Parser("orderStatus", OrderStatus)
HISTORICAL_ORDERS: Parser[tuple[OrderReport, ...]] = Parser(
    "historicalOrders", tuple[OrderReport, ...]
)
USER_FILLS: Parser[tuple[UserFill, ...]] = Parser("userFills", tuple[UserFill, ...])
USER_FUNDING: Parser[tuple[FundingEntry, ...]] = Parser("userFunding", tuple[FundingEntry, ...])
RATE_LIMIT: Parser[RateLimit] = Parser("userRateLimit", RateLimit)
USER_FEES: Parser[UserFees] = Parser("userFees", UserFees)
ABSTRACTION: Parser[Mode] = Parser("userAbstraction", Mode)
USER_ROLE: Parser[UserRole] = Parser("userRole", UserRole)
EXTRA_AGENTS: Parser[tuple[Agent, ...]] = Parser("extraAgents", tuple[Agent, ...])
