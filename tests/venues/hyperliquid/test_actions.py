from __future__ import annotations

import copy
import json
import logging
import pickle
import traceback
from collections.abc import Callable
from typing import Any

import pytest
from eth_account import Account
from hyperliquid import exchange as sdk
from hyperliquid.utils.signing import recover_agent_or_user_from_l1_action
from hyperliquid.utils.types import Cloid

from portfolio_mm.executor.reconcile import cloid
from portfolio_mm.rules import ticks
from portfolio_mm.types import Instrument, MarginTier, NewOrder, Orders, Universe
from portfolio_mm.venues.hyperliquid import actions
from portfolio_mm.venues.hyperliquid.signer import Signer

KEY = "0x" + "0123456789abcdef" * 4
NONCE = 1_790_232_236_546
EXPIRES = NONCE + 15_000
VAULT = "0x" + "ab" * 20
LOCAL = "http://127.0.0.1:9"
MAINNET = "https://api.hyperliquid.xyz"
DECIMALS = {"BTC": 5, "xyz:NVDA": 3, "xyz:PENNY": 0}
METAS = {
    "": {"universe": [{"name": "BTC", "szDecimals": 5, "maxLeverage": 40}]},
    "xyz": {
        "universe": [
            {"name": "xyz:NVDA", "szDecimals": 3, "maxLeverage": 20},
            {"name": "xyz:PENNY", "szDecimals": 0, "maxLeverage": 3},
        ]
    },
}
IDS = {"BTC": 0, "xyz:NVDA": 110_000, "xyz:PENNY": 110_001}
UNIVERSE = Universe(
    instruments=tuple(
        Instrument(
            name=name,
            asset_id=IDS[name],
            sz_decimals=decimals,
            tiers=(MarginTier(lower_bound=0.0, max_leverage=20.0),),
            leverage=3,
            isolated=False,
            pool=0,
            maker_fee=0.0,
            taker_fee=0.0,
            size_usd=100.0,
        )
        for name, decimals in DECIMALS.items()
    ),
    pools=("USDC",),
)

Client = Callable[..., sdk.Exchange]


