"""What may be posted to /exchange: one structure per action, keys in the venue's order.

The order of the keys, and leaving out what was left out, are part of what is signed: the msgpack
of a decoded action is the preimage of its hash. Unknown keys are dropped and numbers are written
in the venue's way first, as the venue does, so whoever signed anything else is not recognised.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from sim.server.scalars import Address, ClientId, Flag, Hex, Name, Natural, canonical
from sim.server.user_requests import AnyUserSigned


class Action(msgspec.Struct, tag_field="type", omit_defaults=True):
    """Base of every action of the trading layer, signed through a phantom agent."""


class Limit(msgspec.Struct):
    """Terms of a limit order."""

    tif: Literal["Alo", "Ioc", "Gtc"]


class Trigger(msgspec.Struct):
    """Terms of an order that waits for a mark price."""

    isMarket: bool
    triggerPx: str
    tpsl: Literal["tp", "sl"]

    def __post_init__(self) -> None:
        self.triggerPx = canonical(self.triggerPx)


class OrderType(msgspec.Struct, omit_defaults=True):
    """Exactly one of the two kinds of order."""

    limit: Limit | UnsetType = UNSET
    trigger: Trigger | UnsetType = UNSET

    def __post_init__(self) -> None:
        if (self.limit is UNSET) == (self.trigger is UNSET):
            raise ValueError("an order is either limit or trigger")


class OrderWire(msgspec.Struct, omit_defaults=True):
    """An order: asset, is-buy, price, size, reduce-only, type, client order id."""

    a: Natural
    b: bool
    p: str
    s: str
    r: bool
    t: OrderType
    c: ClientId | UnsetType | None = UNSET

    def __post_init__(self) -> None:
        self.p = canonical(self.p)
        self.s = canonical(self.s)


class Priority(msgspec.Struct):
    """A paid place in the queue."""

    p: Natural


class Builder(msgspec.Struct):
    """Who is paid for having built the order, and tenths of a basis point."""

    b: Address
    f: Natural


class PlaceOrders(Action, tag="order"):
    """Place orders."""

    orders: list[OrderWire]
    grouping: Literal["na", "normalTpsl", "positionTpsl"] | Priority
    builder: Builder | UnsetType = UNSET


class CancelWire(msgspec.Struct):
    """An order to cancel: asset and order id."""

    a: Natural
    o: Natural


class Cancel(Action, tag="cancel"):
    """Cancel orders by the venue's ids."""

    cancels: list[CancelWire]
    f: Flag = UNSET


class CancelByCloidWire(msgspec.Struct):
    """An order to cancel, by the client's id."""

    asset: Natural
    cloid: ClientId


class CancelByCloid(Action, tag="cancelByCloid"):
    """Cancel orders by the client's ids."""

    cancels: list[CancelByCloidWire]
    f: Flag = UNSET


class ModifyWire(msgspec.Struct):
    """An order to replace, and what replaces it."""

    oid: Natural | ClientId
    order: OrderWire


class Modify(Action, tag="modify"):
    """Replace one order."""

    oid: Natural | ClientId
    order: OrderWire
    a: Flag = UNSET


class BatchModify(Action, tag="batchModify"):
    """Replace orders."""

    modifies: list[ModifyWire]
    a: Flag = UNSET


class ScheduleCancel(Action, tag="scheduleCancel"):
    """Cancel everything at a time, or never."""

    time: Natural | UnsetType = UNSET


class UpdateLeverage(Action, tag="updateLeverage"):
    """Choose leverage and margin mode of an asset."""

    asset: Natural
    isCross: bool
    leverage: Natural


class UpdateIsolatedMargin(Action, tag="updateIsolatedMargin"):
    """Move micro-dollars into an isolated position, or out."""

    asset: Natural
    isBuy: bool
    ntli: Annotated[int, Meta(ge=-(2**62), le=2**62)]


class TopUpIsolatedOnlyMargin(Action, tag="topUpIsolatedOnlyMargin"):
    """Bring an isolated position to a leverage."""

    asset: Natural
    leverage: str


class CreateSubAccount(Action, tag="createSubAccount"):
    """Open a sub-account."""

    name: Name


class SubAccountTransfer(Action, tag="subAccountTransfer"):
    """Move micro-dollars to a sub-account's perpetuals, or back."""

    subAccountUser: Address
    isDeposit: bool
    usd: Natural


class SubAccountSpotTransfer(Action, tag="subAccountSpotTransfer"):
    """Move a token to a sub-account, or back."""

    subAccountUser: Address
    isDeposit: bool
    token: Name
    amount: Name


class AgentSendAsset(Action, tag="agentSendAsset"):
    """Move collateral between the dexs of one user."""

    destination: Address
    sourceDex: Name
    destinationDex: Name
    token: Name
    amount: Name
    fromSubAccount: Name
    nonce: Natural


class AgentSetAbstraction(Action, tag="agentSetAbstraction"):
    """Change the account mode."""

    abstraction: Literal["u", "p", "i"]


class AgentEnableDexAbstraction(Action, tag="agentEnableDexAbstraction"):
    """Ask for the discontinued account mode."""


class SetReferrer(Action, tag="setReferrer"):
    """Name who referred the user."""

    code: Name


class ReserveRequestWeight(Action, tag="reserveRequestWeight"):
    """Buy requests."""

    weight: Natural
    destination: Address | UnsetType = UNSET


class Noop(Action, tag="noop"):
    """Use up a nonce."""


class VaultTransfer(Action, tag="vaultTransfer"):
    """Deposit into a vault, or withdraw."""

    vaultAddress: Address
    isDeposit: bool
    usd: Natural


class EvmUserModify(Action, tag="evmUserModify"):
    """Choose the size of blocks of the other layer."""

    usingBigBlocks: bool


AnyAction = (
    PlaceOrders
    | Cancel
    | CancelByCloid
    | Modify
    | BatchModify
    | ScheduleCancel
    | UpdateLeverage
    | UpdateIsolatedMargin
    | TopUpIsolatedOnlyMargin
    | CreateSubAccount
    | SubAccountTransfer
    | SubAccountSpotTransfer
    | AgentSendAsset
    | AgentSetAbstraction
    | AgentEnableDexAbstraction
    | SetReferrer
    | ReserveRequestWeight
    | Noop
    | VaultTransfer
    | EvmUserModify
    | AnyUserSigned
)


class Signature(msgspec.Struct):
    """An ECDSA signature over secp256k1."""

    r: Hex
    s: Hex
    v: Literal[27, 28]


class Envelope(msgspec.Struct):
    """A signed action."""

    action: AnyAction
    nonce: Natural
    signature: Signature
    vaultAddress: Address | None = None
    expiresAfter: Natural | None = None
