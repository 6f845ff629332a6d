"""The venue's words for what it refuses, with the order status that goes with them."""

from __future__ import annotations

from typing import NamedTuple


class Refusal(NamedTuple):
    """Why an order was refused: its status and the venue's words."""

    status: str
    text: str


TICK = Refusal("tickRejected", "Price must be divisible by tick size.")
ZERO = Refusal("rejected", "Order has zero size.")
MINIMUM = Refusal("minTradeNtlRejected", "Order must have minimum value of $10.")
MARGIN = Refusal("perpMarginRejected", "Insufficient margin to place order.")
CROSSING = Refusal("badAloPxRejected", "Post only order would have immediately matched")
DISTANT = Refusal(
    "oracleRejected", "Order price cannot be more than 95% away from the reference price"
)
TOO_MANY = Refusal("tooManyOpenOrdersRejected", "Too many open orders.")
REUSED = Refusal("rejected", "Client order id was used before.")
GONE = Refusal("unknownOid", "Order was never placed, already canceled, or filled.")
UNMODIFIABLE = Refusal("rejected", "Cannot modify canceled or filled order")
RATIONED = Refusal("rejected", "Too many cumulative requests sent for cumulative volume traded.")
MODIFYING = "Error placing new order during modify: "
