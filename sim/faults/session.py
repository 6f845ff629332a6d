"""One run: a venue, an engine that is killed and started again, faults, an end, and the truth.

The engine is the real one: adapter, loop, recovery and a journal on disk. Only the network between
it and the gateway is ours, and the clock. When the faults are over, something stops the engine;
requests that were late may still arrive; and where a start has left something behind, or died, one
more start has to clean up. Then the invariants are checked.
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from portfolio_mm.rules import ticks
from portfolio_mm.runtime import journal, recovery
from portfolio_mm.runtime import loop as runtime
from portfolio_mm.runtime.journal import JournalError
from portfolio_mm.runtime.kill import Stop
from portfolio_mm.types import NS, Universe
from portfolio_mm.venues.base import VenueError
from portfolio_mm.venues.hyperliquid.transport import Transport
from portfolio_mm.venues.hyperliquid.venue import HyperliquidVenue
from sim.exchange.account import Account
from sim.exchange.messages import MICRO
from sim.exchange.orders import Ticket
from sim.faults import scene
from sim.faults.grounds import Ground, SocketGround, VirtualGround
from sim.faults.journal import MortalJournal
from sim.faults.plan import Ending, Kind, Plan
from sim.faults.transport import FaultyTransport
from sim.faults.virtual import DeadlockError

PAUSE_S = 3.0
"""Until a process that died is started again."""

QUIET_S, LATE_S = 2.0, 20.0
"""After the engine stopped: longer than messages take, and than a late request may be late."""

PATIENCE_S = 200.0
"""Virtual time that one start may take beyond the end of the faults."""

STARTS = 6
"""Most starts of one run."""

SKEW_S = 8.0
LOSS_USD, LOSSES, AGAIN_S = 1.5 * scene.DAILY_LOSS_USD, 4, 20.0
STRANGE_USD = 100.0
LIMIT_MULTIPLE, HASTE, TRADES = 1.2, 0.05, 10


class Life(NamedTuple):
    """One start of the engine."""

    begun_ns: int
    ended_ns: int
    resumptions: int
    how: str  # "killed", "refused" (the venue could not be read), or why the run stopped
    resting: tuple[str, ...] = ()
    clean: bool = True  # the journal was closed in order


class Session:
    """A venue and the starts of an engine on it."""

    def __init__(self, plan: Plan, folder: Path, *, sockets: bool = False) -> None:
        self.plan = plan
        self.folder = folder
        self.struck: Counter[str] = Counter()
        self.lives: list[Life] = []
        self.failures: list[str] = []
        seeds = np.random.SeedSequence([plan.seed, 0x5E55]).spawn(4)
        self._rngs = [np.random.default_rng(seed) for seed in seeds]
        settings = scene.server(plan.seed, plan.account)
        self.ground: Ground = (
            SocketGround(settings) if sockets else VirtualGround(settings, self._rngs[0])
        )
        self.gateway = self.ground.gateway
        self.universe: Universe | None = None
        self.peak_use = np.zeros(0)
        self.start_ns = self.ground.now_ns
        self.end_ns = self.start_ns + round(plan.seconds * NS)
        self._stop: Stop | None = None
        self._skew_ns = 0
        self._journal: MortalJournal | None = None
        self._disk_full = False
        self._plant_events()

    @property
    def owner(self) -> int:
        """The engine's account at the exchange."""
        owner = self.gateway.owner(scene.SIGNER.address)
        assert owner is not None
        return owner

    @property
    def account(self) -> Account:
        """The engine's account as the exchange keeps it."""
        return self.gateway.state.exchange.accounts[self.owner]

    def live_through(self) -> None:
        """Start the engine until it has stopped by itself and nothing is left of it."""
        kills = iter(self.plan.kills)
        plan = self.plan
        while len(self.lives) < STARTS:
            life = self._live(plan, next(kills, None))
            self.lives.append(life)
            if life.how == "failed":
                return
            if life.how == "killed":
                self.struck[Kind.KILL] += 1
            if life.how.startswith(("killed", "refused")):
                self.ground.wait(PAUSE_S)
                if life.begun_ns > self.end_ns or self._was_ending():
                    plan = self._repaired()
                continue
            self.ground.wait(LATE_S if self.struck[Kind.LATE_REQUEST] else QUIET_S)
            if life.clean and not life.resting and life.ended_ns >= self.end_ns:
                return
            # Somebody looks at what was left behind and starts it once more, only to stop it.
            plan = self._repaired()
            self.ground.wait(max(0.0, (self.end_ns - self.ground.now_ns) / NS))
        self.failures.append(f"not at rest after {STARTS} starts")

    def _was_ending(self) -> bool:
        """Tell whether the end had been noticed: what set it off may be gone already."""
        if not (self.folder / journal.NAME).is_file():
            return False
        return any(row.ts_ns >= self.end_ns for row in journal.read(self.folder, "kill"))

    def _repaired(self) -> Plan:
        """Put right what is broken around the engine, to stop it by hand, and return peace."""
        self._disk_full, self._skew_ns = False, 0
        self._stop = Stop("stopped by hand", flatten=False)
        return Plan(seed=self.plan.seed, seconds=0.0)

    # One start

    def _live(self, plan: Plan, kill_at: int | None) -> Life:
        begun_ns = self.ground.now_ns
        horizon_ns = max(self.end_ns, begun_ns) + round(PATIENCE_S * NS)
        resumptions = 0
        how, clean = "killed", False
        resting: tuple[str, ...] = ()
        try:
            outcome, resumptions = self.ground.live(
                partial(self._engine, plan), kill_at, horizon_ns
            )
        except VenueError as error:
            how, clean = f"refused: {error}", True
        except JournalError as error:
            how = f"{error}"
        except DeadlockError as error:
            how = "failed"
            self.failures.append(f"does not stop: {error}")
        except Exception as error:  # noqa: BLE001 (whatever it is, the engine broke)
            how = "failed"
            self.failures.append(f"{type(error).__name__}: {error}")
        else:
            if outcome is not None:
                how, resting, clean = outcome.stopped, outcome.resting, True
        self._bury(how == "killed")
        return Life(begun_ns, self.ground.now_ns, resumptions, how, resting, clean)

    def _bury(self, killed: bool) -> None:
        """Leave of a killed process's journal what the disk has of it."""
        if killed and self._journal is not None:
            self._journal.die(self._rngs[2])
        self._journal = None

    async def _engine(self, plan: Plan, network: Transport) -> runtime.Outcome:
        """Open the venue, recover, and quote until something stops it."""
        config = scene.CONFIG
        transport = FaultyTransport(
            network, plan, self.start_ns, self._rngs[1], self.struck, lambda: self._skew_ns
        )
        venue = await HyperliquidVenue.open(
            scene.VENUE, config.assets, transport, scene.SIGNER, self._rngs[3]
        )
        self.universe = venue.universe
        past = recovery.past(self.folder, venue.universe)
        try:
            start = await recovery.recover(config, venue, past)
        except BaseException:
            await venue.close()
            raise
        with MortalJournal(self.folder) as self._journal:
            if self._disk_full:
                self._journal.fill_disk()
            return await runtime.run(
                config, venue, self._journal, start=start, stop=lambda now_ns: self._stop
            )

    # What happens by itself

    def _plant_events(self) -> None:
        at = self.gateway.state.world.at
        for time_s, post_only_s in self.plan.restarts:
            at(self.start_ns + round(time_s * NS), self._restart, post_only_s)
        if self.plan.disk_full_s is not None:
            at(self.start_ns + round(self.plan.disk_full_s * NS), self._fill_disk)
        at((self.start_ns + self.end_ns) // 2, self._rest_by_hand)
        at(self.end_ns, self._end)

    def _restart(self, post_only_s: float) -> None:
        self.struck[Kind.RESTART] += 1
        self.gateway.restart(post_only_s)

    def _fill_disk(self) -> None:
        self.struck[Kind.DISK_FULL] += 1
        self._disk_full = True
        if self._journal is not None:
            self._journal.fill_disk()

    def _end(self) -> None:
        """Do what stops the engine."""
        self.peak_use = self.account.peak_use.copy()
        match self.plan.ending:
            case Ending.MANUAL:
                self._stop = Stop("stopped by hand", flatten=self.plan.seed % 2 == 0)
            case Ending.LOSS:
                self._lose(LOSSES)
            case Ending.SKEW:
                self._skew_ns = round(SKEW_S * NS)
            case Ending.POSITION:
                self._trade_by_hand(TRADES)
            case Ending.SILENCE:
                """The transport drops every frame from now on."""

    def _rest_by_hand(self) -> None:
        """Let somebody rest an order on the engine's account, which is not the engine's to keep."""
        if self.plan.seed % 4 == 1:
            exchange, markets = self.gateway.state.exchange, self.gateway.state.markets
            asset = markets.universe.names.index(scene.ASSETS[0].name)
            decimals = markets.universe.instruments[asset].sz_decimals
            price = (1.0 - HASTE) * float(exchange.mark[asset])
            lots = int(ticks.to_lots(STRANGE_USD / price, decimals))
            ticket = Ticket(asset, 0, int(ticks.to_units(price, decimals, 1)), lots)
            exchange.place(self.owner, ticket, self.gateway.now_ns)

    def _lose(self, times: int) -> None:
        """Take money away, and again for an engine that was not there to see it."""
        if times and self._stop is None:
            place = "spot" if self.plan.account == "unified" else "xyz"
            self.account.credit(place, -round(LOSS_USD * MICRO))
            again_ns = self.gateway.now_ns + round(AGAIN_S * NS)
            self.gateway.state.world.at(again_ns, self._lose, times - 1)

    def _trade_by_hand(self, times: int) -> None:
        """Let somebody trade on the engine's account, to more than the engine may hold."""
        if self._stop is not None or not times:
            return
        exchange, markets = self.gateway.state.exchange, self.gateway.state.markets
        asset = markets.universe.names.index(scene.ASSETS[0].name)
        decimals = markets.universe.instruments[asset].sz_decimals
        mark, held = float(exchange.mark[asset]), self.account.lots[asset]
        sign = -1 if held < 0 else 1
        target = int(ticks.to_lots(LIMIT_MULTIPLE * scene.POSITION_USD / mark, decimals))
        if target > abs(held):
            ticket = Ticket(
                asset=asset,
                side=0 if sign > 0 else 1,
                units=int(ticks.to_units(mark * (1.0 + sign * HASTE), decimals, sign)),
                lots=target - abs(held),
                tif="Ioc",
            )
            exchange.place(self.owner, ticket, self.gateway.now_ns)
        self.gateway.state.world.at(self.gateway.now_ns + NS, self._trade_by_hand, times - 1)
