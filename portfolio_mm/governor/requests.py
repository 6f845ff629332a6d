"""How many quotes may be moved a second: what is left of the request budgets over their horizons.

An address lives on what it was given and on what its volume earns; the allowance of an account is
renewed every day (UTC), the weight of an IP address every minute. What is left of the address's, less
what the kill switch may need, lasts a horizon H at the rate

    R = left/H + earned,    earned ≤ left/h

so it decays exponentially and never ends; requests that volume earns are spent as fast as they come
(an average over h = H/144, ten minutes of a day, and never more than is left lasts for h). An order that replaces a filled one
earns its request, 10 USD at 0.1 a dollar, so fills are left out on both sides.

Quotes are also modified for their size and cancelled where they stopped paying, and move more often or
less than the theory says: a ladder moves its last order where the theory moves every one. So actions per
planned move are measured, as a rate with a gamma prior. Source: MODEL section 7.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from portfolio_mm.types import DAY_S, NS, AccountState, Orders

RESERVE = 20.0
"""Requests kept for the kill switch."""

EARNING_SHARE = 144.0
"""H/h."""

MINUTE_S = 60.0
PER_WEIGHT = 40.0
"""Actions of a batch that weigh one against the limit of an IP address."""
STRENGTH = 20.0
"""Prior strength of one action a planned move, in moves."""
MEMORY_S = 600.0
"""Half-life of the measured ratio."""
FURTHEST = 8.0
"""It stays within this factor of one: where requests abound, bands are narrower than cycles can follow."""


class Usage(NamedTuple):
    """What the last cycle used, and planned to use."""

    moves: float = 0.0  # modifies, and two for a cancel: it asks for a new order later
    planned: float = 0.0  # moves, 1/s


class Ledger(NamedTuple):
    """What the next cycle needs."""

    left: float = math.inf  # of the address, as last seen
    gained: float = 0.0  # of late, net of orders that replace filled ones; not below 0
    seconds: float = 0.0  # of late
    moves: float = 0.0  # of late
    planned: float = 0.0


class Allowance(NamedTuple):
    """What the budgets allow now."""

    rate: float  # actions, 1/s
    per_move: float  # actions that a planned move takes
    actions: int  # at once
    volume_earns: bool  # the address's requests are the scarcest


def count(orders: Orders) -> float:
    """Return the moves in what is sent."""
    return len(orders.modifies) + 2.0 * len(orders.cancels)


def update(
    ledger: Ledger, usage: Usage, account: AccountState, elapsed_s: float, horizon_s: float
) -> Ledger:
    """Note what was used over the last `elapsed_s` seconds, and what came in."""
    left = account.address_requests
    gain = left - ledger.left + usage.moves
    if elapsed_s <= 0.0 or not math.isfinite(gain):
        return ledger._replace(left=left)
    lately = math.exp(-elapsed_s * EARNING_SHARE / horizon_s)
    keep = math.exp(-math.log(2.0) * elapsed_s / MEMORY_S)
    return Ledger(
        left=left,
        gained=max(lately * ledger.gained + gain, 0.0),
        seconds=lately * ledger.seconds + elapsed_s,
        moves=keep * ledger.moves + usage.moves,
        planned=keep * ledger.planned + usage.planned * elapsed_s,
    )


def allowance(ledger: Ledger, account: AccountState, horizon_s: float) -> Allowance:
    """Return how many actions may be taken a second, for a planned move, and at once."""
    left = max(account.address_requests - RESERVE, 0.0)
    earned = min(ledger.gained / max(ledger.seconds, MINUTE_S), left * EARNING_SHARE / horizon_s)
    day_left = DAY_S - account.time_ns / NS % DAY_S
    address = left / horizon_s + earned
    others = min(
        account.actions_left / max(day_left, MINUTE_S), PER_WEIGHT * account.ip_weight / MINUTE_S
    )
    rate = min(address, others)
    ratio = (STRENGTH + ledger.moves) / (STRENGTH + ledger.planned)
    ratio = min(max(ratio, 1.0 / FURTHEST), FURTHEST)
    most = min(left, account.actions_left, 1e9)
    return Allowance(max(rate, 0.0), ratio, int(max(most, 0.0)), address <= others)