@pytest.fixture
def posted(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Keep what the official client posts, at one and the same millisecond."""
    kept: list[Any] = []

    def post(_: object, path: str, payload: Any = None) -> Any:
        match payload:
            case {"type": "perpDexs"}:
                return [None, {"name": "xyz"}]
            case {"type": "meta", "dex": dex}:
                return METAS[dex]
            case _:
                assert path == "/exchange"
                kept.append(json.loads(json.dumps(payload)))
                return {"status": "ok"}

    monkeypatch.setattr(sdk.API, "post", post)
    monkeypatch.setattr(sdk, "get_timestamp_ms", lambda: NONCE)
    return kept


def client(url: str, vault: str | None, expires: int | None) -> sdk.Exchange:
    exchange = sdk.Exchange(
        Account.from_key(KEY),
        url,
        vault_address=vault,
        spot_meta={"tokens": [], "universe": []},
        perp_dexs=["", "xyz"],
    )
    exchange.set_expires_after(expires)
    return exchange


def order(asset: int, side: int, units: int, lots: int, level: int = 0) -> NewOrder:
    name = cloid("run", NONCE, asset, side, level)
    return NewOrder(cloid=name, asset=asset, side=side, level=level, units=units, lots=lots)


ORDERS = (
    order(0, 0, 841430, 36),
    order(1, 1, 217050, 1500),
    order(2, 0, 123, 40_000_000),
    order(2, 1, 999_990_000, 1, level=1),
)


def request(new: NewOrder, tif: str, *, reduce_only: bool) -> Any:
    decimals = UNIVERSE.instruments[new.asset].sz_decimals
    return {
        "coin": UNIVERSE.names[new.asset],
        "is_buy": new.side == 0,
        "sz": float(ticks.size_text(new.lots, decimals)),
        "limit_px": float(ticks.price_text(new.units, decimals)),
        "order_type": {"limit": {"tif": tif}},
        "reduce_only": reduce_only,
        "cloid": Cloid.from_str(new.cloid),
    }


OLD = "0x" + "5" * 32
CASES: dict[str, tuple[actions.Action, Callable[[sdk.Exchange], Any]]] = {
    "order": (
        actions.place(UNIVERSE, ORDERS),
        lambda c: c.bulk_orders([request(new, "Alo", reduce_only=False) for new in ORDERS]),
    ),
    "exit": (
        actions.exit_now(UNIVERSE, ORDERS[:2]),
        lambda c: c.bulk_orders([request(new, "Ioc", reduce_only=True) for new in ORDERS[:2]]),
    ),
    "batchModify": (
        actions.batch_modify(UNIVERSE, [(OLD, ORDERS[1])]),
        lambda c: c.bulk_modify_orders_new(
            [
                {
                    "oid": Cloid.from_str(OLD),
                    "order": request(ORDERS[1], "Alo", reduce_only=False),
                }
            ]
        ),
    ),
    "cancelByCloid": (
        actions.cancel_by_cloid(UNIVERSE, [OLD, ORDERS[1].cloid], {OLD: 0, ORDERS[1].cloid: 1}),
        lambda c: c.bulk_cancel_by_cloid(
            [
                {"coin": "BTC", "cloid": Cloid.from_str(OLD)},
                {"coin": "xyz:NVDA", "cloid": Cloid.from_str(ORDERS[1].cloid)},
            ]
        ),
    ),
    "cancel": (
        actions.cancel_by_oid(UNIVERSE, ["77738308"], {"77738308": 2}),
        lambda c: c.cancel("xyz:PENNY", 77738308),
    ),
    "scheduleCancel": (
        actions.schedule_cancel(EXPIRES),
        lambda c: c.schedule_cancel(EXPIRES),
    ),
    "no scheduleCancel": (actions.schedule_cancel(None), lambda c: c.schedule_cancel(None)),
    "updateLeverage": (
        actions.update_leverage(110_000, 7, cross=False),
        lambda c: c.update_leverage(7, "xyz:NVDA", is_cross=False),
    ),
    "updateIsolatedMargin": (
        actions.update_isolated_margin(110_000, -12.345678),
        lambda c: c.update_isolated_margin(-12.345678, "xyz:NVDA"),
    ),
    "noop": (actions.noop(), lambda c: c.noop(NONCE)),
}


@pytest.mark.parametrize("url", [LOCAL, MAINNET])
@pytest.mark.parametrize("vault", [None, VAULT])
@pytest.mark.parametrize("expires", [None, EXPIRES])
@pytest.mark.parametrize("case", CASES)
def test_what_is_posted_equals_what_the_official_client_posts(
    posted: list[Any], url: str, vault: str | None, expires: int | None, case: str
) -> None:
    action, call = CASES[case]
    call(client(url, vault, expires))
    signer = Signer(KEY, mainnet=url == MAINNET, vault=vault or "")
    ours = json.loads(signer.post(action, NONCE, expires))
    assert ours == posted[0]
    assert list(ours["action"]) == list(posted[0]["action"])  # the hash depends on the order
    if url == LOCAL:
        signed_by = recover_agent_or_user_from_l1_action(
            ours["action"], ours["signature"], vault, NONCE, expires, is_mainnet=False
        )
        assert signed_by.lower() == signer.address


def test_prices_and_sizes_are_the_engines_own_text() -> None:
    for new, wire in zip(ORDERS, actions.place(UNIVERSE, ORDERS)["orders"], strict=True):
        decimals = UNIVERSE.instruments[new.asset].sz_decimals
        assert wire["p"] == ticks.price_text(new.units, decimals)
        assert wire["s"] == ticks.size_text(new.lots, decimals)
        assert wire["c"] == new.cloid
        assert wire["t"] == {"limit": {"tif": "Alo"}}
        assert wire["r"] is False


def test_batches_are_pure_in_order_and_within_the_cap() -> None:
    many = tuple(order(1, 0, 217050, 1, level) for level in range(401))
    cancels = (*(new.cloid for new in many[:201]), "77738308")
    orders = Orders(
        time_ns=0,
        cancels=cancels,
        modifies=tuple((new.cloid, new) for new in many[:3]),
        places=many,
        exits=ORDERS[:1],
    )
    batches = actions.batches(orders, UNIVERSE, dict.fromkeys(cancels, 1))
    shapes = [(batch.kind, batch.action["type"], len(batch.cloids)) for batch in batches]
    assert shapes == [
        ("cancel", "cancelByCloid", 200),
        ("cancel", "cancelByCloid", 1),
        ("cancel", "cancel", 1),
        ("modify", "batchModify", 3),
        ("place", "order", 200),
        ("place", "order", 200),
        ("place", "order", 1),
        ("exit", "order", 1),
    ]
    assert [batch.weight for batch in batches] == [6, 1, 1, 1, 6, 6, 1, 1]
    for batch in batches:
        for kept in ("orders", "cancels", "modifies"):
            assert len(batch.action.get(kept, batch.cloids)) == len(batch.cloids)
    placed = [name for batch in batches if batch.kind == "place" for name in batch.cloids]
    assert placed == [new.cloid for new in many]
    sent = [wire for batch in batches if batch.kind == "place" for wire in batch.action["orders"]]
    assert {wire["t"]["limit"]["tif"] for wire in sent} == {"Alo"}
    assert actions.batches(Orders(time_ns=0), UNIVERSE, {}) == ()


def test_the_secret_shows_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    secret = KEY.removeprefix("0x")
    with caplog.at_level(logging.DEBUG):
        signer = Signer(KEY, mainnet=False, vault=VAULT.upper().replace("X", "x"))
        body = signer.post(actions.noop(), NONCE)
    assert signer.vault == VAULT
    assert signer.address == Account.from_key(KEY).address.lower()
    shown = [repr(signer), str(signer), f"{signer}", body.decode(), caplog.text]
    assert all(secret not in text.lower() for text in shown)
    assert not hasattr(signer, "__dict__")
    for leak in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="stays in its process") as caught:
            leak(signer)
        assert secret not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("bad", [KEY[:-1], KEY + "00", "0x" + "zz" * 32, "", "0x" + "00" * 32])
def test_a_bad_key_is_refused_without_repeating_it(bad: str) -> None:
    with pytest.raises(ValueError, match="not a private key") as caught:
        Signer(bad, mainnet=False)
    text = "".join(traceback.format_exception(caught.value))
    assert not bad or bad not in text
    assert caught.value.__suppress_context__


def test_keys_are_read_as_text_or_bytes() -> None:
    address = Signer(KEY, mainnet=False).address
    assert Signer(f" {KEY}\n", mainnet=False).address == address
    assert Signer(KEY.removeprefix("0x"), mainnet=False).address == address
    assert Signer(bytes.fromhex(KEY.removeprefix("0x")), mainnet=False).address == address
