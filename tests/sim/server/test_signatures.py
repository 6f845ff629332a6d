from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgpack
import msgspec
import pytest
from eth_account import Account
from hyperliquid.utils import signing
from hyperliquid.utils.types import Cloid
from hypothesis import given
from hypothesis import strategies as st

from sim.server import requests as r
from sim.server import user_requests as u
from sim.server.actions import decode_envelope
from sim.server.scalars import canonical
from sim.server.signatures import BadSignature, digest, l1_digest, recover
from tests.sim.server.conftest import OTHER, USER, WALLET, cancelling, envelope, placing, wire

NONCE = 1_767_000_000_000
SUB = "0x" + "ab" * 20

ORDER = signing.order_request_to_order_wire(
    {
        "coin": "ETH",
        "is_buy": True,
        "sz": 0.2,
        "limit_px": 1100.0,
        "order_type": {"limit": {"tif": "Alo"}},
        "reduce_only": False,
        "cloid": Cloid.from_int(7),
    },
    1,
)
TRIGGER = {"trigger": {"isMarket": True, "triggerPx": "1500", "tpsl": "sl"}}

ACTIONS: list[dict[str, Any]] = [
    signing.order_wires_to_order_action([ORDER, ORDER], {"b": SUB, "f": 10}, "normalTpsl"),
    placing(wire(110000, px="1.5", sz="20")),
    placing(wire(1, px="1", sz="2") | {"t": TRIGGER}) | {"grouping": {"p": 5}},
    cancelling((1, 2), (110001, 2**40)),
    cancelling((1, 2)) | {"f": True},
    {"type": "cancelByCloid", "cancels": [{"asset": 1, "cloid": Cloid.from_int(3).to_raw()}]},
    {"type": "batchModify", "modifies": [{"oid": 9, "order": ORDER}], "a": True},
    {"type": "batchModify", "modifies": [{"oid": Cloid.from_int(3).to_raw(), "order": ORDER}]},
    {"type": "modify", "oid": 4, "order": ORDER},
    {"type": "scheduleCancel"},
    {"type": "scheduleCancel", "time": NONCE},
    {"type": "updateLeverage", "asset": 1, "isCross": False, "leverage": 21},
    {"type": "updateIsolatedMargin", "asset": 1, "isBuy": True, "ntli": -1_000_000},
    {"type": "setReferrer", "code": "CODE"},
    {"type": "createSubAccount", "name": "one"},
    {"type": "subAccountTransfer", "subAccountUser": SUB, "isDeposit": True, "usd": 10},
    {"type": "agentSetAbstraction", "abstraction": "u"},
    {"type": "agentEnableDexAbstraction"},
    {"type": "reserveRequestWeight", "weight": 100},
    {"type": "noop"},
    {"type": "vaultTransfer", "vaultAddress": SUB, "isDeposit": False, "usd": 5},
    {"type": "evmUserModify", "usingBigBlocks": True},
]


@pytest.mark.parametrize("action", ACTIONS, ids=lambda a: str(a["type"]))
@pytest.mark.parametrize("vault", [None, SUB])
@pytest.mark.parametrize("expires", [None, NONCE + 5])
def test_the_signer_of_what_the_sdk_signs_is_recovered(
    action: dict[str, Any], vault: str | None, expires: int | None
) -> None:
    signed = signing.sign_l1_action(WALLET, action, vault, NONCE, expires, False)
    received = decode_envelope(envelope(action, NONCE, signed, vault, expires))
    encoded = msgspec.msgpack.encode(received.action)
    assert encoded == msgpack.packb(action)
    message = l1_digest(encoded, NONCE, vault, expires, "b")
    assert recover(message, signed["r"], signed["s"], signed["v"]) == USER
    elsewhere = l1_digest(encoded, NONCE, vault, expires, "a")
    assert recover(elsewhere, signed["r"], signed["s"], signed["v"]) != USER


