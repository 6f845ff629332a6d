"""Actions on the account itself, signed field by field by the user's own key."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import Meta

from sim.server.scalars import Address, Name, Natural
from sim.server.signatures import Fields


class UserSigned(msgspec.Struct, tag_field="type", omit_defaults=True, kw_only=True):
    """Base of every action on the account itself, signed field by field; never by an agent."""

    signs: ClassVar[str]
    fields: ClassVar[Fields]

    signatureChainId: Annotated[str, Meta(pattern=r"\A0x[0-9a-fA-F]{1,16}\Z")]
    hyperliquidChain: Literal["Mainnet", "Testnet"]


_CHAIN = ("hyperliquidChain", "string")
_NONCE = ("nonce", "uint64")
_TIME = ("time", "uint64")
_DESTINATION = ("destination", "string")
_AMOUNT = ("amount", "string")


class UsdSend(UserSigned, tag="usdSend"):
    """Send dollars of the main perpetuals to another user."""

    signs = "UsdSend"
    fields = (_CHAIN, _DESTINATION, _AMOUNT, _TIME)

    destination: Address
    amount: Name
    time: Natural


class SpotSend(UserSigned, tag="spotSend"):
    """Send a token to another user."""

    signs = "SpotSend"
    fields = (_CHAIN, _DESTINATION, ("token", "string"), _AMOUNT, _TIME)

    destination: Address
    token: Name
    amount: Name
    time: Natural


class Withdraw(UserSigned, tag="withdraw3"):
    """Withdraw to another chain."""

    signs = "Withdraw"
    fields = (_CHAIN, _DESTINATION, _AMOUNT, _TIME)

    destination: Address
    amount: Name
    time: Natural


class UsdClassTransfer(UserSigned, tag="usdClassTransfer"):
    """Move dollars between spot and the main perpetuals."""

    signs = "UsdClassTransfer"
    fields = (_CHAIN, _AMOUNT, ("toPerp", "bool"), _NONCE)

    amount: Name
    toPerp: bool
    nonce: Natural


class SendAsset(UserSigned, tag="sendAsset"):
    """Move a token between dexs and users."""

    signs = "SendAsset"
    fields = (
        _CHAIN,
        _DESTINATION,
        ("sourceDex", "string"),
        ("destinationDex", "string"),
        ("token", "string"),
        _AMOUNT,
        ("fromSubAccount", "string"),
        _NONCE,
    )

    destination: Address
    sourceDex: Name
    destinationDex: Name
    token: Name
    amount: Name
    fromSubAccount: Name
    nonce: Natural


class ApproveAgent(UserSigned, tag="approveAgent", kw_only=True):
    """Let another key sign for the account."""

    signs = "ApproveAgent"
    fields = (_CHAIN, ("agentAddress", "address"), ("agentName", "string"), _NONCE)

    agentAddress: Address
    agentName: Name | None = None
    nonce: Natural


class ApproveBuilderFee(UserSigned, tag="approveBuilderFee"):
    """Allow a builder to charge up to a rate."""

    signs = "ApproveBuilderFee"
    fields = (_CHAIN, ("maxFeeRate", "string"), ("builder", "address"), _NONCE)

    maxFeeRate: Annotated[str, Meta(pattern=r"\A[0-9]{1,3}(\.[0-9]{1,6})?%\Z")]
    builder: Address
    nonce: Natural


class UserDexAbstraction(UserSigned, tag="userDexAbstraction"):
    """Ask for the discontinued account mode."""

    signs = "UserDexAbstraction"
    fields = (_CHAIN, ("user", "address"), ("enabled", "bool"), _NONCE)

    user: Address
    enabled: bool
    nonce: Natural


class UserSetAbstraction(UserSigned, tag="userSetAbstraction"):
    """Change the account mode."""

    signs = "UserSetAbstraction"
    fields = (_CHAIN, ("user", "address"), ("abstraction", "string"), _NONCE)

    user: Address
    abstraction: Literal["unifiedAccount", "portfolioMargin", "disabled"]
    nonce: Natural


AnyUserSigned = (
    UsdSend
    | SpotSend
    | Withdraw
    | UsdClassTransfer
    | SendAsset
    | ApproveAgent
    | ApproveBuilderFee
    | UserDexAbstraction
    | UserSetAbstraction
)
