"""Terms that a user sets: leverage and margin mode of an asset, margin of an isolated position.

Every function returns the venue's refusal, empty where the change was made. Margin may leave a
position down to its initial margin, and no lower than a tenth of its notional.
"""

from __future__ import annotations

from sim.exchange import refusals
from sim.exchange.account import HAIRCUT, Account
from sim.exchange.exchange import Exchange
from sim.exchange.messages import MICRO


def set_leverage(
    exchange: Exchange, owner: int, asset: int, leverage: int, *, is_cross: bool
) -> str:
    """Set leverage and margin mode of an asset.

    The mode changes only without a position and orders; leverage falls only where margin allows.
    """
    account, instrument = exchange.accounts[owner], exchange.universe.instruments[asset]
    if not 1 <= leverage <= int(instrument.tiers[0].max_leverage):
        return refusals.LEVERAGE
    if is_cross and asset in exchange.isolated_only:
        return refusals.NO_CROSS
    was_cross, before = not account.isolated[asset], account.leverage[asset]
    busy = account.lots[asset] != 0 or any(r.asset == asset for r in account.open.values())
    if is_cross != was_cross and busy:
        return refusals.SWITCH
    account.set_terms(asset, leverage, isolated=not is_cross)
    if busy and leverage < before and not _stands(account, asset):
        account.set_terms(asset, before, isolated=not was_cross)
        return refusals.CROSS_DECREASE if is_cross else refusals.ISOLATED_DECREASE
    account.observe()
    return ""


def adjust_isolated(exchange: Exchange, owner: int, asset: int, amount: int) -> str:
    """Add micro-dollars to an isolated position, or take them away."""
    account = exchange.accounts[owner]
    if not account.isolated[asset] or account.lots[asset] == 0:
        return refusals.NOT_ISOLATED
    if amount > max(account.available(asset), 0):
        return refusals.SHORT_MARGIN
    if amount < 0 and _isolated_equity(account, asset) + amount < _required(account, asset):
        return refusals.SHORT_MARGIN
    account.shift_isolated(asset, amount)
    account.observe()
    return ""


def top_up_isolated(exchange: Exchange, owner: int, asset: int, leverage: float) -> str:
    """Add what an isolated position needs to stand at a leverage."""
    account = exchange.accounts[owner]
    if not account.isolated[asset] or account.lots[asset] == 0:
        return refusals.NOT_ISOLATED
    if leverage <= 0.0:
        return refusals.LEVERAGE
    wanted = round(account.notional(asset) / leverage)
    return adjust_isolated(
        exchange, owner, asset, max(wanted - _isolated_equity(account, asset), 0)
    )


def _stands(account: Account, asset: int) -> bool:
    if account.isolated[asset] and account.lots[asset]:
        enough = _isolated_equity(account, asset) >= _required(account, asset, share=0.0)
        return enough and account.available(asset) >= 0
    return account.available(asset) >= 0


def _isolated_equity(account: Account, asset: int) -> int:
    return round(float(account.positions_margin().isolated_equity[asset]) * MICRO)


def _required(account: Account, asset: int, share: float = HAIRCUT) -> int:
    notional = account.notional(asset)
    return max(account.initial(asset, notional), round(share * notional))
