"""Cards at the embedded exchange: its methods called in process, on its own clock."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import TypeVar

from hyperliquid.utils.signing import float_to_wire

from portfolio_mm.rules import ticks
from portfolio_mm.types import NS
from sim.conformance.card import Broken, Scene
from sim.conformance.desk import (
    Answer,
    Deal,
    Desk,
    Held,
    Order,
    Paid,
    Refused,
    Requests,
    Terms,
    Wish,
)
from sim.conformance.settings import simulated
from sim.exchange import terms, transfers
from sim.exchange.account import Account
from sim.exchange.holdings import SPOT
from sim.exchange.messages import MICRO, Change, Message
from sim.exchange.orders import Outcome, Ticket, Trigger
from sim.market.latency import MS
from sim.market.listing import listed_universe
from sim.market.world import World
from sim.server.trading import on_grid

PATIENCE_NS = 150 * NS
STEP_NS = NS // 2
SETTLED_NS = 2 * NS
"""The market has formed this long after the beginning."""

Result = TypeVar("Result")


class EmbeddedBench:
    """A world that stands still between requests."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.universe = listed_universe(scene.markets)
        self.world = World(simulated(scene), self.universe)
        self.exchange = self.world.exchange
        self.index = {name: asset for asset, name in enumerate(self.universe.names)}
        self.told: dict[int, list[tuple[int, str]]] = defaultdict(list)
        self._block_ns = round(scene.block_ms * MS)
        self.world.on_messages = self._tell
        self.world.run(self.world.now_ns + SETTLED_NS)

    def desk(self) -> Desk:
        """Return a new account."""
        scene, now_ns = self.scene, self.world.now_ns
        owner = self.exchange.open_user(scene.mode, scene.requests)
        places = [SPOT] if scene.mode == "unified" else [SPOT, *self.universe.pools]
        for place in places:
            transfers.credit(self.exchange, owner, place, round(scene.usd * MICRO), now_ns)
        return EmbeddedDesk(self, owner)

    def decimals(self, coin: str) -> int:
        """Return szDecimals."""
        return self.universe.instruments[self.index[coin]].sz_decimals

    def mark(self, coin: str) -> float:
        """Return the mark price."""
        return float(self.exchange.mark[self.index[coin]])

    def oracle(self, coin: str) -> float:
        """Return the oracle price."""
        return float(self.exchange.oracle[self.index[coin]])

    def levels(self, coin: str) -> list[list[tuple[float, float]]]:
        """Return the book."""
        book, decimals = self.exchange.books[self.index[coin]], self.decimals(coin)
        return [
            [
                (float(ticks.from_units(units, decimals)), float(ticks.from_lots(lots, decimals)))
                for units, lots in zip(*book.depth(side, 20), strict=True)
            ]
            for side in (0, 1)
        ]

    def now_ms(self) -> int:
        """Return the world's time."""
        return self.world.now_ns // MS

    def wait(self, done: Callable[[], bool], what: str) -> None:
        """Run the world until something has happened."""
        deadline = self.world.now_ns + PATIENCE_NS
        while not done():
            if self.world.now_ns > deadline:
                raise Broken(f"{what}: not within {PATIENCE_NS // NS} seconds")
            self.world.run(self.world.now_ns + STEP_NS)

    def close(self) -> None:
        """Leave nothing behind: there is nothing."""

    def act(self, action: Callable[[], Result]) -> Result:
        """Execute something in the next block."""
        results: list[Result] = []
        time_ns = self.world.now_ns + self._block_ns
        self.world.at(time_ns, lambda: results.append(action()))
        self.world.run(time_ns)
        return results[0]

    def _tell(self, messages: list[tuple[int, Message]]) -> None:
        for owner, message in messages:
            if isinstance(message, Change) and message.record is not None:
                self.told[owner].append((message.record.oid, message.status))


