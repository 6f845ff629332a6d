from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from portfolio_mm.venues.hyperliquid import frames, parse, replies
from portfolio_mm.venues.hyperliquid.wire_account import OrderReport

DATA = Path(__file__).parents[4] / "shared" / "data" / "hyperliquid"
recorded = pytest.mark.skipif(not DATA.exists(), reason="recorded payloads are not here")

Parse = Callable[[bytes], Any]

ANSWERS: dict[str, Parse] = {
    "meta": parse.META,
    "allPerpMetas": parse.ALL_PERP_METAS,
    "perpDexs": parse.PERP_DEXS,
    "spotMeta": parse.SPOT_META,
    "metaAndAssetCtxs": parse.META_AND_CONTEXTS,
    "l2Book": parse.BOOK,
    "allMids": parse.ALL_MIDS,
    "clearinghouseState": parse.CLEARINGHOUSE_STATE,
    "spotClearinghouseState": parse.SPOT_STATE,
    "openOrders": parse.OPEN_ORDERS,
    "frontendOpenOrders": parse.OPEN_ORDERS,
    "orderStatus": parse.ORDER_STATUS,
    "userFills": parse.USER_FILLS,
    "userFunding": parse.USER_FUNDING,
    "userRateLimit": parse.RATE_LIMIT,
    "userFees": parse.USER_FEES,
    "userRole": parse.USER_ROLE,
    "extraAgents": parse.EXTRA_AGENTS,
}

NOT_ASKED = {
    "delegatorHistory",
    "candleSnapshot",
    "fundingHistory",
    "portfolio",
    "userNonFundingLedgerUpdates",
    "userTwapSliceFills",
    "userVaultEquities",
}
"""Questions whose recorded answers the engine has no use for."""

DOCUMENTED = {
    "Retrieve mids for all coins": "allMids",
    "Retrieve a user's open orders": "openOrders",
    "Retrieve a user's open orders with additional frontend info": "frontendOpenOrders",
    "Retrieve a user's fills": "userFills",
    "Retrieve a user's fills by time": "userFills",
    "Query user rate limits": "userRateLimit",
    "Query order status by oid or cloid": "orderStatus",
    "L2 book snapshot": "l2Book",
    "Query a user's role": "userRole",
    "Query a user's fees": "userFees",
    "Retrieve all perpetual dexs": "perpDexs",
    "Retrieve perpetuals metadata (universe and margin tables)": "meta",
    "Retrieve perpetuals asset contexts (includes mark price, current funding, open interest, etc.)": "metaAndAssetCtxs",
    "Retrieve user's perpetuals account summary": "clearinghouseState",
    "Retrieve a user's funding history or non-funding ledger updates": "userFunding",
    "Retrieve a user's token balances": "spotClearinghouseState",
}

FILES: dict[str, str] = {
    "hip3_2026-09-24/clearinghouseState_dex_xyz_isolated_short.json": "clearinghouseState",
    "hip3_2026-09-24/meta_dex_cash.json": "meta",
    "hip3_2026-09-24/meta_dex_xyz.json": "meta",
    "hip3_2026-09-24/perpDexs.json": "perpDexs",
    "nautilus/http_all_perp_metas_non_usdc_collateral.json": "allPerpMetas",
    "nautilus/http_l2_book_btc.json": "l2Book",
    "nautilus/http_spot_meta_non_usdc_collateral.json": "spotMeta",
    "nautilus/http_user_fills_dust_conversion.json": "userFills",
    "jkorf/Endpoints__Futures__Account__GetAccountInfo.txt": "clearinghouseState",
    "jkorf/Endpoints__Futures__ExchangeData__GetExchangeInfoAndTickers.txt": "metaAndAssetCtxs",
    "jkorf/Endpoints__Spot__Trading__GetOpenOrdersExtended.txt": "frontendOpenOrders",
    "jkorf/Endpoints__Futures__Trading__SetLeverage.txt": "exchange",
    "jkorf/Endpoints__Spot__Trading__PlaceOrder.txt": "exchange",
}

REFERENCE = {"docs/passivbot_ccxt_hip3_markets.json", "ws/ws_fastAssetCtxs_decoded_excerpt.json"}
"""Not messages of a channel the engine listens to."""


def body(path: Path) -> bytes:
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".txt":
        text = "\n".join(text.splitlines()[3:])  # method, path and whether it is signed
    return text.encode()


@recorded
@pytest.mark.parametrize("name", FILES)
def test_recorded_answers_parse(name: str) -> None:
    kind = FILES[name]
    parser = replies.EXCHANGE if kind == "exchange" else ANSWERS[kind]
    assert parser(body(DATA / name)) is not None


