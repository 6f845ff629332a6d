"""The /info endpoint: a question in, JSON out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from sim.server.limits import ITEMS_PER_WEIGHT
from sim.server.market_answers import MarketAnswers
from sim.server.queries import AnyMarketQuery, AskCandles
from sim.server.state import State
from sim.server.user_answers import UserAnswers
from sim.server.user_queries import AnyUserQuery

CANDLES_PER_WEIGHT = 60

AnyQuery = AnyMarketQuery | AnyUserQuery

decode_query: Callable[[bytes], AnyQuery] = msgspec.json.Decoder(AnyQuery).decode


class Info:
    """Answers to every question the venue takes."""

    def __init__(self, state: State) -> None:
        self.markets = MarketAnswers(state)
        self.users = UserAnswers(state)
        self._handlers = self.markets.handlers | self.users.handlers

    def answer(self, query: AnyQuery) -> tuple[Any, int]:
        """Return the answer and the weight its length costs on top."""
        answer = self._handlers[type(query)](query)
        if not isinstance(answer, list):
            return answer, 0
        per = CANDLES_PER_WEIGHT if isinstance(query, AskCandles) else ITEMS_PER_WEIGHT
        return answer, len(answer) // per
