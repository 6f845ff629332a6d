"""Answers of /info about markets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from sim.server import book_shapes, static, text
from sim.server import queries as q
from sim.server.history import MS
from sim.server.markets import OI_SIZE_CAP, margin_table
from sim.server.state import State

Handler = Callable[[Any], Any]
ROWS = 500
HOUR_MS = 3_600_000
TRANSFER_CAP_USD = 1e8


class MarketAnswers:
    """What anybody may know."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._markets = state.markets
        encode = msgspec.json.encode
        self._metas = {k: msgspec.Raw(encode(v)) for k, v in self._markets.metas.items()}
        self._dexs = msgspec.Raw(encode(self._markets.describe()))
        self.handlers: dict[type[q.Query], Handler] = {
            q.AskMeta: lambda query: self._metas.get(query.dex or ""),
            q.AskMetaAndCtxs: self._meta_and_contexts,
            q.AskAllMetas: lambda _: list(self._metas.values()),
            q.AskDexs: lambda _: self._dexs,
            q.AskDexLimits: self._limits,
            q.AskDexStatus: self._status,
            q.AskCapped: self._capped,
            q.AskMarginTable: lambda query: margin_table(min(max(query.id, 1), 50)),
            q.AskMids: lambda query: self._of_dex(query.dex, state.mids),
            q.AskBook: self.book,
            q.AskTrades: self.trades,
            q.AskCandles: self._candles,
            q.AskSpotMeta: lambda _: static.SPOT_META,
            q.AskSpotMetaAndCtxs: lambda _: [
                static.SPOT_META,
                [static.spot_context(pair) for pair in static.SPOT_PAIRS],
            ],
            q.AskFundingHistory: self._funding_history,
            q.AskPredictedFundings: self._predicted,
            q.AskExchangeStatus: lambda _: {"time": state.now_ms, "specialStatuses": None},
            q.AskDeployAuction: lambda _: static.AUCTION,
        }

    def book(self, query: q.AskBook) -> dict[str, Any] | None:
        """Return a book, null where the coin is unknown."""
        asset = self._markets.index.get(query.coin)
        if asset is not None:
            return book_shapes.book(
                self._state.exchange.books[asset],
                self._markets.universe.instruments[asset],
                self._state.now_ns,
                figures=query.nSigFigs,
                mantissa=query.mantissa,
            )
        if query.coin in self._markets.silent:
            return {"coin": query.coin, "time": self._state.now_ms, "levels": [[], []]}
        return None

    def trades(self, query: q.AskTrades) -> list[dict[str, Any]] | None:
        """Return the last trades of a market, newest first."""
        asset = self._markets.index.get(query.coin)
        if asset is None:
            return [] if query.coin in self._markets.silent else None
        instrument, members = self._markets.universe.instruments[asset], self._state.members
        return [
            book_shapes.trade(
                row, instrument, members.address(row.buyer), members.address(row.seller)
            )
            for row in reversed(self._state.histories[asset].recent)
        ]

    def _of_dex(self, dex: str | None, answer: Callable[[str], Any]) -> Any:
        name = dex or ""
        return answer(name) if name in self._metas else None

    def _meta_and_contexts(self, query: q.AskMetaAndCtxs) -> Any:
        return self._of_dex(
            query.dex, lambda dex: [self._metas[dex], self._state.dex_contexts(dex)]
        )

    def _limits(self, query: q.AskDexLimits) -> Any:
        if not query.dex or query.dex not in self._metas:
            return None
        caps = self._markets.caps(query.dex)
        return {
            "totalOiCap": text.decimal(sum(float(cap) for _, cap in caps)),
            "oiSzCapPerPerp": text.decimal(OI_SIZE_CAP),
            "maxTransferNtl": text.decimal(TRANSFER_CAP_USD),
            "coinToOiCap": caps,
        }

    def _status(self, query: q.AskDexStatus) -> Any:
        def deposits(dex: str) -> dict[str, str]:
            accounts = self._state.exchange.accounts
            total = sum(a.balance(dex) for a in accounts if a.mode == "standard")
            return {"totalNetDeposit": text.micro(total)}

        return self._of_dex(query.dex, deposits)

    def _capped(self, query: q.AskCapped) -> Any:
        return self._of_dex(query.dex, self._state.capped)

    def _candles(self, query: q.AskCandles) -> Any:
        request = query.req
        asset = self._markets.index.get(request.coin)
        if asset is None:
            return [] if request.coin in self._markets.silent else None
        end = self._state.now_ms if request.endTime is None else request.endTime
        rows = self._state.histories[asset].candles(request.interval, request.startTime, end)
        instrument = self._markets.universe.instruments[asset]
        return [book_shapes.candle(row, instrument, request.interval) for row in rows]

    def _funding_history(self, query: q.AskFundingHistory) -> Any:
        asset = self._markets.index.get(query.coin)
        if asset is None:
            return [] if query.coin in self._markets.silent else None
        end = self._state.now_ms if query.endTime is None else query.endTime
        rows = [
            {
                "coin": query.coin,
                "fundingRate": text.decimal(hour.rate[asset]),
                "premium": text.decimal(hour.premium[asset]),
                "time": hour.time_ns // MS,
            }
            for hour in self._state.exchange.settlements
            if query.startTime <= hour.time_ns // MS <= end
        ]
        return rows[:ROWS]

    def _predicted(self, _: q.AskPredictedFundings) -> Any:
        rates = self._state.exchange.funding_rate()
        following = (self._state.now_ms // HOUR_MS + 1) * HOUR_MS
        return [
            [
                self._markets.coins[i],
                [
                    ["BinPerp", None],
                    [
                        "HlPerp",
                        {"fundingRate": text.decimal(rates[i]), "nextFundingTime": following},
                    ],
                    ["BybitPerp", None],
                ],
            ]
            for i in self._markets.members("")
        ]
