"""The account: the venue's last report, plus the fills that are younger than it.

A report and a fill both carry venue time. Fills younger than the report are added to it, older
ones are in it. Of those in the same millisecond, each says from which position it started: the
report is somewhere on that chain, and what comes after it on the chain is added.

A fill of d contracts at price p with fee f moves equity at mark m by  d (m - p) - f.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from portfolio_mm.rules import margin
from portfolio_mm.types import AccountState, Floats, Ints, OpenOrders, Universe
from portfolio_mm.venues.hyperliquid.balances import Balances, balances
from portfolio_mm.venues.hyperliquid.figures import number
from portfolio_mm.venues.hyperliquid.wire_account import (
    ClearinghouseState,
    Mode,
    SpotState,
    UserFill,
)


class Step(NamedTuple):
    """A fill on the chain of positions of one asset, in lots."""

    time: int  # ms
    start: int
    size: int  # bought > 0
    price: float
    fee: float
    tid: int


def chain(steps: list[Step], held: int) -> list[Step]:
    """Sort fills by time; those of one millisecond so that each starts where the last one ended."""
    waiting = sorted(steps, key=lambda step: (step.time, step.tid))
    ordered: list[Step] = []
    while waiting:
        same = [step for step in waiting if step.time == waiting[0].time]
        ends = {step.start + step.size for step in same}
        follows = [step for step in same if step.start == held]
        begins = [step for step in same if step.start not in ends]
        inside = bool(ordered) and ordered[-1].time == same[0].time
        step = (((follows or begins) if inside else (begins or follows)) or same)[0]
        waiting.remove(step)
        ordered.append(step)
        held = step.start + step.size
    return ordered


def younger(steps: list[Step], time: int, held: int) -> list[Step]:
    """Return the fills that a report of `held` lots at `time` does not contain, in order."""
    ordered = chain([step for step in steps if step.time >= time], held)
    same = [step for step in ordered if step.time == time]
    first = next((i for i, step in enumerate(same) if step.start == held), len(same))
    return same[first:] + [step for step in ordered if step.time > time]


class Accounts:
    """Positions, equity and margin of the account."""

    def __init__(self, universe: Universe, mode: Mode, index: Mapping[str, int]) -> None:
        n = len(universe)
        self._universe = universe
        self._mode = mode
        self._index = index
        self._tiers = margin.tier_table([i.tiers for i in universe.instruments])
        self._states: dict[str, ClearinghouseState] = {}
        self._spot: SpotState | None = None
        self._report: Balances | None = None
        self._steps: list[list[Step]] = [[] for _ in range(n)]
        self.funding_paid = np.zeros(n)

    @property
    def report(self) -> Balances:
        """What the venue last said, without the fills since."""
        if self._report is None:
            unknown = np.full(len(self._universe), np.nan)
            self._report = balances(self._universe, self._mode, self._states, self._spot, unknown)
        return self._report

    def state(self, dex: str, state: ClearinghouseState) -> None:
        """Take a report of one dex, unless a younger one is known."""
        before = self._states.get(dex)
        if before is not None and state.time < before.time:
            return
        self._states[dex] = state
        self._report = None
        for asset, name in enumerate(self._universe.dex):
            if name == dex:
                self._steps[asset] = [s for s in self._steps[asset] if s.time >= state.time]

    def spot(self, state: SpotState) -> None:
        """Take the spot balances."""
        self._spot = state
        self._report = None

    def fill(self, row: UserFill) -> bool:
        """Take a fill of an asset of the run, once; return whether it continues what is known."""
        asset = self._index[row.coin]
        state = self._states.get(self._universe.dex[asset])
        if state is not None and row.time < state.time:
            return True
        believed = self.position(asset)
        size = self._lots(asset, row.sz)
        step = Step(
            time=row.time,
            start=self._lots(asset, row.start_position),
            size=size if row.side == "B" else -size,
            price=number(row.px),
            fee=number(row.fee),
            tid=row.tid,
        )
        self._steps[asset].append(step)
        return step.start == believed

    def position(self, asset: int) -> int:
        """Return the position believed, in lots."""
        held, added = self._added(asset)
        return added[-1].start + added[-1].size if added else held

    def account(
        self,
        now_ns: int,
        mark: Floats,
        order_margin: Floats,
        *,
        requests: float,
        weight: float,
        actions: float,
    ) -> AccountState:
        """Return the account as far as it is known.

        Parameters
        ----------
        now_ns
            Local time.
        mark
            Latest mark prices, USD (N,), NaN where unknown.
        order_margin
            Initial margin of resting orders, USD (P,).
        requests, weight, actions
            What is left of the budgets.
        """
        report = self.report
        marks = np.where(np.isfinite(mark), mark, np.nan_to_num(report.mark))
        position, entry = report.position.copy(), report.entry_price.copy()
        alone = report.isolated_margin.copy()
        change = position * (marks - report.mark)
        change[position == 0.0] = 0.0
        for asset in range(len(self._universe)):
            for step in self._added(asset)[1]:
                lot = 10.0 ** -self._universe.instruments[asset].sz_decimals
                change[asset] += step.size * lot * (marks[asset] - step.price) - step.fee
                after = (step.start + step.size) * lot
                entry[asset] = _entry(entry[asset], position[asset], after, step.price)
                position[asset] = after
        alone = self._alone(report, position, marks, change)
        return AccountState(
            time_ns=now_ns,
            position=position,
            entry_price=entry,
            mark=marks,
            isolated_margin=alone,
            equity=report.equity + self._pooled(change),
            position_margin=np.maximum(
                report.position_margin + self._pooled(self._margin_moved(report, position, alone)),
                0.0,
            ),
            order_margin=order_margin,
            maintenance=np.maximum(
                report.maintenance + self._pooled(self._maintenance_moved(report, position, marks)),
                0.0,
            ),
            funding_paid=self.funding_paid.copy(),
            orders=NO_ORDERS,
            address_requests=requests,
            ip_weight=weight,
            actions_left=actions,
        )

    def _added(self, asset: int) -> tuple[int, list[Step]]:
        """Return the lots reported, and the fills younger than that report."""
        state = self._states[self._universe.dex[asset]]
        decimals = self._universe.instruments[asset].sz_decimals
        held = round(float(self.report.position[asset]) * 10**decimals)
        steps = self._steps[asset]
        return held, younger(steps, state.time, held) if steps else []

    def _lots(self, asset: int, figure: str) -> int:
        scale = 10.0 ** self._universe.instruments[asset].sz_decimals
        return round(number(figure) * scale)

    def _pooled(self, per_asset: Floats) -> Floats:
        pools = len(self._universe.pools)
        pooled = np.bincount(self._universe.pool, weights=per_asset, minlength=pools)
        return pooled.astype(np.float64)

    def _alone(self, report: Balances, position: Floats, marks: Floats, change: Floats) -> Floats:
        """Return equity inside isolated positions: it grows and shrinks with the position."""
        before = np.abs(report.position)
        kept = np.minimum(np.abs(position), before) / np.where(before > 0.0, before, 1.0)
        same = np.sign(position) == np.sign(report.position)
        added = np.maximum(np.abs(position) - np.where(same, before, 0.0), 0.0)
        opened = margin.initial(added * marks, self._universe.leverage)
        inside = np.where(same, (report.isolated_margin + change) * kept, 0.0) + opened
        return np.where(self._universe.isolated & (position != 0.0), np.maximum(inside, 0.0), 0.0)

    def _margin_moved(self, report: Balances, position: Floats, alone: Floats) -> Floats:
        """Return how the margin of each position differs from the reported one, USD (N,)."""
        mark = np.nan_to_num(report.mark)
        contracts = np.abs(position) - np.abs(report.position)
        cross = margin.initial(contracts * mark, self._universe.leverage)
        return np.where(self._universe.isolated, alone - report.isolated_margin, cross)

    def _maintenance_moved(self, report: Balances, position: Floats, marks: Floats) -> Floats:
        before = np.abs(report.position) * np.nan_to_num(report.mark)
        now = margin.maintenance(np.abs(position) * marks, self._tiers)
        moved: Floats = now - margin.maintenance(before, self._tiers)
        return moved


def _entry(entry: float, before: float, after: float, price: float) -> float:
    """Return the average entry price after a fill: adding averages, reducing keeps, flipping resets."""
    if after == 0.0:
        return 0.0
    if before * after <= 0.0:
        return price
    if abs(after) > abs(before):
        return (entry * abs(before) + price * (abs(after) - abs(before))) / abs(after)
    return entry


def _none(dtype: type) -> Ints:
    return np.zeros(0, dtype=dtype)


NO_ORDERS = OpenOrders(
    cloid=(),
    asset=_none(np.int64),
    side=_none(np.int64),
    level=_none(np.int64),
    units=_none(np.int64),
    lots=_none(np.int64),
    queue=np.zeros(0),
    time_ns=_none(np.int64),
)
