"""Where equity and margin of an account stand, by account mode.

In the standard mode every dex has a balance of its own, and its clearinghouse state tells it. In
the shared modes the spot balance of the collateral token is the balance of the whole account,
unrealised profit included; there the account value of a dex covers only what its positions were
given, and is no equity. Positions, initial and maintenance margin come from the clearinghouse
states in every mode.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from portfolio_mm.rules import margin, ticks
from portfolio_mm.types import Floats, MarginTier, NewOrder, OpenOrder, Universe
from portfolio_mm.venues.hyperliquid.figures import ParseError, number
from portfolio_mm.venues.hyperliquid.wire_account import (
    ClearinghouseState,
    Mode,
    Position,
    SpotState,
)


class Balances(NamedTuple):
    """The columns of `types.AccountState` that the venue reports; (N,) and (P,), USD."""

    position: Floats  # (N,) contracts
    entry_price: Floats  # (N,)
    mark: Floats  # (N,)
    isolated_margin: Floats  # (N,)
    equity: Floats  # (P,)
    position_margin: Floats  # (P,)
    maintenance: Floats  # (P,)
    withdrawable: Floats  # (P,)
    elsewhere: tuple[str, ...]  # coins outside the run that hold a position


def balances(
    universe: Universe,
    mode: Mode,
    states: Mapping[str, ClearinghouseState],
    spot: SpotState | None,
    mark: Floats,
) -> Balances:
    """Return equity and margin of each pool, and the positions.

    Parameters
    ----------
    universe
        Of the run; its pools fit the mode.
    mode
        Of the account.
    states
        By dex: every dex of the run. In the shared modes every other dex given is taken to draw on
        the same collateral.
    spot
        Spot balances, needed in the shared modes.
    mark
        (N,) USD, of assets without a position.

    Raises
    ------
    ParseError
        When a state that is needed is missing.
    """
    missing = sorted({dex or "main" for dex in universe.dex if dex not in states})
    if missing:
        raise ParseError(f"clearinghouseState: none of {', '.join(missing)}")
    pools = _pools(universe, mode, states)
    equity, withdrawable = np.zeros(len(universe.pools)), np.zeros(len(universe.pools))
    used, maintenance = equity.copy(), equity.copy()
    for dex, pool in pools.items():
        state = states[dex]
        used[pool] += number(state.margin_summary.total_margin_used)
        maintenance[pool] += number(state.cross_maintenance_margin_used)
        if not mode.shared:
            equity[pool] = number(state.margin_summary.account_value)
            withdrawable[pool] = number(state.withdrawable)
    if mode.shared:
        equity, withdrawable = _spot(universe.pools, spot)

    coins = {name: asset for asset, name in enumerate(universe.names)}
    position, entry, alone = (np.zeros(len(universe)) for _ in range(3))
    marks, elsewhere = mark.copy(), []
    for dex, pool in pools.items():
        for held in (entry_.position for entry_ in states[dex].asset_positions):
            asset, contracts = coins.get(held.coin), number(held.szi)
            isolated = held.leverage.type == "isolated"
            if isolated:
                own = None if asset is None else universe.instruments[asset].tiers
                maintenance[pool] += _maintenance(held, own)
            if contracts == 0.0:
                continue
            if asset is None:
                elsewhere.append(held.coin)
                continue
            position[asset] = contracts
            entry[asset] = number(held.entry_px or "0")
            marks[asset] = number(held.position_value) / abs(contracts)
            alone[asset] = number(held.margin_used) if isolated else 0.0
    return Balances(
        position=position,
        entry_price=entry,
        mark=marks,
        isolated_margin=alone,
        equity=equity,
        position_margin=used,
        maintenance=maintenance,
        withdrawable=withdrawable,
        elsewhere=tuple(elsewhere),
    )


def order_margin(universe: Universe, orders: Iterable[OpenOrder | NewOrder]) -> Floats:
    """Return the initial margin that orders reserve in each pool, USD (P,); sides do not net."""
    reserved = np.zeros(len(universe.pools))
    for order in orders:
        instrument = universe.instruments[order.asset]
        notional = order.units * order.lots * ticks.MICRO_USD
        reserved[instrument.pool] += margin.initial(notional, instrument.leverage)
    return reserved


def _pools(
    universe: Universe, mode: Mode, states: Mapping[str, ClearinghouseState]
) -> dict[str, int]:
    """Return the pool that each dex draws on."""
    if mode.shared:
        return dict.fromkeys(states, 0)
    return {
        dex: instrument.pool
        for dex, instrument in zip(universe.dex, universe.instruments, strict=True)
    }


def _spot(pools: tuple[str, ...], spot: SpotState | None) -> tuple[Floats, Floats]:
    """Return the whole and the free balance of each collateral token."""
    if spot is None:
        raise ParseError("spotClearinghouseState: none, and this account's balance is in it")
    held = {balance.coin: balance for balance in spot.balances}
    total = np.array([number(held[pool].total) if pool in held else 0.0 for pool in pools])
    hold = np.array([number(held[pool].hold) if pool in held else 0.0 for pool in pools])
    return total, np.maximum(total - hold, 0.0)


def _maintenance(held: Position, tiers: tuple[MarginTier, ...] | None) -> float:
    """Return the maintenance margin of an isolated position, USD."""
    single = (MarginTier(lower_bound=0.0, max_leverage=float(held.max_leverage)),)
    table = margin.tier_table([tiers or single])
    return float(margin.maintenance(np.array([number(held.position_value)]), table)[0])
