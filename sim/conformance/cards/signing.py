"""Signatures, nonces and expiry."""

# ruff: noqa: D401 - the docstring of a check states what the venue does

from __future__ import annotations

from typing import Any

from eth_account import Account
from hyperliquid.utils.signing import get_timestamp_ms, sign_l1_action

from sim.conformance.card import TSLA, Need, Scene, begins, card, expect, refused, same
from sim.conformance.desk import Refused
from sim.conformance.moves import price, rest
from sim.conformance.sdk import TIMEOUT_S, SdkBench, SdkDesk, done

DAY_MS = 86_400_000
NOBODY = Scene(usd=0.0)
"""Nobody has an account here."""


def desk_of(bench: SdkBench) -> SdkDesk:
    """Return the desk of a new user."""
    return bench.sdk_desk(Account.from_key(bench.new_key()))


def signed(desk: SdkDesk, action: dict[str, Any], nonce: int) -> dict[str, Any]:
    """Return a signed request."""
    signature = sign_l1_action(desk.exchange.wallet, action, None, nonce, None, False)
    return {
        "action": action,
        "nonce": nonce,
        "signature": signature,
        "vaultAddress": None,
        "expiresAfter": None,
    }


def post(desk: SdkDesk, request: dict[str, Any]) -> Any:
    """Post a signed request."""
    return done(desk.exchange.post("/exchange", request))


NOOP = {"type": "noop"}


@card("NONCE-1", 5, "measured", Need.SIGNATURES)
def twice(bench: SdkBench) -> None:
    """A nonce serves once."""
    desk = desk_of(bench)
    nonce = get_timestamp_ms()
    post(desk, signed(desk, NOOP, nonce))
    with refused(f"Invalid nonce: duplicate nonce {nonce}", "the same request again"):
        post(desk, signed(desk, NOOP, nonce))


@card(
    "NONCE-2",
    5,
    "documented",
    Need.SIGNATURES,
)
def window(bench: SdkBench) -> None:
    """A nonce lies within two days before and one day after the venue's time."""
    desk = desk_of(bench)
    now = get_timestamp_ms()
    with refused("Invalid nonce: nonce too low", "a nonce of three days ago"):
        post(desk, signed(desk, NOOP, now - 3 * DAY_MS))
    with refused("Invalid nonce", "a nonce of two days ahead"):
        post(desk, signed(desk, NOOP, now + 2 * DAY_MS))
    post(desk, signed(desk, NOOP, now - DAY_MS))


@card(
    "NONCE-3",
    5,
    "documented",
    Need.SIGNATURES,
)
def hundred(bench: SdkBench) -> None:
    """Nonces need not come in order, but exceed the least of the last hundred."""
    desk = desk_of(bench)
    now = get_timestamp_ms()
    for i in range(100):
        post(desk, signed(desk, NOOP, now + 2 * i))
    post(desk, signed(desk, NOOP, now + 3))
    with refused(f"Invalid nonce: nonce too low {now + 1} < ", "one below the hundred"):
        post(desk, signed(desk, NOOP, now + 1))


@card(
    "NONCE-4",
    4,
    "documented",
    Need.SIGNATURES,
)
def noop(bench: SdkBench) -> None:
    """An action that does nothing uses up its nonce, and so stops another one."""
    desk = desk_of(bench)
    oid = rest(bench, desk, TSLA, 100.0).oid
    nonce = get_timestamp_ms() + 1000
    done(desk.exchange.noop(nonce))
    late = {"type": "cancel", "cancels": [{"a": 110001, "o": oid}]}
    with refused(f"Invalid nonce: duplicate nonce {nonce}", "the late cancel"):
        post(desk, signed(desk, late, nonce))
    same(desk.open_orders("xyz"), [oid], "open orders")


@card(
    "EXPIRY-1",
    5,
    "documented",
    Need.SIGNATURES,
)
def expired(bench: SdkBench) -> None:
    """After its expiresAfter an action is refused, at the cost of five requests."""
    desk = desk_of(bench)
    rest(bench, desk, TSLA, 100.0)
    before = desk.requests().used
    desk.exchange.set_expires_after(bench.now_ms() - 1000)
    with refused("Action already expired", "a late order"):
        rest(bench, desk, TSLA, 100.0)
    same(desk.requests().used - before, 5, "requests it cost")
    desk.exchange.set_expires_after(bench.now_ms() + 600_000)
    rest(bench, desk, TSLA, 100.0)


@card(
    "SIGN-1",
    5,
    "measured",
    Need.SIGNATURES,
    scene=NOBODY,
)
def stranger(bench: SdkBench) -> None:
    """A signer without an account is refused by its address."""
    desk = desk_of(bench)
    with refused(f"User or API Wallet {desk.address} does not exist.", "a stranger's order"):
        rest(bench, desk, TSLA, 100.0)


@card(
    "SIGN-2",
    5,
    "measured",
    Need.SIGNATURES,
    scene=NOBODY,
)
def altered(bench: SdkBench) -> None:
    """What was changed after signing belongs to some other address, which is refused."""
    desk = desk_of(bench)
    cancel = {"type": "cancel", "cancels": [{"a": 110001, "o": 1}]}
    request = signed(desk, cancel, get_timestamp_ms())
    request["action"] = {"type": "cancel", "cancels": [{"a": 110001, "o": 2}]}
    try:
        post(desk, request)
    except Refused as refusal:
        begins(str(refusal), "User or API Wallet 0x", "refusal")
        expect(desk.address not in str(refusal), "the refusal names the signer")
    else:
        expect(False, "a changed request was accepted")


@card(
    "SIGN-3",
    12,
    "measured",
    Need.SIGNATURES,
)
def rounded(bench: SdkBench) -> None:
    """A market order price of the client is valid when the caller rounds it."""
    desk = desk_of(bench)
    reply = desk.exchange.market_open(TSLA, True, 0.1, px=price(bench, TSLA, 0.0), slippage=0.02)
    same("error" in done(reply)["data"]["statuses"][0], False, "refused")


@card(
    "BODY-1",
    3,
    "measured",
    Need.SIGNATURES,
)
def unreadable(bench: SdkBench) -> None:
    """A request that cannot be read is refused with HTTP 422."""
    desk = desk_of(bench)
    for path, body in (("/info", {"type": "nonsense"}), ("/exchange", {"action": {}})):
        response = desk.exchange.session.post(bench.url + path, json=body, timeout=TIMEOUT_S)
        same(response.status_code, 422, f"HTTP status of {path}")
