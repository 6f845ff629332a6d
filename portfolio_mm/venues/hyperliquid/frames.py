"""Websocket frames: one decoding per text, one class per channel."""

from __future__ import annotations

import msgspec

from portfolio_mm.venues.hyperliquid.figures import ParseError
from portfolio_mm.venues.hyperliquid.parse import MALFORMED
from portfolio_mm.venues.hyperliquid.payloads import (
    DexOrders,
    DexState,
    DexStates,
    Fills,
    Fundings,
    Post,
    Subscription,
    UserEvent,
    UserSpot,
    WebData,
)
from portfolio_mm.venues.hyperliquid.wire import (
    AllContexts,
    Best,
    Book,
    CoinContext,
    Mids,
    Trade,
    Wire,
)
from portfolio_mm.venues.hyperliquid.wire_account import OrderReport

GREETING = "Websocket connection established."


class BookFrame(Wire, frozen=True, kw_only=True, tag_field="channel", tag="l2Book"):
    """A whole book."""

    data: Book


class BestFrame(Wire, frozen=True, kw_only=True, tag_field="channel", tag="bbo"):
    """Best prices."""

    data: Best


class TradesFrame(Wire, frozen=True, kw_only=True, tag_field="channel", tag="trades"):
    """Prints; the first frame repeats old ones."""

    data: tuple[Trade, ...]


class ContextFrame(Wire, frozen=True, kw_only=True, tag_field="channel", tag="activeAssetCtx"):
    """Context of one coin."""

    data: CoinContext


class MidsFrame(Wire, frozen=True, kw_only=True, tag_field="channel", tag="allMids"):
    """Mid prices."""

    data: Mids


class AllContextsFrame(
    Wire, frozen=True, kw_only=True, tag_field="channel", tag="allDexsAssetCtxs"
):
    """Contexts of every dex."""

    data: AllContexts


class OrderUpdatesFrame(Wire, frozen=True, kw_only=True, tag_field="channel", tag="orderUpdates"):
    """What became of orders of ours."""

    data: tuple[OrderReport, ...]


class UserFrame(Wire, frozen=True, kw_only=True, tag_field="channel", tag="user"):
    """An event of the account."""

    data: UserEvent


class FillsFrame(Wire, frozen=True, kw_only=True, tag_field="channel", tag="userFills"):
    """Fills of the account."""

    data: Fills


class FundingsFrame(Wire, frozen=True, kw_only=True, tag_field="channel", tag="userFundings"):
    """Funding payments of the account."""

    data: Fundings


class ClearinghouseFrame(
    Wire, frozen=True, kw_only=True, tag_field="channel", tag="clearinghouseState"
):
    """The account on one dex."""

    data: DexState


class AllClearinghousesFrame(
    Wire, frozen=True, kw_only=True, tag_field="channel", tag="allDexsClearinghouseState"
):
    """The account on every dex."""

    data: DexStates


class OpenOrdersFrame(Wire, frozen=True, kw_only=True, tag_field="channel", tag="openOrders"):
    """Open orders on one dex."""

    data: DexOrders


class SpotFrame(Wire, frozen=True, kw_only=True, tag_field="channel", tag="spotState"):
    """Spot balances of the account."""

    data: UserSpot


class WebDataFrame(Wire, frozen=True, kw_only=True, tag_field="channel", tag="webData3"):
    """The venue's clock and the account's mode."""

    data: WebData


class PongFrame(Wire, frozen=True, kw_only=True, tag_field="channel", tag="pong"):
    """Answer to a ping."""


class PostFrame(Wire, frozen=True, kw_only=True, tag_field="channel", tag="post"):
    """Answer to a request over the socket."""

    data: Post


class ErrorFrame(Wire, frozen=True, kw_only=True, tag_field="channel", tag="error"):
    """A request was refused; the socket stays open."""

    data: str


class SubscribedFrame(
    Wire, frozen=True, kw_only=True, tag_field="channel", tag="subscriptionResponse"
):
    """A subscription began or ended."""

    data: Subscription


class OtherFrame(Wire, frozen=True, kw_only=True):
    """A channel the engine does not use; empty for the greeting."""

    channel: str


Known = (
    BookFrame
    | BestFrame
    | TradesFrame
    | ContextFrame
    | MidsFrame
    | AllContextsFrame
    | OrderUpdatesFrame
    | UserFrame
    | FillsFrame
    | FundingsFrame
    | ClearinghouseFrame
    | AllClearinghousesFrame
    | OpenOrdersFrame
    | SpotFrame
    | WebDataFrame
    | PongFrame
    | PostFrame
    | ErrorFrame
    | SubscribedFrame
)
Frame = Known | OtherFrame

_KNOWN: msgspec.json.Decoder[Known] = msgspec.json.Decoder(Known)
_OTHER = msgspec.json.Decoder(OtherFrame)
_CHANNELS = frozenset(kind.__struct_config__.tag for kind in Known.__args__)


def frame(text: str | bytes) -> Frame:
    """Return the frame in one text of the socket.

    Raises
    ------
    ParseError
        When the text is no JSON object with a channel, or the data of a known channel are not
        what they should be.
    """
    try:
        return _KNOWN.decode(text)
    except MALFORMED as error:
        return _exceptional(text, error)


def _exceptional(text: str | bytes, error: Exception) -> OtherFrame:
    if text in {GREETING, GREETING.encode()}:
        return OtherFrame(channel="")
    try:
        other = _OTHER.decode(text)
    except MALFORMED:
        raise ParseError(f"websocket: {error}") from None
    if other.channel in _CHANNELS:
        raise ParseError(f"{other.channel}: {error}") from None
    return other