SIGNED_FIELDS: list[tuple[Callable[..., Any], dict[str, Any]]] = [
    (
        signing.sign_usd_transfer_action,
        {"type": "usdSend", "destination": SUB, "amount": "5.0", "time": NONCE},
    ),
    (
        signing.sign_spot_transfer_action,
        {
            "type": "spotSend",
            "destination": SUB,
            "amount": "5.0",
            "token": "USDC:0x1",
            "time": NONCE,
        },
    ),
    (
        signing.sign_withdraw_from_bridge_action,
        {"type": "withdraw3", "destination": SUB, "amount": "5.0", "time": NONCE},
    ),
    (
        signing.sign_usd_class_transfer_action,
        {"type": "usdClassTransfer", "amount": "1.5", "toPerp": True, "nonce": NONCE},
    ),
    (
        signing.sign_send_asset_action,
        {
            "type": "sendAsset",
            "destination": SUB,
            "sourceDex": "",
            "destinationDex": "xyz",
            "token": "USDC",
            "amount": "1.0",
            "fromSubAccount": "",
            "nonce": NONCE,
        },
    ),
    (
        signing.sign_agent,
        {"type": "approveAgent", "agentAddress": SUB, "agentName": "", "nonce": NONCE},
    ),
    (
        signing.sign_approve_builder_fee,
        {"type": "approveBuilderFee", "maxFeeRate": "0.01%", "builder": SUB, "nonce": NONCE},
    ),
    (
        signing.sign_user_dex_abstraction_action,
        {"type": "userDexAbstraction", "user": SUB, "enabled": True, "nonce": NONCE},
    ),
    (
        signing.sign_user_set_abstraction_action,
        {
            "type": "userSetAbstraction",
            "user": SUB,
            "abstraction": "unifiedAccount",
            "nonce": NONCE,
        },
    ),
]


@pytest.mark.parametrize(
    ("sign", "action"), SIGNED_FIELDS, ids=lambda x: getattr(x, "__name__", "")
)
def test_the_signer_of_a_user_signed_action_is_recovered(
    sign: Callable[..., Any], action: dict[str, Any]
) -> None:
    action = dict(action)
    signed = sign(WALLET, action, False)
    received = decode_envelope(envelope(action, NONCE, signed)).action
    assert isinstance(received, u.UserSigned)
    message = digest(
        "HyperliquidSignTransaction",
        int(received.signatureChainId, 16),
        f"HyperliquidTransaction:{received.signs}",
        received.fields,
        action,
    )
    assert recover(message, signed["r"], signed["s"], signed["v"]) == USER


def test_another_key_is_another_address() -> None:
    message = l1_digest(b"\x80", NONCE, None, None, "b")
    raw = Account.unsafe_sign_hash(message, OTHER.key)
    assert recover(message, hex(raw.r), hex(raw.s), raw.v) == OTHER.address.lower()


@pytest.mark.parametrize(("r_", "s"), [("0x0", "0x0"), ("0x1", "0x0"), ("0x" + "f" * 64,) * 2])
def test_what_is_no_signature_is_said_to_be_none(r_: str, s: str) -> None:
    with pytest.raises(BadSignature):
        recover(b"\x01" * 32, r_, s, 27)


def test_keys_in_another_order_or_added_sign_for_somebody_else() -> None:
    order = dict(reversed(list(ORDER.items()))) | {"note": 1}
    action = placing(order)
    signed = signing.sign_l1_action(WALLET, action, None, NONCE, None, False)
    received = decode_envelope(envelope(action, NONCE, signed))
    message = l1_digest(msgspec.msgpack.encode(received.action), NONCE, None, None, "b")
    assert recover(message, signed["r"], signed["s"], signed["v"]) != USER


@pytest.mark.parametrize(
    ("text", "number"),
    [("1.50", "1.5"), ("100", "100"), ("1.0", "1"), ("0.10", "0.1"), ("-5.00", "-5")],
)
def test_numbers_are_hashed_without_trailing_zeros(text: str, number: str) -> None:
    assert canonical(text) == number


@given(st.text(max_size=12))
def test_what_is_no_number_is_refused(text: str) -> None:
    body = envelope(placing(wire(1, px=text, sz="1")), NONCE, {"r": "0x1", "s": "0x1", "v": 27})
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    try:
        action = decode_envelope(body).action
    except msgspec.ValidationError:
        return
    assert isinstance(action, r.PlaceOrders)
    assert float(action.orders[0].p) == number


@pytest.mark.parametrize(
    "change",
    [
        {"nonce": -1},
        {"nonce": 2**64},
        {"nonce": "1"},
        {"signature": {"r": "0x1", "s": "0x1", "v": 29}},
        {"signature": {"r": "1", "s": "0x1", "v": 27}},
        {"vaultAddress": "0x12"},
        {"action": {"type": "unheardOf"}},
        {"action": {"type": "order", "orders": [ORDER | {"t": {}}], "grouping": "na"}},
        {"action": {"type": "order", "orders": [ORDER], "grouping": "both"}},
        {"action": {"type": "order", "orders": [ORDER | {"c": "0x1"}], "grouping": "na"}},
    ],
)
def test_malformed_requests_are_not_read(change: dict[str, Any]) -> None:
    good = json.loads(envelope(placing(ORDER), NONCE, {"r": "0x1", "s": "0x1", "v": 27}))
    decode_envelope(json.dumps(good).encode())
    with pytest.raises(msgspec.ValidationError):
        decode_envelope(json.dumps(good | change).encode())
