"""Margin as rows of linear constraints on what rests, Σ rate · USD resting ≤ free.

Per pool two rows. One holds what orders could add to positions inside the margin that the account
offers; orders that only reduce a position draw nothing from it, so an account at its limit can always
quote its way out. The other holds everything that rests, both sides gross, inside half of the buffer.
Per isolated asset one more row of the first kind, inside the margin set aside for it alone.

An order side S reduces up to the inventory x on the other side, so it adds (S − x)⁺. The programme is
linear, and S ≤ cap: the chord S (1 − x/cap)⁺ is never less.
"""

from __future__ import annotations

import numpy as np

from portfolio_mm.types import AccountState, Bools, Floats, Universe


def pattern(universe: Universe) -> Bools:
    """Tell which rates may differ from zero, (R, N, 2): pools that add, pools in all, isolated."""
    n = len(universe)
    pools = np.arange(len(universe.pools))[:, None] == universe.pool
    isolated = np.flatnonzero(universe.isolated)[:, None] == np.arange(n)
    return np.repeat(np.concatenate([pools, pools, isolated])[:, :, None], 2, axis=2)


def rates(universe: Universe, inventory: Floats, side_cap: Floats) -> Floats:
    """Return the margin per USD resting, (R, N, 2).

    Parameters
    ----------
    inventory : (N,)
        x, USD.
    side_cap : (N,)
        Most that may rest on a side, USD.
    """
    reducing = np.stack([np.maximum(-inventory, 0.0), np.maximum(inventory, 0.0)], axis=1)
    adding = np.maximum(1.0 - reducing / side_cap[:, None], 0.0)
    share = np.ones((2 * len(universe.pools) + int(universe.isolated.sum()), len(universe), 2))
    share[: len(universe.pools)] = adding
    share[2 * len(universe.pools) :] = adding
    per_usd: Floats = pattern(universe) * share / universe.leverage[:, None]
    return per_usd


def free(
    universe: Universe,
    account: AccountState,
    inventory: Floats,
    buffer: float,
    isolated_limit: Floats,
) -> Floats:
    """Return the margin left for what rests, (R,), USD; negative when positions exceed it.

    Parameters
    ----------
    inventory : (N,)
        x, USD.
    buffer
        Share of equity that is never offered to orders that add; half of it is to any.
    isolated_limit : (N,)
        Most margin that each isolated position may take, USD.
    """
    adding = (1.0 - buffer) * account.equity - account.position_margin
    anything = (1.0 - 0.5 * buffer) * account.equity - account.position_margin
    isolated = isolated_limit - np.abs(inventory) / universe.leverage
    return np.concatenate([adding, anything, isolated[universe.isolated]])
