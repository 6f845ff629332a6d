"""What websocket frames carry beyond what answers to questions do."""

from __future__ import annotations

from typing import Any

import msgspec

from portfolio_mm.venues.hyperliquid.figures import Millis, Number
from portfolio_mm.venues.hyperliquid.wire import Wire
from portfolio_mm.venues.hyperliquid.wire_account import (
    CanceledOrder,
    ClearinghouseState,
    Funding,
    LiquidationEvent,
    RestingOrder,
    SpotState,
    UserFill,
)


class UserEvent(Wire, frozen=True, kw_only=True):
    """One of these happened to the account."""

    fills: tuple[UserFill, ...] | None = None
    funding: Funding | None = None
    liquidation: LiquidationEvent | None = None
    non_user_cancel: tuple[CanceledOrder, ...] | None = None


class Fills(Wire, frozen=True, kw_only=True):
    """Fills of a user; a snapshot repeats old ones."""

    user: str
    fills: tuple[UserFill, ...]
    is_snapshot: bool = False


class Fundings(Wire, frozen=True, kw_only=True):
    """Funding payments of a user; a snapshot repeats old ones."""

    user: str
    fundings: tuple[Funding, ...]
    is_snapshot: bool = False


class DexState(Wire, frozen=True, kw_only=True):
    """A user's account on one dex."""

    user: str
    clearinghouse_state: ClearinghouseState
    dex: str = ""


class DexStates(Wire, frozen=True, kw_only=True):
    """A user's account on every dex."""

    user: str
    clearinghouse_states: tuple[tuple[str, ClearinghouseState], ...]


class DexOrders(Wire, frozen=True, kw_only=True):
    """A user's open orders on one dex."""

    user: str
    orders: tuple[RestingOrder, ...]
    dex: str = ""


class UserSpot(Wire, frozen=True, kw_only=True):
    """A user's spot balances."""

    user: str
    spot_state: SpotState


class UserState(Wire, frozen=True, kw_only=True):
    """The venue's clock, and the key that may sign."""

    server_time: Millis
    agent_address: str | None = None
    agent_valid_until: Millis | None = None


class WebData(Wire, frozen=True, kw_only=True):
    """State of a user across dexes."""

    user_state: UserState


class PostResponse(Wire, frozen=True, kw_only=True):
    """Answer to a request over the socket: info, action or error."""

    type: str
    payload: msgspec.Raw


class Post(Wire, frozen=True, kw_only=True):
    """Which request, and its answer."""

    id: Number
    response: PostResponse


class Subscription(Wire, frozen=True, kw_only=True):
    """Echo of a request, with defaults filled in."""

    method: str
    subscription: dict[str, Any]
