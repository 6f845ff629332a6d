"""What is checked before an order may enter, in the order in which the venue complains."""

from __future__ import annotations

from portfolio_mm.rules import ticks
from sim.exchange import refusals
from sim.exchange.account import Account
from sim.exchange.clearing import Clearing
from sim.exchange.messages import MICRO
from sim.exchange.orders import Record
from sim.exchange.refusals import Refusal

OPEN_ORDERS, MAX_OPEN_ORDERS = 1000, 5000
USD_PER_OPEN_ORDER = 5_000_000
MAX_DISTANCE = 0.95
"""Of a limit price from the oracle."""


def admission(clearing: Clearing, account: Account, new: Record, oi_cap: float) -> Refusal | None:
    """Return why an order may not be placed, None if it may; the cap is in USD."""
    asset, side = new.asset, new.side
    sz_decimals = clearing.universe.instruments[asset].sz_decimals
    notional = new.units * new.lots * ticks.MICRO_USD
    price = float(ticks.from_units(new.units, sz_decimals))
    held = account.reducible(asset, side)
    closes = held > 0 and (new.lots == held or (new.reduce_only and new.lots > held))
    checks = (
        (not account.uses(new.cloid), refusals.REUSED),
        (new.lots != 0, refusals.ZERO),
        (new.lots > 0, refusals.SIZE),
        (bool(ticks.valid_units(new.units, sz_decimals)), refusals.TICK),
        (closes or notional >= ticks.MIN_NOTIONAL, refusals.MINIMUM),
        (abs(price / clearing.oracle[asset] - 1.0) <= MAX_DISTANCE, refusals.DISTANT),
        (len(account.open) < _open_limit(account, new), refusals.TOO_MANY),
    )
    refusal = next((refusal for passed, refusal in checks if not passed), None)
    if refusal is not None:
        return refusal
    if new.trigger is not None:
        valid = bool(ticks.valid_units(new.trigger.units, sz_decimals))
        fires = new.trigger.fires(side, mark_units(clearing, asset))
        return refusals.TRIGGER if fires or not valid else None
    if new.reduce_only and held == 0:
        return refusals.INCREASING
    if new.tif == "Alo" and clearing.books[asset].crosses(side, new.units):
        return refusals.CROSSING
    return carrying(clearing, account, new, oi_cap)


def carrying(clearing: Clearing, account: Account, new: Record, oi_cap: float) -> Refusal | None:
    """Return why an account could not carry an order if it filled, None if it could.

    An order that sells into the book is margined at the best bid, where it may trade.
    """
    if new.reduce_only:
        return None
    asset, side = new.asset, new.side
    taking = new.tif != "Alo" and side == 1
    dearest = max(new.units, clearing.books[asset].best(0)) if taking else new.units
    if not account.can_place(asset, side, dearest, new.lots):
        return refusals.MARGIN
    opened = new.lots - account.reducible(asset, side)
    interest = clearing.interest[asset][side] + opened
    if opened > 0 and interest * mark_units(clearing, asset) > oi_cap * MICRO:
        return refusals.CAPPED
    return None


def words(clearing: Clearing, refusal: Refusal, asset: int) -> str:
    """Return the text of a refusal as the venue completes it."""
    instrument = clearing.universe.instruments[asset]
    text = refusal.text
    if refusal is refusals.CROSSING:
        bid, ask = (
            ticks.price_text(clearing.books[asset].best(side), instrument.sz_decimals)
            for side in (0, 1)
        )
        text += f", bbo was {bid}@{ask}."
    return f"{text} asset={instrument.asset_id}"


def mark_units(clearing: Clearing, asset: int) -> float:
    """Return the mark in price units."""
    decimals = ticks.DECIMALS - clearing.universe.instruments[asset].sz_decimals
    return float(clearing.mark[asset]) * 10.0**decimals


def _open_limit(account: Account, new: Record) -> int:
    if new.reduce_only or new.waiting:
        return OPEN_ORDERS
    earned = account.volume // (USD_PER_OPEN_ORDER * MICRO)
    return min(OPEN_ORDERS + earned, MAX_OPEN_ORDERS)
