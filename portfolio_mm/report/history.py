"""Reads a journal once into columns, and decodes only what a report needs.

A cycle counts once its evaluation is journalled, so a run that was cut short loses at most its last,
incomplete cycle. Where a run was started again, its parts are one: cumulative PnL goes on, and what
prices did to the position in between counts as inventory.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import msgspec
import numpy as np

from portfolio_mm.evaluator.markout import HORIZONS_S
from portfolio_mm.report.columns import Cycles, Fills, History, Quoted, Requests
from portfolio_mm.rules import ticks
from portfolio_mm.runtime.journal import JournalError, Row, read
from portfolio_mm.runtime.records import Closing, Opening
from portfolio_mm.types import (
    NS,
    UNKNOWN,
    UNSENT,
    Events,
    Fill,
    Floats,
    Ints,
    MarketBelief,
    Orders,
    PricingSurface,
    QuoteSet,
)


class _Snapshot(msgspec.Struct):
    time_ns: int
    bid_price: Floats
    ask_price: Floats


class _Account(msgspec.Struct):
    time_ns: int
    mark: Floats
    equity: Floats
    position_margin: Floats
    order_margin: Floats


class _Budget(msgspec.Struct):
    inventory: Floats
    gamma: float
    gamma_base: float
    utilisation: float
    exposure_limit: float
    bound_hit: bool
    gamma_moved: bool


class _Evaluation(msgspec.Struct):
    fill_id: Ints
    horizon_s: Floats
    markout: Floats
    spread: Floats
    adverse_selection: Floats
    inventory: Floats
    fees: Floats
    funding: Floats


_NEEDED: dict[str, Any] = {
    "snapshot": _Snapshot,
    "account": _Account,
    "events": Events,
    "belief": MarketBelief,
    "budget": _Budget,
    "surface": PricingSurface,
    "quotes": QuoteSet,
    "evaluation": _Evaluation,
}
_ACCEPTED = frozenset({"open", "resting", "filled", "canceled", UNKNOWN})
"""Words for an order that the venue took, as far as is known."""

_SILENT = frozenset({UNKNOWN, UNSENT})
"""Words of our own: the venue said nothing."""


def load(run: Path) -> History:
    """Read the journal in the folder `run`.

    Raises
    ------
    JournalError
        When there is no journal, it cannot be read, is of another version, or holds no cycle.
    """
    rows = read(run, "opening", *_NEEDED, "intent", "closing")
    try:
        first = next(rows, None)
        if first is None or first.kind != "opening":
            raise JournalError(f"{run}: the journal does not start with an opening")
        reader = _Reader(first.decode(Opening))
        for row in rows:
            reader.take(row)
        return reader.history(run)
    except msgspec.MsgspecError as error:
        raise JournalError(f"{run}: the journal is of another version ({error})") from None


class _Before(NamedTuple):
    """What earlier starts of a run left to the one that is read."""

    pnl: Floats  # (5, N) cumulative, in the order of the last columns of `Cycles`
    position: Floats  # (N,) contracts held in between
    mark: Floats  # (N,) USD of the last cycle, NaN where there is none or it is accounted for

    @classmethod
    def of(cls, opening: Opening, last: Sequence[tuple[Any, ...]] = ()) -> Self:
        """Return what was there at an opening; `last` holds the cycle before it, if any."""
        n = len(opening.universe)
        held = np.zeros(n) if opening.position is None else opening.position
        if not last:
            return cls(np.zeros((5, n)), held, np.full(n, np.nan))
        [columns] = last
        return cls(np.array(columns[-5:]), held, columns[Cycles._fields.index("mark")])

    def moved(self, mark: Floats) -> Self:
        """Return it once the first marks (N,) of the new start are accounted for."""
        if np.isnan(self.mark).all():
            return self
        move = np.where(self.position != 0.0, self.position * (mark - self.mark), 0.0)
        pnl = self.pnl.copy()
        pnl[2] += np.nan_to_num(move)
        return self._replace(pnl=pnl, mark=np.full_like(mark, np.nan))


class _Reader:
    """Collects rows until the run is complete."""

    def __init__(self, opening: Opening) -> None:
        self._opening = opening
        self._before = _Before.of(opening)
        self._held = self._before.position
        self._stopped: str | None = None
        self._pending: dict[str, Any] = {}
        self._columns: list[tuple[Any, ...]] = []
        self._fills: list[tuple[int, Fill]] = []
        self._markouts: dict[tuple[int, float], float] = {}
        self._actions = np.zeros(3, dtype=np.int64)
        self._rejected: dict[str, int] = {}
        self._decided: dict[str, int] = {}  # when an action on an order was decided
        self._waited: list[float] = []  # seconds from there to the venue's word
        self._covariance = np.zeros(0)
        self._riskiest = (-1.0, 0, np.zeros(0))
        self._last: list[Quoted | None] = [None] * len(opening.universe)

    def take(self, row: Row) -> None:
        """Decode a row if a report needs it."""
        if row.kind in _NEEDED:
            self._pending[row.kind] = row.decode(_NEEDED[row.kind])
            if row.kind == "evaluation":
                self._complete(**self._pending)
                self._pending = {}
        elif row.kind == "intent":
            intent = row.decode(Orders)
            placed = len(intent.places) + len(intent.exits)
            self._actions += [placed, len(intent.modifies), len(intent.cancels)]
            replacing = [new for _, new in intent.modifies]
            for order in (*intent.places, *replacing, *intent.exits):
                self._decided[order.cloid] = intent.time_ns
            self._decided.update(dict.fromkeys(intent.cancels, intent.time_ns))
        elif row.kind == "closing":
            self._stopped = row.decode(Closing).stopped
        elif row.kind == "opening":
            self._opening = row.decode(Opening)
            self._before = _Before.of(self._opening, self._columns[-1:])
            self._stopped = None
            self._pending = {}

    def _complete(
        self,
        snapshot: _Snapshot,
        account: _Account,
        events: Events,
        belief: MarketBelief,
        budget: _Budget,
        surface: PricingSurface,
        quotes: QuoteSet,
        evaluation: _Evaluation,
    ) -> None:
        """Turn the records of one cycle into a row of columns, in the order of `Cycles`."""
        cycle = len(self._columns)
        before = self._before = self._before.moved(account.mark)
        x = budget.inventory
        variance = float(x @ belief.covariance @ x)
        self._covariance = belief.covariance
        if variance > self._riskiest[0]:
            self._riskiest = (variance, cycle, belief.covariance)
        quoted = quotes.lots > 0
        decimals = self._opening.universe.sz_decimals[:, None, None]
        price = np.where(quoted, ticks.from_units(quotes.units, decimals), np.nan)
        state = Quoted(belief, budget.gamma, x, surface, quotes)
        for asset in np.flatnonzero(quoted.any(axis=(1, 2))):
            self._last[asset] = state
        self._fills += [(cycle, fill) for fill in events.fills]
        for update in events.updates:
            decided_ns = self._decided.pop(update.cloid, None)
            if decided_ns is not None and update.status not in _SILENT:
                self._waited.append((update.time_ns - decided_ns) / NS)
            if update.status not in _ACCEPTED:
                words = update.reason if update.status == "rejected" else update.status
                self._rejected[words] = self._rejected.get(words, 0) + 1
        keys = zip(evaluation.fill_id.tolist(), evaluation.horizon_s.tolist(), strict=True)
        self._markouts.update(zip(keys, evaluation.markout.tolist(), strict=True))
        self._columns.append(
            (
                snapshot.time_ns,
                np.stack([snapshot.bid_price[:, 0], snapshot.ask_price[:, 0]], axis=1),
                account.mark,
                np.where(belief.known, surface.fair, np.nan),
                belief.log_price,
                belief.sigma,
                belief.arrival,
                belief.decay,
                belief.informed,
                account.time_ns,
                account.equity,
                account.position_margin,
                account.order_margin,
                x,
                variance,
                budget.gamma,
                budget.gamma_base,
                budget.utilisation,
                budget.exposure_limit,
                budget.bound_hit,
                budget.gamma_moved,
                np.where(belief.known, surface.fair * np.exp(surface.reservation), np.nan),
                surface.probability,
                surface.edge - surface.adverse_selection,
                price,
                quotes.reason,
                quotes.margin_dual,
                quotes.exposure_dual,
                quotes.toxicity_dual,
                quotes.status,
                before.pnl[0] + evaluation.spread,
                before.pnl[1] + evaluation.adverse_selection,
                before.pnl[2] + evaluation.inventory,
                before.pnl[3] + evaluation.fees,
                before.pnl[4] + evaluation.funding,
            )
        )

    def history(self, run: Path) -> History:
        """Stack the columns."""
        if not self._columns:
            raise JournalError(f"{run}: the journal holds no complete cycle")
        cycles = Cycles(*(np.array(column) for column in zip(*self._columns, strict=True)))
        return History(
            config=self._opening.config,
            universe=self._opening.universe,
            stopped=self._stopped,
            position=self._held,
            cycles=cycles,
            fills=self._stack_fills(cycles),
            requests=Requests(
                placed=int(self._actions[0]),
                modified=int(self._actions[1]),
                cancelled=int(self._actions[2]),
                rejected=self._rejected,
                word_p50_s=self._quantile(0.5),
                word_p99_s=self._quantile(0.99),
            ),
            covariance=self._covariance,
            riskiest=self._riskiest[1],
            riskiest_covariance=self._riskiest[2],
            last_quotes=tuple(self._last),
        )

    def _quantile(self, probability: float) -> float | None:
        """Return a quantile of the seconds from decisions to words, None without any."""
        return float(np.quantile(self._waited, probability)) if self._waited else None

    def _stack_fills(self, cycles: Cycles) -> Fills:
        fills = [fill for _, fill in self._fills]
        cycle = np.array([index for index, _ in self._fills], dtype=np.int64)
        asset = np.array([fill.asset for fill in fills], dtype=np.int64)
        side = np.array([fill.side for fill in fills], dtype=np.int64)
        price = np.array([fill.price for fill in fills], dtype=np.float64)
        quoted = np.maximum(cycle - 1, 0)  # the cycle whose quotes rested
        distance = np.abs(cycles.price[quoted, asset, (side < 0).astype(np.int64)] - price[:, None])
        distance = np.where(np.isfinite(distance), distance, np.inf)
        nearest = np.where(np.isfinite(distance).any(axis=1), distance.argmin(axis=1), -1)
        markout = [
            [self._markouts.get((fill.fill_id, horizon), np.nan) for horizon in HORIZONS_S]
            for fill in fills
        ]
        return Fills(
            cycle=cycle,
            time_ns=np.array([fill.time_ns for fill in fills], dtype=np.int64),
            asset=asset,
            side=side,
            price=price,
            size=np.array([fill.size for fill in fills], dtype=np.float64),
            fee=np.array([fill.fee for fill in fills], dtype=np.float64),
            maker=np.array([fill.maker for fill in fills], dtype=np.bool_),
            fair=np.exp(cycles.log_fair[quoted, asset]),
            level=nearest,
            markout=np.array(markout, dtype=np.float64).reshape(len(fills), len(HORIZONS_S)),
        )
