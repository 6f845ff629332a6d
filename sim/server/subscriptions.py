"""What a websocket may ask for: one structure per channel, defaults filled in when acknowledged."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from sim.server.markets import Markets
from sim.server.queries import Coin, Interval
from sim.server.scalars import Address, Flag


def _tag(name: str) -> str:
    return name[0].lower() + name[1:]


class Subscription(msgspec.Struct, frozen=True, tag_field="type", tag=_tag):
    """Base of every subscription."""

    channel: ClassVar[str] = ""  # where it differs from the type


class CoinSubscription(Subscription, frozen=True):
    """About one market."""

    coin: Coin


class UserSubscription(Subscription, frozen=True):
    """About one user."""

    user: Address


class UserDexSubscription(UserSubscription, frozen=True):
    """About one user on one dex."""

    dex: Coin = ""


class AllMids(Subscription, frozen=True):
    """Mid prices of a dex."""

    dex: Coin | UnsetType = UNSET


class L2Book(CoinSubscription, frozen=True):
    """A book."""

    nSigFigs: int | None = None
    mantissa: int | None = None
    fast: bool = False


class Bbo(CoinSubscription, frozen=True):
    """The best level of each side."""


class Trades(CoinSubscription, frozen=True):
    """Public trades."""


class ActiveAssetCtx(CoinSubscription, frozen=True):
    """The state of a market."""


class ActiveAssetData(UserSubscription, frozen=True):
    """Leverage and room to trade."""

    coin: Coin


class CandleFeed(CoinSubscription, frozen=True, tag="candle"):
    """The candle that is being made."""

    interval: Interval


class OrderUpdates(UserSubscription, frozen=True):
    """What becomes of orders."""


class UserEvents(UserSubscription, frozen=True):
    """Fills, funding, liquidations and cancels by the venue."""

    channel = "user"


class UserFills(UserSubscription, frozen=True):
    """Fills."""

    aggregateByTime: Flag = UNSET


class UserFundings(UserSubscription, frozen=True):
    """Funding payments."""


class UserNonFundingLedgerUpdates(UserSubscription, frozen=True):
    """Deposits and transfers."""


class ClearinghouseState(UserDexSubscription, frozen=True):
    """Positions and margin on a dex."""


class OpenOrders(UserDexSubscription, frozen=True):
    """Open orders on a dex."""


class TwapStates(UserDexSubscription, frozen=True):
    """Sliced orders on a dex."""


class SpotState(UserSubscription, frozen=True):
    """Token balances."""


class AllDexsClearinghouseState(UserSubscription, frozen=True):
    """Positions and margin on every dex."""


class AllDexsAssetCtxs(Subscription, frozen=True):
    """The state of every market."""


class FastAssetCtxs(Subscription, frozen=True):
    """Mark and mid prices that changed, compressed."""


class WebData2(UserSubscription, frozen=True):
    """Everything about a user on the venue's own dex."""


class WebData3(UserSubscription, frozen=True):
    """A summary of a user."""


class Notification(UserSubscription, frozen=True):
    """Messages to a user."""


class UserTwapSliceFills(UserSubscription, frozen=True):
    """Fills of sliced orders."""


class UserTwapHistory(UserSubscription, frozen=True):
    """Sliced orders that ended."""


AnySubscription = (
    AllMids
    | L2Book
    | Bbo
    | Trades
    | ActiveAssetCtx
    | ActiveAssetData
    | CandleFeed
    | OrderUpdates
    | UserEvents
    | UserFills
    | UserFundings
    | UserNonFundingLedgerUpdates
    | ClearinghouseState
    | OpenOrders
    | TwapStates
    | SpotState
    | AllDexsClearinghouseState
    | AllDexsAssetCtxs
    | FastAssetCtxs
    | WebData2
    | WebData3
    | Notification
    | UserTwapSliceFills
    | UserTwapHistory
)


class Message(msgspec.Struct, tag_field="method", tag=str.lower):
    """Base of what a client sends."""


class Subscribe(Message):
    """Start a subscription."""

    subscription: AnySubscription


class Unsubscribe(Message):
    """End a subscription."""

    subscription: AnySubscription


class Ping(Message):
    """Show that the client is there."""


class PostBody(msgspec.Struct):
    """A request that takes the websocket's way."""

    type: Literal["info", "action"]
    payload: msgspec.Raw


class Post(Message):
    """Ask or act."""

    id: Annotated[int, Meta(ge=0, le=2**63 - 1)]
    request: PostBody


AnyMessage = Subscribe | Unsubscribe | Ping | Post

decode_message = msgspec.json.Decoder(AnyMessage).decode


def user_of(subscription: AnySubscription) -> str:
    """Return the address a subscription is about, empty if it is about none."""
    return subscription.user if isinstance(subscription, UserSubscription) else ""


def normal(subscription: AnySubscription) -> AnySubscription:
    """Return a subscription with its address in lower case."""
    if isinstance(subscription, UserSubscription):
        return msgspec.structs.replace(subscription, user=subscription.user.lower())
    return subscription


def possible(subscription: AnySubscription, markets: Markets) -> bool:
    """Tell whether the venue can serve a subscription; it hangs up on the others."""
    if isinstance(subscription, CoinSubscription | ActiveAssetData):
        coin = subscription.coin
        if coin not in markets.index and coin not in markets.silent:
            return False
    if isinstance(subscription, UserDexSubscription) and subscription.dex not in markets.metas:
        return False
    if isinstance(subscription, AllMids) and isinstance(subscription.dex, str):
        return subscription.dex in markets.metas
    if isinstance(subscription, L2Book):
        figures, mantissa = subscription.nSigFigs, subscription.mantissa
        if figures is None:
            return mantissa is None
        return 2 <= figures <= 5 and (mantissa is None or (figures == 5 and mantissa in (1, 2, 5)))
    return True
