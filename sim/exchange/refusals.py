"""The venue's words for what it refuses, with the order status that goes with them.

Where no text of the venue is known, the words are ours; those are marked.
"""

from __future__ import annotations

from typing import NamedTuple


class Refusal(NamedTuple):
    """Why an order was refused: its status and the venue's words."""

    status: str
    text: str


TICK = Refusal("tickRejected", "Price must be divisible by tick size.")
ZERO = Refusal("rejected", "Order has zero size.")
SIZE = Refusal("rejected", "Order has invalid size.")
MINIMUM = Refusal("minTradeNtlRejected", "Order must have minimum value of $10.")
MARGIN = Refusal("perpMarginRejected", "Insufficient margin to place order.")
CROSSING = Refusal("badAloPxRejected", "Post only order would have immediately matched")
UNMATCHED = Refusal(
    "iocCancelRejected", "Order could not immediately match against any resting orders."
)
ILLIQUID = Refusal("marketOrderNoLiquidityRejected", "No liquidity available for market order.")
INCREASING = Refusal("reduceOnlyRejected", "Reduce only order would increase position.")
TRIGGER = Refusal("badTriggerPxRejected", "Invalid TP/SL price.")
DISTANT = Refusal(
    "oracleRejected", "Order price cannot be more than 95% away from the reference price"
)
CAPPED = Refusal(
    "positionIncreaseAtOpenInterestCapRejected",
    "Order would increase open interest while open interest is capped",
)
TOO_MANY = Refusal("tooManyOpenOrdersRejected", "Too many open orders.")  # ours
REUSED = Refusal("rejected", "Client order id belongs to an open order.")  # ours
GONE = Refusal("unknownOid", "Order was never placed, already canceled, or filled.")
UNMODIFIABLE = Refusal("rejected", "Cannot modify canceled or filled order")
RATIONED = Refusal("rejected", "Too many cumulative requests sent")
MODIFYING = "Error placing new order during modify: "

LEVERAGE = "Invalid leverage value"
NO_CROSS = "Cross margin is not allowed for this asset."
SWITCH = "Cannot switch leverage type with open position."
CROSS_DECREASE = (
    "Cross position does not have sufficient margin available to decrease leverage. "
    "To decrease leverage, deposit more collateral."
)
ISOLATED_DECREASE = (
    "Isolated position does not have sufficient margin available to decrease leverage. "
    "To decrease leverage, add margin to the position."
)
NOT_ISOLATED = "Position does not use isolated margin."
SHORT_MARGIN = "Insufficient margin to change the margin of the position."  # ours
SHORT_BALANCE = "Insufficient balance for transfer."  # ours
UNIFIED = "Action disabled when unified account is active"
BUSY = "Cannot change the account mode with open positions or orders."  # ours
TOO_SOON = "Scheduled cancel time must be at least 5 seconds in the future."  # ours
SPENT = "Too many scheduled cancels were triggered today."  # ours


def rationed(sent: int, limit: float, volume_usd: float) -> str:
    """Return the refusal of a request that is one too many."""
    return (
        f"{RATIONED.text} ({sent} > {int(limit)}) for cumulative volume traded "
        f"${volume_usd:.2f}. Place taker orders to free up 1 request per USDC traded."
    )


def untraded(required_usd: float, volume_usd: float) -> str:
    """Return the refusal of a scheduled cancel before enough volume."""
    return (
        "Cannot set scheduled cancel time until enough volume traded. "
        f"Required: ${required_usd:.0f}. Traded: ${volume_usd:.2f}."
    )