class EmbeddedDesk:
    """One account of the exchange."""

    def __init__(self, bench: EmbeddedBench, owner: int) -> None:
        self._bench = bench
        self._owner = owner

    @property
    def account(self) -> Account:
        """The account itself."""
        return self._bench.exchange.accounts[self._owner]

    def place(self, *wishes: Wish) -> list[Answer]:
        """Place orders."""
        exchange, now_ns = self._bench.exchange, self._now_ns
        tickets = [self._ticket(wish) for wish in wishes]
        outcomes = self._rationed(
            len(tickets),
            lambda: [exchange.place(self._owner, ticket, now_ns()) for ticket in tickets],
        )
        pairs = zip(wishes, outcomes, strict=True)
        return [self._answer(wish.coin, outcome) for wish, outcome in pairs]

    def modify(self, key: int | str, wish: Wish) -> Answer:
        """Replace an order."""
        ticket, now_ns = self._ticket(wish), self._now_ns
        outcome = self._rationed(
            1, lambda: self._bench.exchange.modify(self._owner, key, ticket, now_ns())
        )
        return self._answer(wish.coin, outcome)

    def cancel(self, coin: str, *keys: int | str) -> list[str]:
        """Cancel orders."""
        exchange, asset, now_ns = self._bench.exchange, self._bench.index[coin], self._now_ns
        return self._rationed(
            len(keys),
            lambda: [exchange.cancel(self._owner, key, now_ns(), asset) for key in keys],
            cancel=True,
        )

    def order(self, key: int | str) -> Order | None:
        """Return an order."""
        record = self._bench.exchange.find(self._owner, key)
        if record is None:
            return None
        decimals = self._bench.universe.instruments[record.asset].sz_decimals
        return Order(
            oid=record.oid,
            cloid=record.cloid,
            status=record.status,
            status_ms=record.status_ns // MS,
            price=float(ticks.from_units(record.units, decimals)),
            size=float(ticks.from_lots(record.lots, decimals)),
            original=float(ticks.from_lots(record.original_lots, decimals)),
        )

    def open_orders(self, dex: str) -> list[int]:
        """Return open orders."""
        dexs = self._bench.universe.dex
        return [r.oid for r in self.account.open.values() if dexs[r.asset] == dex]

    def deals(self) -> list[Deal]:
        """Return trades."""
        instruments = self._bench.universe.instruments
        return [
            Deal(
                coin=instruments[x.asset].name,
                is_buy=x.side == 0,
                price=float(ticks.from_units(x.units, instruments[x.asset].sz_decimals)),
                size=float(ticks.from_lots(x.lots, instruments[x.asset].sz_decimals)),
                start=float(ticks.from_lots(abs(x.start_lots), instruments[x.asset].sz_decimals))
                * (1 if x.start_lots >= 0 else -1),
                direction=x.direction,
                closed_pnl=x.closed_pnl / MICRO,
                crossed=x.crossed,
                fee=x.fee / MICRO,
                oid=x.oid,
                cloid=x.cloid,
                tid=x.tid,
                liquidation=x.liquidation.method if x.liquidation else "",
            )
            for x in self.account.fills
        ]

    def held(self, coin: str) -> Held:
        """Return a position."""
        account, asset = self.account, self._bench.index[coin]
        size = float(account.position()[asset])
        if size == 0.0:
            return Held()
        if account.isolated[asset]:
            margin = float(account.margin().isolated_equity[asset])
        else:
            margin = account.notional(asset) / MICRO / account.leverage[asset]
        return Held(size, account.cost[asset] / MICRO / abs(size), margin)

    def terms(self, coin: str) -> Terms:
        """Return leverage and margin mode."""
        account, asset = self.account, self._bench.index[coin]
        return Terms(account.leverage[asset], not account.isolated[asset])

    def set_terms(self, coin: str, leverage: int, *, is_cross: bool) -> None:
        """Choose leverage and margin mode."""
        asset = self._bench.index[coin]
        self._demand(
            lambda: terms.set_leverage(
                self._bench.exchange, self._owner, asset, leverage, is_cross=is_cross
            )
        )

    def add_margin(self, coin: str, usd: float) -> None:
        """Move dollars into an isolated position."""
        asset = self._bench.index[coin]
        self._demand(
            lambda: terms.adjust_isolated(
                self._bench.exchange, self._owner, asset, round(usd * MICRO)
            )
        )

    def balance(self, place: str) -> float:
        """Return the equity of a place."""
        pool = self.account.pool_at(place)
        if pool is None:
            return self.account.spot / MICRO
        return float(self.account.margin().equity[pool])

    def send(self, source: str, destination: str, usd: float) -> None:
        """Move dollars between places."""
        exchange, owner, now_ns = self._bench.exchange, self._owner, self._now_ns
        amount = round(usd * MICRO)
        self._demand(
            lambda: transfers.move(exchange, owner, source, owner, destination, amount, now_ns())
        )

    def class_transfer(self, usd: float) -> None:
        """Move dollars from spot."""
        exchange, now_ns, amount = self._bench.exchange, self._now_ns, round(usd * MICRO)
        self._demand(
            lambda: transfers.class_transfer(exchange, self._owner, amount, now_ns(), to_perp=True)
        )

    def schedule_cancel(self, time_ms: int | None) -> None:
        """Have every order cancelled."""
        time_ns = None if time_ms is None else time_ms * MS
        self._demand(lambda: self._bench.world.schedule_cancel(self._owner, time_ns))

    def requests(self) -> Requests:
        """Return the request budget."""
        requests = self.account.requests
        return Requests(requests.used, int(requests.cap))

    def paid(self) -> list[Paid]:
        """Return funding payments."""
        instruments = self._bench.universe.instruments
        return [
            Paid(-x.micro / MICRO, x.lots / 10.0 ** instruments[x.asset].sz_decimals, x.rate)
            for x in self.account.payments
        ]

    def watch(self) -> Callable[[], list[tuple[int, str]]]:
        """Return order updates from now on."""
        told = self._bench.told[self._owner]
        seen = len(told)
        return lambda: told[seen:]

    def _now_ns(self) -> int:
        return self._bench.world.now_ns

    def _rationed(
        self, count: int, action: Callable[[], Result], *, cancel: bool = False
    ) -> Result:
        exchange = self._bench.exchange

        def execute() -> tuple[str, list[Result]]:
            error = exchange.ration(self._owner, count, self._now_ns(), cancel=cancel)
            results = [] if error else [action()]
            self.account.observe()
            return error, results

        error, results = self._bench.act(execute)
        if error:
            raise Refused(error)
        return results[0]

    def _demand(self, action: Callable[[], str]) -> None:
        error = self._bench.act(action)
        if error:
            raise Refused(error)

    def _ticket(self, wish: Wish) -> Ticket:
        decimals = self._bench.decimals(wish.coin)
        places = ticks.DECIMALS - decimals
        trigger = None
        if wish.stop:
            trigger = Trigger(on_grid(float_to_wire(wish.stop), places), True, "sl")
        return Ticket(
            asset=self._bench.index[wish.coin],
            side=0 if wish.is_buy else 1,
            units=on_grid(float_to_wire(wish.price), places),
            lots=on_grid(float_to_wire(wish.size), decimals),
            cloid=wish.cloid,
            tif=wish.tif,
            reduce_only=wish.reduce_only,
            trigger=trigger,
        )

    def _answer(self, coin: str, outcome: Outcome) -> Answer:
        decimals = self._bench.decimals(coin)
        oid = 0 if outcome.record is None else outcome.record.oid
        if outcome.error:
            return Answer(oid=0, error=outcome.error)
        size = float(ticks.from_lots(outcome.filled_lots, decimals))
        return Answer(oid, size, outcome.average_units / 10.0 ** (ticks.DECIMALS - decimals))
