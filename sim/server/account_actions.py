"""Actions on the account itself: terms, transfers, agents, sub-accounts, account mode."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from sim.exchange import terms, transfers
from sim.exchange.holdings import Mode
from sim.exchange.messages import MICRO
from sim.server import requests as r
from sim.server import user_requests as u
from sim.server.history import MS
from sim.server.state import State
from sim.server.users import Refused

Reply = dict[str, Any]
DEFAULT: Reply = {"type": "default"}

RESERVED_MICRO = 500
"""Price of one reserved request, micro-dollars."""

LARGEST_USD = 10**12
MODES: dict[str, Mode] = {
    "unifiedAccount": "unified",
    "disabled": "standard",
    "u": "unified",
    "i": "standard",
}
SHORT = "Insufficient balance for token transfer."


class Actor(NamedTuple):
    """For whom an action is executed: the user, and the account it is for."""

    master: str  # address of the user whose key, or whose agent's, signed
    user: str  # the same, or its sub-account
    owner: int  # account of `user`


class AccountActions:
    """What a user does with the account."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._exchange = state.exchange
        self.handlers: dict[type, Callable[[Actor, Any], Reply]] = {
            r.ScheduleCancel: self._schedule_cancel,
            r.UpdateLeverage: self._update_leverage,
            r.UpdateIsolatedMargin: self._update_isolated,
            r.TopUpIsolatedOnlyMargin: self._top_up,
            r.CreateSubAccount: self._create_sub_account,
            r.SubAccountTransfer: self._sub_account_transfer,
            r.SubAccountSpotTransfer: self._sub_account_spot_transfer,
            r.AgentSendAsset: self._agent_send,
            r.AgentSetAbstraction: lambda actor, x: self._set_mode(actor.owner, x.abstraction),
            r.AgentEnableDexAbstraction: self._discontinued,
            r.SetReferrer: self._set_referrer,
            r.ReserveRequestWeight: self._reserve,
            r.Noop: lambda *_: DEFAULT,
            r.VaultTransfer: self._no_vault,
            r.EvmUserModify: lambda *_: DEFAULT,
            u.UsdSend: self._usd_send,
            u.SpotSend: self._spot_send,
            u.Withdraw: self._withdraw,
            u.UsdClassTransfer: self._class_transfer,
            u.SendAsset: self._send_asset,
            u.ApproveAgent: self._approve_agent,
            u.ApproveBuilderFee: self._approve_builder,
            u.UserDexAbstraction: self._discontinued,
            u.UserSetAbstraction: self._user_set_mode,
        }

    # Terms

    def _schedule_cancel(self, actor: Actor, action: r.ScheduleCancel) -> Reply:
        time = action.time * MS if isinstance(action.time, int) else None
        return _done(self._state.world.schedule_cancel(actor.owner, time))

    def _update_leverage(self, actor: Actor, action: r.UpdateLeverage) -> Reply:
        asset = self._asset(action.asset)
        return _done(
            terms.set_leverage(
                self._exchange, actor.owner, asset, action.leverage, is_cross=action.isCross
            )
        )

    def _update_isolated(self, actor: Actor, action: r.UpdateIsolatedMargin) -> Reply:
        asset = self._asset(action.asset)
        return _done(terms.adjust_isolated(self._exchange, actor.owner, asset, action.ntli))

    def _top_up(self, actor: Actor, action: r.TopUpIsolatedOnlyMargin) -> Reply:
        asset, leverage = self._asset(action.asset), _amount(action.leverage) / MICRO
        return _done(terms.top_up_isolated(self._exchange, actor.owner, asset, leverage))

    def _set_mode(self, owner: int, name: str) -> Reply:
        mode = MODES.get(name)
        if mode is None:
            raise Refused("Portfolio margin is not available for this account.")
        return _done(transfers.set_mode(self._exchange, owner, mode))

    def _user_set_mode(self, actor: Actor, action: u.UserSetAbstraction) -> Reply:
        return self._set_mode(self._own(actor, action.user.lower()), action.abstraction)

    def _discontinued(self, actor: Actor, action: object) -> Reply:
        raise Refused("Dex abstraction has been discontinued.")

    # Keys and sub-accounts

    def _approve_agent(self, actor: Actor, action: u.ApproveAgent) -> Reply:
        address, name = action.agentAddress.lower(), action.agentName or ""
        if self._state.members.find(address) is not None:
            raise Refused("Extra agent already used.")
        self._state.users.approve(actor.master, address, name, self._state.now_ms)
        return DEFAULT

    def _approve_builder(self, actor: Actor, action: u.ApproveBuilderFee) -> Reply:
        tenths = int(Decimal(action.maxFeeRate[:-1]) * 1000)
        self._state.users.builders[actor.master, action.builder.lower()] = tenths
        return DEFAULT

    def _set_referrer(self, actor: Actor, action: r.SetReferrer) -> Reply:
        if actor.master in self._state.users.referrers:
            raise Refused("Referrer already set.")
        self._state.users.referrers[actor.master] = action.code
        return DEFAULT

    def _create_sub_account(self, actor: Actor, action: r.CreateSubAccount) -> Reply:
        users, members = self._state.users, self._state.members
        address = users.open_sub_account(actor.master, action.name)
        master = members.find(actor.master)
        mode = self._exchange.accounts[actor.owner].mode
        members.open(address, mode, master)
        return {"type": "createSubAccount", "data": address}

    # Money

    def _usd_send(self, actor: Actor, action: u.UsdSend) -> Reply:
        return self._move(actor.owner, "", action.destination, "", _amount(action.amount))

    def _spot_send(self, actor: Actor, action: u.SpotSend) -> Reply:
        _need_usdc(action.token)
        amount = _amount(action.amount)
        return self._move(actor.owner, "spot", action.destination, "spot", amount)

    def _send_asset(self, actor: Actor, action: u.SendAsset) -> Reply:
        _need_usdc(action.token)
        owner = actor.owner
        if action.fromSubAccount:
            owner = self._own(actor, action.fromSubAccount.lower())
        amount, destination = _amount(action.amount), action.destination
        return self._move(owner, action.sourceDex, destination, action.destinationDex, amount)

    def _agent_send(self, actor: Actor, action: r.AgentSendAsset) -> Reply:
        if action.destination.lower() != actor.user:
            raise Refused("Agents can only send assets between the dexs of the same user.")
        _need_usdc(action.token)
        amount = _amount(action.amount)
        return self._move(actor.owner, action.sourceDex, actor.user, action.destinationDex, amount)

    def _class_transfer(self, actor: Actor, action: u.UsdClassTransfer) -> Reply:
        number, _, sub = action.amount.partition(" subaccount:")
        owner = self._own(actor, sub.lower()) if sub else actor.owner
        return _done(
            transfers.class_transfer(
                self._exchange,
                owner,
                _amount(number),
                self._state.now_ns,
                to_perp=action.toPerp,
            )
        )

    def _sub_account_transfer(self, actor: Actor, action: r.SubAccountTransfer) -> Reply:
        return self._between(actor, action, "", action.usd)

    def _sub_account_spot_transfer(self, actor: Actor, action: r.SubAccountSpotTransfer) -> Reply:
        _need_usdc(action.token)
        return self._between(actor, action, "spot", _amount(action.amount))

    def _between(
        self,
        actor: Actor,
        action: r.SubAccountTransfer | r.SubAccountSpotTransfer,
        place: str,
        micro: int,
    ) -> Reply:
        sub = action.subAccountUser.lower()
        owner = self._own(actor, sub)
        if action.isDeposit:
            return self._move(actor.owner, place, sub, place, micro)
        return self._move(owner, place, actor.master, place, micro)

    def _withdraw(self, actor: Actor, action: u.Withdraw) -> Reply:
        raise Refused("Insufficient balance for withdrawal.")

    def _no_vault(self, actor: Actor, action: r.VaultTransfer) -> Reply:
        raise Refused(f"Vault not registered: {action.vaultAddress.lower()}")

    def _reserve(self, actor: Actor, action: r.ReserveRequestWeight) -> Reply:
        cost = min(action.weight, LARGEST_USD) * RESERVED_MICRO
        error = transfers.move(
            self._exchange,
            actor.owner,
            "",
            self._state.members.treasury,
            "",
            cost,
            self._state.now_ns,
        )
        if not error:
            self._exchange.accounts[actor.owner].requests.cap += action.weight
        return _done(error)

    def _move(self, owner: int, source: str, receiver: str, destination: str, micro: int) -> Reply:
        places = ("spot", *self._state.markets.dexs)
        if source not in places or destination not in places:
            raise Refused("Invalid perp dex")
        members, address = self._state.members, receiver.lower()
        if self._state.users.agent(address) is not None:
            raise Refused("Cannot send to an agent.")
        if micro <= 0 or transfers.spare(members.account(owner), source) < micro:
            raise Refused(SHORT)
        other = members.find(address)
        if other is None:
            other = members.open(address, self._state.settings.account)
        return _done(
            transfers.move(
                self._exchange, owner, source, other, destination, micro, self._state.now_ns
            )
        )

    # Whose and what

    def _own(self, actor: Actor, address: str) -> int:
        sub = self._state.users.sub_account(address)
        if address != actor.master and (sub is None or sub.master != actor.master):
            raise Refused(f"Sub-account {address} is not registered to {actor.master}")
        owner = self._state.members.find(address)
        if owner is None:
            raise Refused(f"User {address} does not exist.")
        return owner

    def _asset(self, number: int) -> int:
        asset = self._state.markets.number.get(number)
        if asset is None:
            raise Refused(f"Trading is halted. asset={number}")
        return asset


def _done(error: str) -> Reply:
    if error:
        raise Refused(error)
    return DEFAULT


def _need_usdc(token: str) -> None:
    if token.partition(":")[0] != "USDC":
        raise Refused(SHORT)


def _amount(number: str) -> int:
    """Return dollars in text as micro-dollars.

    Raises
    ------
    Refused
        When the text is no amount of money.
    """
    try:
        value = Decimal(number.strip())
    except InvalidOperation:
        raise Refused("Invalid amount.") from None
    if not value.is_finite() or not 0 <= value <= LARGEST_USD:
        raise Refused("Invalid amount.")
    return int(value * MICRO)
