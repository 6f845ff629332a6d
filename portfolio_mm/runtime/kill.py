"""The kill ladder: cancel everything, close positions, stop. And what sets it off.

Every rung has a time bound. Cancels are repeated until the venue confirms that nothing rests. Positions
are closed with reduce-only orders that are immediate or cancelled, priced within the slippage bound and
no larger than what the book displays there. Whatever is left at the end is named.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from portfolio_mm import config as configuration
from portfolio_mm.executor.reconcile import cloid
from portfolio_mm.rules import ticks
from portfolio_mm.runtime.orders import OrderTracker
from portfolio_mm.runtime.records import Day
from portfolio_mm.types import (
    DAY_S,
    NS,
    AccountState,
    Floats,
    MarketSnapshot,
    MarketStatus,
    NewOrder,
    Orders,
    Universe,
)

RETRY_NS = 2 * NS
"""A cancel that nobody answered is sent again."""

STEP_NS = NS // 2
"""Longest wait between two steps of the ladder."""

EXIT = 0x8000
"""Level in the ids of exits."""

STOP_FILE = "stop.json"


class Stop(NamedTuple):
    """Why quoting ends, and whether positions are closed."""

    reason: str
    flatten: bool


Stopper = Callable[[int], Stop | None]
"""Asked in every cycle, at venue time, whether somebody wants the run to stop."""


def never(now_ns: int) -> Stop | None:
    """Return nothing: nobody stops the run from outside."""
    del now_ns
    return None


class Until:
    """Ends a run at a time: what rests is cancelled, what is held is kept."""

    def __init__(self, deadline_ns: int) -> None:
        self._deadline_ns = deadline_ns

    def __call__(self, now_ns: int) -> Stop | None:
        """Return the stop once it is time."""
        return Stop("its time is over", flatten=False) if now_ns >= self._deadline_ns else None


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What `pmm stop` writes into the folder of a run."""

    flatten: bool


def request_stop(folder: Path, flatten: bool) -> None:
    """Ask the run in `folder` to stop."""
    waiting = folder / f"{STOP_FILE}.new"
    waiting.write_bytes(msgspec.json.encode(Request(flatten=flatten)))
    waiting.replace(folder / STOP_FILE)


