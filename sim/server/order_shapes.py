"""Orders, fills and payments of a user in the venue's shape."""

from __future__ import annotations

from typing import Any

from portfolio_mm.types import Instrument
from sim.exchange.messages import Change, Execution, Ledger, Payment
from sim.exchange.orders import Record
from sim.server import text
from sim.server.book_shapes import BUY, SELL, transaction
from sim.server.history import MS

Shape = dict[str, Any]
TOKEN = "USDC"


def order(record: Record, instrument: Instrument, lots: int | None = None) -> Shape:
    """Return an order as openOrders and orderUpdates show it.

    Parameters
    ----------
    record
        The order.
    instrument
        Its market.
    lots
        What remained of it at the time, what remains now if None.
    """
    shape = _basic(record, instrument, record.lots if lots is None else lots)
    if record.cloid:
        shape["cloid"] = record.cloid
    if record.reduce_only:
        shape["reduceOnly"] = True
    return shape


def frontend_order(record: Record, instrument: Instrument) -> Shape:
    """Return an order with all its terms."""
    trigger, decimals = record.trigger, instrument.sz_decimals
    at = "0.0" if trigger is None else text.price(trigger.units, decimals)
    return _basic(record, instrument, record.lots) | {
        "triggerCondition": _condition(record, at),
        "isTrigger": record.waiting,
        "triggerPx": at,
        "children": [],
        "isPositionTpsl": False,
        "reduceOnly": record.reduce_only,
        "orderType": _kind(record),
        "tif": record.tif if trigger is None else None,
        "cloid": record.cloid or None,
    }


def status(record: Record, instrument: Instrument) -> Shape:
    """Return an order with what became of it."""
    return {
        "order": frontend_order(record, instrument),
        "status": record.status,
        "statusTimestamp": record.status_ns // MS,
    }


def update(change: Change, record: Record, instrument: Instrument) -> Shape:
    """Return a change of an order as it is pushed."""
    return {
        "order": order(record, instrument, change.lots),
        "status": change.status,
        "statusTimestamp": change.time_ns // MS,
    }


def fill(row: Execution, instrument: Instrument, liquidated: str) -> Shape:
    """Return an execution; `liquidated` is the address that was liquidated in it, if any."""
    decimals = instrument.sz_decimals
    shape: Shape = {
        "coin": instrument.name,
        "px": text.price(row.units, decimals),
        "sz": text.size(row.lots, decimals),
        "side": SELL if row.side else BUY,
        "time": row.time_ns // MS,
        "startPosition": text.size(row.start_lots, decimals),
        "dir": row.direction,
        "closedPnl": text.micro(row.closed_pnl),
        "hash": transaction(row.tid),
        "oid": row.oid,
        "crossed": row.crossed,
        "fee": text.micro(row.fee),
        "tid": row.tid,
        "feeToken": TOKEN,
        "twapId": None,
    }
    if row.cloid:
        shape["cloid"] = row.cloid
    if row.liquidation is not None:
        shape["liquidation"] = {
            "liquidatedUser": liquidated,
            "markPx": text.decimal(row.liquidation.mark),
            "method": row.liquidation.method,
        }
    return shape


def liquidation(row: Execution, user: str) -> Shape:
    """Return the liquidation of a user's position."""
    return {
        "lid": row.tid,
        "liquidator": "0x" + "0" * 40,
        "liquidated_user": user,
        "liquidated_ntl_pos": text.micro(row.units * row.lots),
        "liquidated_account_value": "0.0",
    }


def funding(row: Payment, instrument: Instrument) -> Shape:
    """Return a funding payment as it is pushed; what was paid is negative."""
    return {
        "time": row.time_ns // MS,
        "coin": instrument.name,
        "usdc": text.micro(-row.micro),
        "szi": text.size(row.lots, instrument.sz_decimals),
        "fundingRate": text.decimal(row.rate),
        "nSamples": row.samples,
    }


def funding_delta(row: Payment, instrument: Instrument) -> Shape:
    """Return a funding payment as /info lists it."""
    delta = funding(row, instrument)
    time = delta.pop("time")
    return {"time": time, "hash": transaction(0), "delta": {"type": "funding"} | delta}


def ledger(row: Ledger, user: str, counterpart: str) -> Shape:
    """Return money that moved without a trade."""
    amount = text.micro(abs(row.micro))
    if row.kind == "deposit":
        delta: Shape = {"type": "deposit", "usdc": amount}
    elif row.kind == "accountClassTransfer":
        delta = {
            "type": "accountClassTransfer",
            "usdc": amount,
            "toPerp": row.source == "spot",
        }
    else:
        sent = row.micro < 0
        delta = {
            "type": "send",
            "user": user if sent else counterpart,
            "destination": counterpart if sent else user,
            "sourceDex": row.source,
            "destinationDex": row.destination,
            "token": TOKEN,
            "amount": amount,
            "usdcValue": amount,
            "fee": "0.0",
            "nativeTokenFee": "0.0",
            "nonce": row.time_ns // MS,
            "feeToken": TOKEN,
        }
    return {"time": row.time_ns // MS, "hash": transaction(0), "delta": delta}


def aggregated(rows: list[Execution]) -> list[Execution]:
    """Join the fills of one crossing order at one price and instant."""
    joined: dict[tuple[object, ...], Execution] = {}
    for row in rows:
        key = (row.oid, row.time_ns, row.units) if row.crossed else (row.tid,)
        before = joined.get(key)
        joined[key] = (
            row
            if before is None
            else before._replace(
                lots=before.lots + row.lots,
                fee=before.fee + row.fee,
                closed_pnl=before.closed_pnl + row.closed_pnl,
            )
        )
    return list(joined.values())


def _basic(record: Record, instrument: Instrument, lots: int) -> Shape:
    decimals = instrument.sz_decimals
    return {
        "coin": instrument.name,
        "side": SELL if record.side else BUY,
        "limitPx": text.price(max(record.units, 0), decimals),
        "sz": text.size(max(lots, 0), decimals),
        "oid": record.oid,
        "timestamp": record.time_ns // MS,
        "origSz": text.size(max(record.original_lots, 0), decimals),
    }


def _kind(record: Record) -> str:
    if record.trigger is None:
        return "Limit"
    name = "Take Profit" if record.trigger.tpsl == "tp" else "Stop"
    return f"{name} {'Market' if record.trigger.is_market else 'Limit'}"


def _condition(record: Record, at: str) -> str:
    trigger = record.trigger
    if trigger is None:
        return "N/A"
    rises = (record.side == 1) == (trigger.tpsl == "tp")
    return f"Price {'above' if rises else 'below'} {at}"
