"""Monte Carlo of market making in correlated assets with exponential fill intensities.

Time moves in steps of Δt. In each step the policy quotes, each quote fills at most once with
probability min(1, a exp(−κδ) Δt), and then prices move by ±1 standard deviation along each
principal axis of the covariance. Fair value is known, nobody is informed and there are no fees:
the market in which the theory's formulas are statements of fact.

All paths move together as arrays. Randomness is one seed.

Source: Avellaneda and Stoikov, "High-frequency trading in a limit order book" (2008), section 3.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from portfolio_mm.theory import avellaneda_stoikov, closed_form
from portfolio_mm.theory.linalg import Array, psd_eigh

Policy = Callable[[Array, float], Array]
"""Inventory (paths, N) and time left -> depth (paths, N, 2) from fair value to [bid, ask]."""

BLOCK = 8192
"""Paths simulated at a time, so that the working arrays stay in cache."""


@dataclass(frozen=True, slots=True, eq=False)
class Market:
    """What the market maker faces; units as in `closed_form.solve`, or any consistent set.

    Attributes
    ----------
    covariance : Array
        Σ, (N, N), of price moves per unit of time.
    arrival, decay : Array
        a and κ, (N, 2).
    size : Array
        z, quantity of one fill, (N,).
    """

    covariance: Array
    arrival: Array
    decay: Array
    size: Array


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """Result of a simulation.

    Attributes
    ----------
    profit : Array
        Gain of every path with inventory marked at fair value, (paths,).
    inventory : Array
        Inventory at the end of every path, (paths, N).
    inventory_covariance : Array
        Covariance of inventory over all paths and all steps after the burn-in, (N, N).
    spread : Array
        Quoted distance from bid to ask, averaged over paths and steps, (N,).
    """

    profit: Array
    inventory: Array
    inventory_covariance: Array
    spread: Array


def simulate(
    market: Market,
    policy: Policy,
    *,
    steps: int,
    dt: float,
    paths: int,
    seed: int,
    burn_in: int = 0,
) -> Outcome:
    """Run `policy` from zero inventory over `steps` steps of `dt` on `paths` independent paths.

    Parameters
    ----------
    market
        Fill intensities and price moves.
    policy
        Called once a step; the time left at step j is (steps − j)·dt.
    steps, dt, paths
        Positive.
    seed
        Of the random generator; the same seed gives the same outcome.
    burn_in
        Steps left out of `inventory_covariance`, less than `steps`.

    Returns
    -------
    Outcome

    Raises
    ------
    ValueError
        Where a count is out of range.
    """
    if min(steps, paths) < 1 or not 0 <= burn_in < steps or not dt > 0.0:
        raise ValueError(
            "steps, paths and dt must be positive and burn_in in [0, steps), "
            f"got {steps}, {paths}, {dt}, {burn_in}"
        )
    rng = np.random.default_rng(seed)
    count = market.size.size
    values, vectors = psd_eigh(market.covariance)
    axes = vectors * np.sqrt(values * dt)
    profit, inventory = np.zeros(paths), np.zeros((paths, count))
    first, second, spread = np.zeros(count), np.zeros((count, count)), np.zeros(count)
    for start in range(0, paths, BLOCK):
        block = slice(start, min(start + BLOCK, paths))
        held, gain = inventory[block], profit[block]
        for step in range(steps):
            depth = policy(held, (steps - step) * dt)
            chance = market.arrival * dt * np.exp(-market.decay * depth)
            filled = rng.random((len(held), count, 2)) < chance
            gain += np.einsum("pns,pns,n->p", filled, depth, market.size)
            held += market.size * (filled[..., 0].astype(np.float64) - filled[..., 1])
            signs = 2.0 * rng.integers(0, 2, size=held.shape, dtype=np.int8) - 1.0
            gain += np.einsum("pn,pn->p", held, signs @ axes.T)
            spread += depth.sum(axis=2).sum(axis=0)
            if step >= burn_in:
                first += held.sum(axis=0)
                second += held.T @ held
    kept = paths * (steps - burn_in)
    mean = first / kept
    return Outcome(
        profit=profit,
        inventory=inventory,
        inventory_covariance=second / kept - np.outer(mean, mean),
        spread=spread / (paths * steps),
    )


def fixed_depth(half_spread: float) -> Policy:
    """Quote symmetrically around fair value at a constant distance."""

    def policy(inventory: Array, time_left: float) -> Array:
        del time_left
        return np.full((*inventory.shape, 2), half_spread)

    return policy


def avellaneda_stoikov_policy(gamma: float, variance: float, decay: float) -> Policy:
    """Quote around the Avellaneda–Stoikov reservation price, each asset on its own."""

    def policy(inventory: Array, time_left: float) -> Array:
        shift = avellaneda_stoikov.reservation_shift(inventory, time_left, gamma, variance)
        half = 0.5 * avellaneda_stoikov.spread(time_left, gamma, variance, decay)
        return np.stack((half - shift, half + shift), axis=-1)

    return policy


def closed_form_policy(market: Market, gamma: float) -> Policy:
    """Quote all assets together by the closed form; it is stationary and ignores the time left."""
    flat = closed_form.solve(market.covariance, gamma, market.arrival, market.decay, market.size)

    def policy(inventory: Array, time_left: float) -> Array:
        del time_left
        skew = closed_form.inventory_skew(flat.curvature, market.decay, inventory)
        shift = flat.shift - skew
        return np.stack((flat.half_width[:, 0] - shift, flat.half_width[:, 1] + shift), axis=-1)

    return policy


def standard_error_of_std(sample: Array) -> float:
    """Return the standard error of the standard deviation of a sample, √((m₄ − m₂²)/n)/(2√m₂)."""
    centred = sample - sample.mean()
    second, fourth = float(np.mean(centred**2)), float(np.mean(centred**4))
    return math.sqrt((fourth - second * second) / sample.size) / (2.0 * math.sqrt(second))
