"""What the venue says of an account, as it says it: balances, positions, orders, fills, limits."""

from __future__ import annotations

from enum import Enum

import msgspec

from portfolio_mm.venues.hyperliquid.figures import Figure, Millis, Number, Positive, Unsigned
from portfolio_mm.venues.hyperliquid.wire import Leverage, Side, Wire


class Mode(Enum):
    """Which balance margins an account's positions."""

    DEFAULT = "default"
    DISABLED = "disabled"
    UNIFIED = "unifiedAccount"
    PORTFOLIO = "portfolioMargin"

    @property
    def shared(self) -> bool:
        """Whether one balance per collateral token stands behind all dexes, not one per dex."""
        return self in {Mode.UNIFIED, Mode.PORTFOLIO}


class MarginSummary(Wire, frozen=True, kw_only=True):
    """Equity, notional, cash net of cost, and initial margin of positions, USD."""

    account_value: Figure
    total_ntl_pos: Unsigned
    total_raw_usd: Figure
    total_margin_used: Figure


class PositionLeverage(Wire, frozen=True, kw_only=True):
    """How a position is margined; an isolated one has cash of its own."""

    type: str  # "cross" or "isolated"
    value: Leverage
    raw_usd: Figure | None = None


class Position(Wire, frozen=True, kw_only=True):
    """One position, long > 0."""

    coin: str
    szi: Figure
    leverage: PositionLeverage
    position_value: Unsigned
    unrealized_pnl: Figure
    margin_used: Figure
    max_leverage: Leverage
    entry_px: Unsigned | None = None
    liquidation_px: Unsigned | None = None


class AssetPosition(Wire, frozen=True, kw_only=True):
    """The wire's envelope of a position."""

    position: Position


class ClearinghouseState(Wire, frozen=True, kw_only=True):
    """An account on one dex."""

    margin_summary: MarginSummary
    cross_margin_summary: MarginSummary
    cross_maintenance_margin_used: Unsigned
    withdrawable: Figure
    asset_positions: tuple[AssetPosition, ...]
    time: Millis


class Balance(Wire, frozen=True, kw_only=True):
    """Spot balance of a token: all of it, and what margin and orders hold of it."""

    coin: str
    token: int
    total: Figure
    hold: Figure


class SpotState(Wire, frozen=True, kw_only=True):
    """Spot balances; in the shared modes, the balance of the whole account."""

    balances: tuple[Balance, ...]
    token_to_available_after_maintenance: tuple[tuple[int, Figure], ...] = ()


class RestingOrder(Wire, frozen=True, kw_only=True):
    """An order as every listing and update shows it; some show less of it."""

    coin: str
    side: Side
    limit_px: Unsigned
    sz: Unsigned
    oid: Number
    timestamp: Millis = 0
    orig_sz: Unsigned | None = None
    cloid: str | None = None
    reduce_only: bool = False
    is_trigger: bool = False
    tif: str | None = None


class OrderReport(Wire, frozen=True, kw_only=True):
    """An order and what became of it."""

    order: RestingOrder
    status: str
    status_timestamp: Millis


class OrderStatus(Wire, frozen=True, kw_only=True):
    """Answer about one order; None where the venue does not know it."""

    status: str
    order: OrderReport | None = None


class Liquidation(Wire, frozen=True, kw_only=True):
    """Whose liquidation a fill was part of."""

    liquidated_user: str | None = None
    mark_px: Figure | None = None
    method: str | None = None


class UserFill(Wire, frozen=True, kw_only=True):
    """One fill of the account."""

    coin: str
    px: Positive
    sz: Unsigned
    side: Side
    time: Millis
    start_position: Figure
    closed_pnl: Figure
    oid: Number
    crossed: bool
    fee: Figure
    fee_token: str = "USDC"
    tid: Number = 0
    cloid: str | None = None
    liquidation: Liquidation | None = None


class Funding(Wire, frozen=True, kw_only=True):
    """One funding payment; `usdc` < 0 was paid."""

    coin: str
    usdc: Figure
    szi: Figure
    funding_rate: Figure
    time: Millis = 0


class FundingEntry(Wire, frozen=True, kw_only=True):
    """A funding payment as the history lists it."""

    time: Millis
    delta: Funding


class RateLimit(Wire, frozen=True, kw_only=True):
    """Requests of the address, over its life."""

    cum_vlm: Unsigned
    n_requests_used: Number
    n_requests_cap: Number
    n_requests_surplus: Number = 0

    @property
    def left(self) -> int:
        """Requests that may still be sent."""
        return max(self.n_requests_cap + self.n_requests_surplus - self.n_requests_used, 0)


class UserFees(Wire, frozen=True, kw_only=True):
    """Rates of the account on the venue's own perpetuals, discounts included."""

    user_cross_rate: Figure
    user_add_rate: Figure


class RoleData(Wire, frozen=True, kw_only=True):
    """Whose agent or sub-account it is."""

    user: str = ""
    master: str = ""


class UserRole(Wire, frozen=True, kw_only=True):
    """What an address is: user, agent, vault, subAccount or missing."""

    role: str
    data: RoleData = RoleData()


class Agent(Wire, frozen=True, kw_only=True):
    """A named key that may sign for the account."""

    name: str
    address: str
    valid_until: Millis


class LiquidationEvent(msgspec.Struct, frozen=True, kw_only=True):
    """The account was liquidated."""

    lid: Number
    liquidated_user: str
    liquidated_ntl_pos: Figure
    liquidated_account_value: Figure


class CanceledOrder(Wire, frozen=True, kw_only=True):
    """An order the venue cancelled."""

    coin: str
    oid: Number
