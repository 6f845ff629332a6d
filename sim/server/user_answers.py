"""Answers of /info about users. Anybody may ask about anybody."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sim.exchange.account import Account
from sim.exchange.messages import Execution
from sim.exchange.orders import Record
from sim.server import order_shapes, state_shapes, static, text
from sim.server import queries as q
from sim.server import user_queries as uq
from sim.server.history import MS
from sim.server.market_answers import ROWS, Handler
from sim.server.state import State

ORDERS = FILLS = 2000
MODES = {"standard": "default", "unified": "unifiedAccount"}
"""The venue's names of the account modes."""


class UserAnswers:
    """What is known of an address."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._markets = state.markets
        self._instruments = state.markets.universe.instruments
        self.handlers: dict[type[q.Query], Handler] = {
            uq.AskState: lambda x: self._on_dex(x.dex, lambda dex: self.clearinghouse(x.user, dex)),
            uq.AskSpotState: lambda x: self.spot(x.user),
            uq.AskOrders: lambda x: self._on_dex(x.dex, lambda dex: self.orders(x.user, dex)),
            uq.AskFrontendOrders: lambda x: self._on_dex(
                x.dex, lambda dex: self.frontend_orders(x.user, dex)
            ),
            uq.AskOrder: self._order,
            uq.AskHistoricalOrders: self._historical_orders,
            uq.AskFills: lambda x: self.fills(x.user, aggregate=bool(x.aggregateByTime)),
            uq.AskFillsByTime: self._fills_by_time,
            uq.AskFunding: self._funding,
            uq.AskLedger: self._ledger,
            uq.AskRateLimit: self._rate_limit,
            uq.AskFees: self._fees,
            uq.AskAssetData: lambda x: self.asset_data(x.user, x.coin),
            uq.AskAbstraction: lambda x: MODES[self._account(x.user).mode],
            uq.AskDexAbstraction: lambda _: None,
            uq.AskRole: self._role,
            uq.AskAgents: self._agents,
            uq.AskSubAccounts: self._sub_accounts,
            uq.AskReferral: self._referral,
            uq.AskPortfolio: self._portfolio,
            uq.AskMaxBuilderFee: lambda x: state.users.builders.get(
                (x.user.lower(), x.builder.lower()), 0
            ),
            uq.AskApprovedBuilders: lambda x: [
                b for u, b in state.users.builders if u == x.user.lower()
            ],
            uq.AskVaultEquities: lambda _: [],
            uq.AskTwapFills: lambda _: [],
            uq.AskTwapHistory: lambda _: [],
            uq.AskDelegations: lambda _: [],
            uq.AskDelegatorSummary: lambda _: static.DELEGATOR_SUMMARY,
            uq.AskDelegatorHistory: lambda _: [],
            uq.AskDelegatorRewards: lambda _: [],
            uq.AskMultiSig: lambda _: None,
            uq.AskSpotDeploy: lambda _: static.SPOT_DEPLOY,
        }

    def clearinghouse(self, user: str, dex: str) -> dict[str, Any]:
        """Return positions and margin on a dex."""
        state = self._state
        return state_shapes.clearinghouse(
            self._account(user), self._markets, dex, state.exchange.mark, state.now_ns
        )

    def spot(self, user: str) -> dict[str, Any]:
        """Return token balances."""
        return state_shapes.spot(self._account(user))

    def orders(self, user: str, dex: str) -> list[dict[str, Any]]:
        """Return the open orders on a dex, newest first."""
        return [order_shapes.order(r, self._instruments[r.asset]) for r in self._open(user, dex)]

    def frontend_orders(self, user: str, dex: str) -> list[dict[str, Any]]:
        """Return the open orders on a dex with all their terms, newest first."""
        return [
            order_shapes.frontend_order(r, self._instruments[r.asset])
            for r in self._open(user, dex)
        ]

    def fills(self, user: str, *, aggregate: bool = False) -> list[dict[str, Any]]:
        """Return the last fills, newest first."""
        rows = list(self._account(user).fills)
        rows = order_shapes.aggregated(rows) if aggregate else rows
        return self.fill_shapes(reversed(rows[-FILLS:]))

    def fill_shapes(self, rows: Iterable[Execution]) -> list[dict[str, Any]]:
        """Return executions in the venue's shape."""
        return [
            order_shapes.fill(
                row,
                self._instruments[row.asset],
                self._state.members.address(row.liquidation.owner) if row.liquidation else "",
            )
            for row in rows
        ]

    def fundings(self, user: str) -> list[dict[str, Any]]:
        """Return funding payments as they are pushed, oldest first."""
        rows = self._account(user).payments
        return [order_shapes.funding(row, self._instruments[row.asset]) for row in rows]

    def ledger(self, user: str) -> list[dict[str, Any]]:
        """Return money that moved without a trade, oldest first."""
        address = self._state.members.address
        return [
            order_shapes.ledger(
                row, user, user if row.counterpart is None else address(row.counterpart)
            )
            for row in self._account(user).ledger
        ]

    def asset_data(self, user: str, coin: str) -> dict[str, Any] | None:
        """Return leverage and room to trade on a coin, null where it is unknown."""
        asset = self._markets.index.get(coin)
        if asset is None:
            return None
        mark = float(self._state.exchange.mark[asset])
        account = self._account(user)
        return state_shapes.asset_data(account, self._markets, asset, mark, user.lower())

    def _account(self, user: str) -> Account:
        return self._state.shown(user)[1]

    def _on_dex(self, dex: str | None, answer: Handler) -> Any:
        name = dex or ""
        return answer(name) if name in self._markets.metas else None

    def _open(self, user: str, dex: str) -> list[Record]:
        records = self._account(user).open.values()
        return [r for r in reversed(records) if self._markets.dex_of(r.asset) == dex]

    def _order(self, query: uq.AskOrder) -> Any:
        owner, _ = self._state.shown(query.user)
        key = query.oid if isinstance(query.oid, int) else query.oid.lower()
        record = self._state.exchange.find(owner, key)
        if record is None:
            return {"status": "unknownOid"}
        shape = order_shapes.status(record, self._instruments[record.asset])
        return {"status": "order", "order": shape}

    def _historical_orders(self, query: uq.AskHistoricalOrders) -> Any:
        account = self._account(query.user)
        rows = sorted([*account.history, *account.open.values()], key=lambda r: -r.status_ns)
        return [order_shapes.status(r, self._instruments[r.asset]) for r in rows[:ORDERS]]

    def _fills_by_time(self, query: uq.AskFillsByTime) -> Any:
        end = self._state.now_ms if query.endTime is None else query.endTime
        fills = self._account(query.user).fills
        rows = [row for row in fills if query.startTime <= row.time_ns // MS <= end]
        rows = order_shapes.aggregated(rows) if query.aggregateByTime else rows
        return self.fill_shapes(rows[:FILLS])

    def _funding(self, query: uq.AskFunding) -> Any:
        end = self._state.now_ms if query.endTime is None else query.endTime
        rows = [
            order_shapes.funding_delta(row, self._instruments[row.asset])
            for row in self._account(query.user).payments
            if query.startTime <= row.time_ns // MS <= end
        ]
        return rows[:ROWS]

    def _ledger(self, query: uq.AskLedger) -> Any:
        end = self._state.now_ms if query.endTime is None else query.endTime
        rows = self.ledger(query.user.lower())
        return [row for row in rows if query.startTime <= row["time"] <= end][:ROWS]

    def _rate_limit(self, query: uq.AskRateLimit) -> Any:
        account = self._account(query.user)
        return {
            "cumVlm": text.micro(account.volume),
            "nRequestsUsed": account.requests.used,
            "nRequestsCap": int(account.requests.cap),
            "nRequestsSurplus": 0,
        }

    def _fees(self, query: uq.AskFees) -> Any:
        self._account(query.user)
        return static.user_fees()

    def _role(self, query: uq.AskRole) -> Any:
        user, users = query.user.lower(), self._state.users
        agent, sub = users.agent(user), users.sub_account(user)
        if agent is not None:
            return {"role": "agent", "data": {"user": agent.master}}
        if sub is not None:
            return {"role": "subAccount", "data": {"master": sub.master}}
        owner = self._state.members.meet(user, self._state.now_ns)
        return {"role": "missing" if owner is None else "user"}

    def _agents(self, query: uq.AskAgents) -> Any:
        return [
            {"name": agent.name, "address": agent.address, "validUntil": agent.until_ms}
            for agent in self._state.users.agents_of(query.user.lower())
        ]

    def _sub_accounts(self, query: uq.AskSubAccounts) -> Any:
        rows = [
            {
                "name": sub.name,
                "subAccountUser": sub.address,
                "master": sub.master,
                "clearinghouseState": self.clearinghouse(sub.address, ""),
                "spotState": self.spot(sub.address),
            }
            for sub in self._state.users.subs_of(query.user.lower())
        ]
        return rows or None

    def _referral(self, query: uq.AskReferral) -> Any:
        volume = text.micro(self._account(query.user).volume)
        return static.referral(volume, self._state.users.referrers.get(query.user.lower()))

    def _portfolio(self, query: uq.AskPortfolio) -> Any:
        account = self._account(query.user)
        value = float(account.margin().equity.sum())
        value += 0.0 if account.mode == "unified" else account.spot / 1e6
        period = {
            "accountValueHistory": [[self._state.now_ms, text.dollars(value)]],
            "pnlHistory": [[self._state.now_ms, "0.0"]],
            "vlm": text.micro(account.volume),
        }
        return [[name, period] for name in static.PERIODS]