@recorded
def test_recorded_questions_and_answers_parse() -> None:
    asked = set()
    for path in sorted((DATA / "sdk_cassettes").glob("*.json")):
        for exchange in json.loads(path.read_bytes()):
            kind = exchange["request"]["type"]
            asked.add(kind)
            if kind not in NOT_ASKED:
                assert ANSWERS[kind](json.dumps(exchange["response"]).encode()) is not None
    assert {"meta", "l2Book", "userFills", "openOrders", "userFunding", "userRateLimit"} <= asked


@recorded
def test_documented_examples_parse() -> None:
    pages = json.loads((DATA / "docs" / "docs_examples_2026-08-22.json").read_bytes())
    seen = set()
    for page in pages:
        text = json.dumps(page["example"]).replace('" -', '"-').encode()  # a blank of the page's
        if page["page"].endswith("exchange-endpoint.md"):
            assert replies.EXCHANGE(text).refusal == ""
        elif page["section"] in DOCUMENTED:
            seen.add(page["section"])
            assert ANSWERS[DOCUMENTED[page["section"]]](text) is not None
        elif isinstance(page["example"], dict) and "channel" in page["example"]:
            assert not isinstance(frames.frame(text), frames.OtherFrame)
    assert seen == set(DOCUMENTED)


def frames_recorded() -> Iterator[bytes]:
    for line in (DATA / "ws" / "ws_frames_probe_2026-09-24.jsonl").read_bytes().splitlines():
        row = json.loads(line)
        if row["dir"] == "in":
            yield json.dumps(row["frame"]).encode()
    for row in json.loads((DATA / "hip3_2026-09-24" / "ws_activeAssetCtx_BTC.json").read_bytes()):
        yield json.dumps(row).encode()
    yield (DATA / "nautilus" / "ws_all_dexs_asset_ctxs.json").read_bytes()
    for path in sorted((DATA / "jkorf").glob("Subscriptions__*.txt")):
        for part in path.read_text().replace("\n<", "\n=").split("\n=")[1:]:
            yield part.partition("\n>")[0].lstrip("12 ").strip().encode()


@recorded
def test_recorded_frames_parse() -> None:
    kinds = [type(frames.frame(text)) for text in frames_recorded()]
    assert kinds.count(frames.ContextFrame) == 6
    other = [kind for kind in kinds if kind is frames.OtherFrame]
    assert len(other) == 3  # candles
    assert {
        frames.BookFrame,
        frames.BestFrame,
        frames.TradesFrame,
        frames.MidsFrame,
        frames.AllContextsFrame,
        frames.PongFrame,
        frames.PostFrame,
        frames.ErrorFrame,
        frames.SubscribedFrame,
    } <= set(kinds)


@recorded
def test_every_recorded_file_is_accounted_for() -> None:
    elsewhere = {"exchange", "sdk_cassettes", "recorded_l2_2025-09-03"}
    for path in DATA.rglob("*"):
        name = path.relative_to(DATA).as_posix()
        if path.is_dir() or path.suffix == ".md" or name.split("/")[0] in elsewhere:
            continue
        framed = name.startswith(("jkorf/Subscriptions", "ws/ws_frames")) or "/ws_a" in name
        sub_accounts = name.endswith("GetSubAccounts2.txt")  # its spot state, below
        documents = name == "docs/docs_examples_2026-08-22.json"
        assert framed or sub_accounts or documents or name in FILES or name in REFERENCE, name


@recorded
def test_recorded_refusals_and_fills_of_orders() -> None:
    path = DATA / "exchange" / "exchange_responses_testnet_2026-10-06.json"
    cases = {case["case"]: case["response"] for case in json.loads(path.read_bytes())}
    said = {}
    for case, response in cases.items():
        if "order" in response and "status" in response:
            msgspec.json.decode(json.dumps(response), type=OrderReport)
        elif "coin" in response:
            assert parse.OPEN_ORDERS(json.dumps([response]))[0].cloid is None
        else:
            reply = replies.EXCHANGE(json.dumps(response))
            size = len(response["response"]["data"]["statuses"]) if not reply.refusal else 201
            said[case] = replies.outcomes(reply, size)
    shrunk = said["reduce-only IOC larger than the position is shrunk"][0]
    assert shrunk == replies.Outcome("filled", oid=62014444172, size=0.02, price=2686.6)
    live, gone, made_up = said["batch cancel: live oid, filled oid, made-up oid"]
    assert live.status == "canceled"
    assert gone == made_up
    assert gone.reason.startswith("Order was never placed, already canceled, or filled.")
    too_many = said["201 cancels in one action (200 is accepted)"]
    assert set(too_many) == {replies.Outcome("rejected", "Signed action over weight limit of 200.")}
    assert len(too_many) == 201
