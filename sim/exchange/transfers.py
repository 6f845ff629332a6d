"""Money that moves without a trade: from outside, between the places of an account, between users.

A place is "spot" or the name of a deployer. What leaves a pool may not be margin: positions keep
their initial margin, and at least a tenth of their notional, and resting orders theirs.
"""

from __future__ import annotations

from sim.exchange import refusals
from sim.exchange.account import Account
from sim.exchange.exchange import Exchange
from sim.exchange.holdings import SPOT, Mode
from sim.exchange.messages import Ledger

OUTSIDE = ""


def credit(
    exchange: Exchange, owner: int, place: str, amount: int, now_ns: int, kind: str = "deposit"
) -> None:
    """Give an account micro-dollars from outside."""
    account = exchange.accounts[owner]
    account.credit(place, amount)
    _note(exchange, owner, Ledger(now_ns, kind, amount, OUTSIDE, place, None))
    account.observe()


def spare(account: Account, place: str) -> int:
    """Return the micro-dollars that may leave a place."""
    pool = account.pool_at(place)
    return account.spot if pool is None else account.withdrawable(pool)


def move(
    exchange: Exchange,
    owner: int,
    source: str,
    receiver: int,
    destination: str,
    amount: int,
    now_ns: int,
    kind: str = "send",
) -> str:
    """Move micro-dollars, within an account or to another; return the refusal or nothing."""
    giver, taker = exchange.accounts[owner], exchange.accounts[receiver]
    if amount <= 0 or amount > spare(giver, source):
        return refusals.SHORT_BALANCE
    giver.credit(source, -amount)
    taker.credit(destination, amount)
    other = None if owner == receiver else receiver
    _note(exchange, owner, Ledger(now_ns, kind, -amount, source, destination, other))
    if owner != receiver:
        _note(exchange, receiver, Ledger(now_ns, kind, amount, source, destination, owner))
    giver.observe()
    taker.observe()
    return ""


def set_mode(exchange: Exchange, owner: int, mode: Mode) -> str:
    """Make an account unified, or standard again once it is flat; return the refusal or nothing."""
    account = exchange.accounts[owner]
    if mode == account.mode:
        return ""
    if mode == "unified":
        account.unify()
    elif account.held or account.open:
        return refusals.BUSY
    else:
        account.separate()
    return ""


def class_transfer(
    exchange: Exchange, owner: int, amount: int, now_ns: int, *, to_perp: bool
) -> str:
    """Move micro-dollars between spot and the venue's own perpetuals."""
    if exchange.accounts[owner].mode == "unified":
        return refusals.UNIFIED
    places = (SPOT, "") if to_perp else ("", SPOT)
    return move(
        exchange, owner, places[0], owner, places[1], amount, now_ns, "accountClassTransfer"
    )


def _note(exchange: Exchange, owner: int, entry: Ledger) -> None:
    exchange.accounts[owner].ledger.append(entry)
    exchange.tell(owner, entry)
