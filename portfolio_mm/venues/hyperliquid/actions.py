"""Actions as the venue takes them, built from orders of the engine.

Orders are addressed by client order id; orders of others that have none, by the venue's number in
decimal. Batches are pure: one holds cancels, or post-only orders, or reduce-only orders that fill
at once or not at all, because the venue ranks a batch by what it contains.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeVar

from hyperliquid.utils.signing import (
    float_to_usd_int,
    order_request_to_order_wire,
    order_wires_to_order_action,
)
from hyperliquid.utils.types import Cloid

from portfolio_mm.rules import ticks
from portfolio_mm.types import NewOrder, Orders, Universe

Action = dict[str, Any]
Kind = Literal["cancel", "modify", "place", "exit"]
T = TypeVar("T")

CLOID = "0x"
"""How a client order id begins."""

BATCH = 200
"""Most orders or cancels in one signed action."""

ORDERS_PER_WEIGHT = 40


class Batch(NamedTuple):
    """One action, and the orders its statuses speak of, in that order."""

    kind: Kind
    action: Action
    cloids: tuple[str, ...]  # of a modify, the order that comes in place of the old one

    @property
    def weight(self) -> int:
        """What it costs of the weight of an IP address."""
        return 1 + len(self.cloids) // ORDERS_PER_WEIGHT


def batches(orders: Orders, universe: Universe, cancelled: Mapping[str, int]) -> tuple[Batch, ...]:
    """Return the actions that carry out `orders`: cancels, modifies, places, exits.

    Parameters
    ----------
    orders
        Of the engine.
    universe
        Of the run.
    cancelled
        Asset of every order to cancel.
    """
    ours = [name for name in orders.cancels if name.startswith(CLOID)]
    others = [name for name in orders.cancels if not name.startswith(CLOID)]
    return (
        *(
            Batch("cancel", cancel_by_cloid(universe, part, cancelled), tuple(part))
            for part in _parts(ours)
        ),
        *(
            Batch("cancel", cancel_by_oid(universe, part, cancelled), tuple(part))
            for part in _parts(others)
        ),
        *(
            Batch("modify", batch_modify(universe, part), tuple(new.cloid for _, new in part))
            for part in _parts(orders.modifies)
        ),
        *(
            Batch("place", place(universe, part), tuple(new.cloid for new in part))
            for part in _parts(orders.places)
        ),
        *(
            Batch("exit", exit_now(universe, part), tuple(new.cloid for new in part))
            for part in _parts(orders.exits)
        ),
    )


def cancel_by_cloid(universe: Universe, cloids: Sequence[str], assets: Mapping[str, int]) -> Action:
    """Return the action that cancels orders."""
    return {
        "type": "cancelByCloid",
        "cancels": [
            {
                "asset": universe.instruments[assets[cloid]].asset_id,
                "cloid": Cloid.from_str(cloid).to_raw(),
            }
            for cloid in cloids
        ],
    }


def cancel_by_oid(universe: Universe, oids: Sequence[str], assets: Mapping[str, int]) -> Action:
    """Return the action that cancels orders that have no client order id."""
    return {
        "type": "cancel",
        "cancels": [
            {"a": universe.instruments[assets[oid]].asset_id, "o": int(oid)} for oid in oids
        ],
    }


def batch_modify(universe: Universe, modifies: Sequence[tuple[str, NewOrder]]) -> Action:
    """Return the action that puts post-only orders in the place of others."""
    return {
        "type": "batchModify",
        "modifies": [
            {
                "oid": Cloid.from_str(old).to_raw(),
                "order": _order(universe, new, "Alo", reduce_only=False),
            }
            for old, new in modifies
        ],
    }


def place(universe: Universe, orders: Sequence[NewOrder]) -> Action:
    """Return the action that places post-only orders."""
    wires = [_order(universe, new, "Alo", reduce_only=False) for new in orders]
    action: Action = order_wires_to_order_action(wires)
    return action


def exit_now(universe: Universe, orders: Sequence[NewOrder]) -> Action:
    """Return the action that closes positions against the book, as far as limits allow."""
    wires = [_order(universe, new, "Ioc", reduce_only=True) for new in orders]
    action: Action = order_wires_to_order_action(wires)
    return action


def schedule_cancel(time_ms: int | None) -> Action:
    """Return the action that cancels everything at a time, None for never."""
    action: Action = {"type": "scheduleCancel"}
    if time_ms is not None:
        action["time"] = time_ms
    return action


def update_leverage(asset_id: int, leverage: int, *, cross: bool) -> Action:
    """Return the action that sets leverage and margin mode of an asset."""
    return {"type": "updateLeverage", "asset": asset_id, "isCross": cross, "leverage": leverage}


def update_isolated_margin(asset_id: int, usd: float) -> Action:
    """Return the action that adds to the margin of an isolated position, or takes from it."""
    return {
        "type": "updateIsolatedMargin",
        "asset": asset_id,
        "isBuy": True,
        "ntli": float_to_usd_int(usd),
    }


def noop() -> Action:
    """Return the action that does nothing but use its nonce."""
    return {"type": "noop"}


def _order(universe: Universe, new: NewOrder, tif: str, *, reduce_only: bool) -> Any:
    instrument = universe.instruments[new.asset]
    return order_request_to_order_wire(
        {
            "coin": instrument.name,
            "is_buy": new.side == 0,
            "sz": float(ticks.from_lots(new.lots, instrument.sz_decimals)),
            "limit_px": float(ticks.from_units(new.units, instrument.sz_decimals)),
            "order_type": {"limit": {"tif": tif}},
            "reduce_only": reduce_only,
            "cloid": Cloid.from_str(new.cloid),
        },
        instrument.asset_id,
    )


def _parts(rows: Sequence[T]) -> list[Sequence[T]]:
    return [rows[start : start + BATCH] for start in range(0, len(rows), BATCH)]