class StopFile:
    """Sees the request of `pmm stop`; one of an earlier start does not count."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / STOP_FILE
        self._path.unlink(missing_ok=True)

    def __call__(self, now_ns: int) -> Stop | None:
        """Return the request once it is there."""
        del now_ns
        try:
            request = msgspec.json.decode(self._path.read_bytes(), type=Request)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError):
            request = Request(flatten=False)
        return Stop("stopped by hand", request.flatten)


class Ladder:
    """Steps from quoting to nothing resting and, where wanted, nothing held."""

    def __init__(
        self,
        settings: configuration.Kill,
        universe: Universe,
        run: str,
        stop: Stop,
        now_ns: int,
    ) -> None:
        self._settings = settings
        self._universe = universe
        self._run = run
        self.stop = stop
        self._cancel_until_ns = now_ns + round(settings.cancel_s * NS)
        self._flatten_s = settings.flatten_s if stop.flatten else 0.0
        self._until_ns = self._cancel_until_ns + round(self._flatten_s * NS)
        self._flat = not stop.flatten
        self._clear_ns: int | None = None  # since when nothing is left to do

    def done(self, now_ns: int, tracker: OrderTracker, read_ns: int | None = None) -> bool:
        """Tell whether nothing is left to do, or no time to do it.

        `read_ns` is when the account was last read where that is the venue's to say: it must be
        later than the last order's end, lest a fill was missed.
        """
        if now_ns >= self._until_ns:
            return True
        if len(tracker) or not self._flat:
            self._clear_ns = None
            return False
        if self._clear_ns is None:
            self._clear_ns = now_ns
        return read_ns is None or self.confirmed(read_ns)

    def confirmed(self, read_ns: int) -> bool:
        """Tell whether the account was read after everything was done."""
        return self._clear_ns is not None and read_ns > self._clear_ns

    @property
    def clear(self) -> bool:
        """Whether nothing is left to do."""
        return self._clear_ns is not None

    def step(
        self, tracker: OrderTracker, snapshot: MarketSnapshot, account: AccountState
    ) -> Orders:
        """Return what to send now: cancels, and once nothing rests, exits."""
        now = snapshot.time_ns
        orders = tracker.cancel_all(now, RETRY_NS)
        if not self.stop.flatten or (len(tracker) and now < self._cancel_until_ns):
            return orders
        lots = ticks.to_lots(np.abs(account.position), self._universe.sz_decimals)
        self._flat = not lots.any()
        exits = []
        for asset in np.flatnonzero(lots).tolist():
            if not tracker.exiting(asset, now):
                exits += self._exit(asset, int(lots[asset]), snapshot, account)
        return msgspec.structs.replace(orders, exits=tuple(exits))

    def _exit(
        self, asset: int, held: int, snapshot: MarketSnapshot, account: AccountState
    ) -> list[NewOrder]:
        """Return an order that closes what the book can take of a position now."""
        if snapshot.status[asset] != MarketStatus.OPEN:
            return []
        decimals = int(self._universe.sz_decimals[asset])
        sells = account.position[asset] > 0.0
        sign = 1 if sells else -1
        price, size = (
            (snapshot.bid_price[asset], snapshot.bid_size[asset])
            if sells
            else (snapshot.ask_price[asset], snapshot.ask_size[asset])
        )
        mid = 0.5 * (snapshot.bid_price[asset, 0] + snapshot.ask_price[asset, 0])
        bound = mid * (1.0 - sign * self._settings.slippage)
        # Rounded away from the bound's far side, so that the bound holds.
        units = int(ticks.to_units(bound, decimals, -sign))
        within = sign * (price - bound) >= 0.0
        displayed = int(ticks.to_lots(float(size[within].sum()), decimals))
        least = int(np.ceil(ticks.MIN_NOTIONAL / (max(units, 1) * ticks.MICRO_USD)))
        if not units or not displayed:
            return []
        lots = min(held, max(displayed, least))
        side = int(sells)
        name = cloid(self._run, snapshot.time_ns, asset, side, EXIT)
        return [NewOrder(cloid=name, asset=asset, side=side, level=0, units=units, lots=lots)]


class Watch:
    """Sets off the ladder: losses, positions, and data that cannot be trusted."""

    def __init__(
        self,
        settings: configuration.Kill,
        max_drawdown: float,
        universe: Universe,
        now_ns: int,
        day: Day | None = None,
    ) -> None:
        self._settings = settings
        self._max_drawdown = max_drawdown
        self._universe = universe
        self.day = day
        self._book_ns = np.zeros(len(universe), dtype=np.int64)
        self._heard_ns = now_ns  # a new book came
        self._in_time_ns = now_ns  # and its time was like ours

    def check(
        self,
        snapshot: MarketSnapshot,
        account: AccountState,
        drawdown: float,
        read_ns: int,
    ) -> Stop | None:
        """Return why to stop, if there is a reason.

        Parameters
        ----------
        snapshot, account
            What is known now.
        drawdown
            Fraction of the peak of equity.
        read_ns
            When the account was last read from the venue.
        """
        settings, now = self._settings, snapshot.time_ns
        self._listen(snapshot)
        patience = round(settings.data_loss_s * NS)
        loss = self._daily_loss(now, float(account.equity.sum()))
        if drawdown >= self._max_drawdown:
            return Stop(f"drawdown {drawdown:.1%} reached the loss limit", True)
        if settings.daily_loss_usd is not None and loss >= settings.daily_loss_usd:
            return Stop(f"loss of {loss:,.2f} USD today reached the daily limit", True)
        beyond = self._too_large(account)
        if beyond:
            return Stop(f"position beyond the hard limit: {beyond}", True)
        if now - self._heard_ns > patience:
            return Stop(f"no new book for {settings.data_loss_s:g} s", True)
        if now - read_ns > patience:
            return Stop(f"the account could not be read for {settings.data_loss_s:g} s", True)
        if self._heard_ns - self._in_time_ns > patience:
            return Stop(f"our clock and the venue's differ by {settings.clock_skew_s:g} s", True)
        return None

    def _listen(self, snapshot: MarketSnapshot) -> None:
        """Note when books came, and how far their times are from ours."""
        fresh = snapshot.book_time_ns != self._book_ns
        if fresh.any():
            self._heard_ns = snapshot.time_ns
            age = np.abs(snapshot.time_ns - snapshot.book_time_ns[fresh]).min()
            if age <= self._settings.clock_skew_s * NS:
                self._in_time_ns = snapshot.time_ns
        self._book_ns = snapshot.book_time_ns

    def _daily_loss(self, now_ns: int, equity: float) -> float:
        """Return what was lost since the first cycle of the day, USD."""
        number = now_ns // round(DAY_S * NS)
        if self.day is None or self.day.number != number:
            self.day = Day(number=number, equity=equity)
        return self.day.equity - equity

    def _too_large(self, account: AccountState) -> str:
        """Name the positions beyond the hard limit."""
        limit = self._settings.position_usd
        if limit is None:
            return ""
        usd: Floats = np.abs(np.nan_to_num(account.position * account.mark))
        return ", ".join(
            f"{self._universe.names[asset]} {usd[asset]:,.0f} USD"
            for asset in np.flatnonzero(usd > limit).tolist()
        )
