"""The server's answers have the keys and types of the recorded ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sim.server.gateway import Gateway
from tests.sim.server.conftest import USER, Client, placing, run, settings, wire
from tests.sim.server.shapes import differences

DATA = Path(__file__).parents[4] / "shared/data/hyperliquid"

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="recorded data are not here")

HOOD = 110004


class Lived:
    """A venue where everything has happened once, and what a websocket saw of it."""

    def __init__(self) -> None:
        start = datetime(2026, 1, 5, 14, 59, 40, tzinfo=UTC)
        self.gateway = Gateway(settings(start=start))
        self.client = Client(self.gateway)
        self.frames: list[Any] = []
        self.session = self.gateway.open("ws", self._take, lambda: None)
        assert self.session is not None
        for kind in ("userEvents", "userFills", "orderUpdates", "userFundings", "webData2"):
            self.subscribe(type=kind, user=USER)
        for kind in ("bbo", "trades", "activeAssetCtx"):
            self.subscribe(type=kind, coin="ETH")
        self.subscribe(type="l2Book", coin="ETH", fast=True)
        self.subscribe(type="l2Book", coin="ETH", fast=True)
        self.subscribe(type="candle", coin="ETH", interval="1m")
        self.subscribe(type="allDexsAssetCtxs")
        cloid = "0x" + "ab" * 16
        self.statuses = self.client.order(
            wire(1, px="2500", sz="0.05", tif="Ioc", c=cloid),
            wire(HOOD, buy=False, px="60", sz="3", tif="Ioc"),
            wire(1, px="1100", sz="0.2", c="0x" + "cd" * 16),
            wire(1, buy=False, px="2900", sz="0.05", reduce=True),
            wire(1, px="2500", sz="0.05", tif="Alo"),
            wire(1, px="1100", sz="0.001"),
            wire(1, px="1200", sz="1", tif="Ioc"),
        )
        self.client.act(placing(stop()))
        oid = self.statuses[2]["resting"]["oid"]
        cancels = [{"a": 1, "o": oid}, {"a": 1, "o": oid}]
        self.cancelled = self.client.act({"type": "cancel", "cancels": cancels})
        self.client.order(wire(1, px="1100", sz="0.3"))
        self.refused = self.client.act({"type": "cancel", "cancels": cancels * 101})
        self.client.act({"type": "createSubAccount", "name": "one"})
        run(self.gateway, 40.0)
        self.session.receive('{"method":"ping"}')
        text = '{"method":"post","id":7,"request":{"type":"info","payload":{"type":"l2Book","coin":"?"}}}'
        self.session.receive(text)
        self.session.receive('{"method":"subscribe","subscription":{"type":"bbo","coin":["A"]}}')

    def subscribe(self, **subscription: Any) -> None:
        assert self.session is not None
        self.session.receive(json.dumps({"method": "subscribe", "subscription": subscription}))

    def ask(self, kind: str, **query: Any) -> Any:
        return self.client.ask(type=kind, **query)

    def about(self, kind: str, **query: Any) -> Any:
        return self.client.about(kind, **query)

    def channel(self, name: str) -> list[Any]:
        return [frame for frame in self.frames if frame["channel"] == name]

    def _take(self, text: str) -> None:
        self.frames.append(json.loads(text))


def stop() -> dict[str, Any]:
    terms = {"isMarket": True, "triggerPx": "1500", "tpsl": "sl"}
    order = wire(1, buy=False, px="1400", sz="0.05", reduce=True)
    return order | {"t": {"trigger": terms}}


@pytest.fixture(scope="module")
def lived() -> Lived:
    return Lived()


def load(name: str) -> Any:
    return json.loads((DATA / name).read_text())


def cassette(name: str) -> Any:
    return load(f"sdk_cassettes/{name}.json")[-1]["response"]


def document(section: str, tab: str = "200: OK") -> Any:
    pages = load("docs/docs_examples_2026-08-22.json")
    return next(p["example"] for p in pages if p["section"] == section and p["tab"] == tab)


def probe(channel: str) -> list[Any]:
    lines = (DATA / "ws/ws_frames_probe_2026-09-24.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    return [
        row["frame"] for row in rows if row["dir"] == "in" and row["frame"]["channel"] == channel
    ]


LATER_FILLS = ("tid", "feeToken", "twapId", "cloid", "liquidation")
LATER_ORDERS = ("origSz", "cloid", "reduceOnly")

Pair = tuple[list[Any], list[Any], tuple[str, ...]]

CASES: dict[str, Callable[[Lived], Pair]] = {
    "clearinghouseState": lambda x: (
        [x.about("clearinghouseState", dex="xyz")],
        [load("hip3_2026-09-24/clearinghouseState_dex_xyz_isolated_short.json")],
        (),
    ),
    "clearinghouseState cross": lambda x: (
        [x.about("clearinghouseState")],
        [document("Retrieve user's perpetuals account summary", "200: OK Successful Response")],
        ("liquidationPx", "rawUsd"),
    ),
    "meta": lambda x: (
        [x.ask("meta", dex="xyz")],
        [load("hip3_2026-09-24/meta_dex_xyz.json"), load("hip3_2026-09-24/meta_dex_cash.json")],
        (),
    ),
    "perpDexs": lambda x: (
        [x.ask("perpDexs")],
        [load("hip3_2026-09-24/perpDexs.json")],
        (),
    ),
    "allPerpMetas": lambda x: (
        [x.ask("allPerpMetas")],
        [load("nautilus/http_all_perp_metas_non_usdc_collateral.json")],
        (
            *("marginTableId", "isDelisted", "onlyIsolated", "marginMode"),
            *("lastFeeScaleChangeTime", "deployerFeeScale"),
        ),
    ),
    "metaAndAssetCtxs": lambda x: (
        [x.ask("metaAndAssetCtxs")[1]],
        [[row["ctx"] for row in contexts()]],
        ("premium", "midPx", "impactPxs"),
    ),
    "spotMeta": lambda x: (
        [x.ask("spotMeta")["tokens"]],
        [load("nautilus/http_spot_meta_non_usdc_collateral.json")["tokens"]],
        ("evmContract", "fullName", "deployerTradingFeeShare"),
    ),
    "spotClearinghouseState": lambda x: (
        [x.about("spotClearinghouseState")],
        [document("Retrieve a user's token balances", "200: OK Successful Response")],
        (),
    ),
    "l2Book": lambda x: ([x.ask("l2Book", coin="ETH")], [document("L2 book snapshot")], ()),
    "candleSnapshot": lambda x: (
        [x.ask("candleSnapshot", req={"coin": "ETH", "interval": "1m", "startTime": 0})],
        [cassette("get_candles_snapshot")],
        (),
    ),
    "openOrders": lambda x: (
        [x.about("openOrders")],
        [cassette("get_open_orders")],
        LATER_ORDERS,
    ),
    "frontendOpenOrders": lambda x: (
        [x.about("frontendOpenOrders")],
        [cassette("get_frontend_open_orders"), open_order()],
        (*LATER_ORDERS, "tif"),
    ),
    "userFills": lambda x: (
        [x.about("userFills")],
        [load("nautilus/http_user_fills_dust_conversion.json")],
        ("cloid", "liquidation"),
    ),
    "userFills 2023": lambda x: (
        [x.about("userFills")],
        [cassette("get_user_fills")],
        LATER_FILLS,
    ),
    "userFunding": lambda x: (
        [x.about("userFunding", startTime=0)],
        [cassette("user_funding_history_without_end_time")],
        (),
    ),
    "fundingHistory": lambda x: (
        [x.ask("fundingHistory", coin="ETH", startTime=0)],
        [cassette("get_funding_history_None")],
        (),
    ),
    "userNonFundingLedgerUpdates": lambda x: (
        [x.about("userNonFundingLedgerUpdates", startTime=0)],
        [cassette("user_non_funding_ledger_updates_without_end_time")],
        (),
    ),
    "userRateLimit": lambda x: (
        [x.about("userRateLimit")],
        [document("Query user rate limits", "200: OK A successful response")],
        (),
    ),
    "userFees": lambda x: (
        [x.about("userFees")],
        [document("Query a user's fees")],
        ("feeTrialEscrow", "feeTrialReward", "stakingLink"),
    ),
    "portfolio": lambda x: ([x.about("portfolio")], [cassette("portfolio")], ()),
    "referral": lambda x: (
        [x.about("referral")],
        [document("Query a user's referral information")],
        ("referredBy", "referrerState"),
    ),
    "subAccounts": lambda x: (
        [x.about("subAccounts")],
        [document("Retrieve a user's subaccounts")],
        (),
    ),
    "delegatorSummary": lambda x: (
        [x.about("delegatorSummary")],
        [document("Query a user's staking summary")],
        (),
    ),
    "activeAssetData": lambda x: (
        [x.about("activeAssetData", coin="ETH"), x.about("activeAssetData", coin="xyz:HOOD")],
        [
            document("Retrieve User's Active Asset Data", "200: OK (first perp dex)"),
            document("Retrieve User's Active Asset Data", "200: OK (HIP-3 dex)"),
        ],
        (),
    ),
    "perpDexLimits": lambda x: (
        [x.ask("perpDexLimits", dex="xyz")],
        [document("Retrieve Builder-Deployed Perp Market Limits")],
        (),
    ),
    "perpDexStatus": lambda x: (
        [x.ask("perpDexStatus", dex="xyz")],
        [document("Get Perp Market Status")],
        (),
    ),
    "predictedFundings": lambda x: (
        [x.ask("predictedFundings")],
        [
            document(
                "Retrieve predicted funding rates for different venues",
                "200: OK Successful Response",
            ),
            [["BTC", [["BinPerp", None]]]],
        ],
        (),
    ),
    "order statuses": lambda x: (
        [x.statuses],
        [
            [
                s
                for case in load("exchange/exchange_responses_testnet_2026-10-06.json")
                for s in statuses(case)
            ]
            + [{"resting": {"oid": 77738308}}]
        ],
        ("cloid",),
    ),
    "cancel": lambda x: ([x.cancelled], [recorded_cancel()], ()),
    "whole refusal": lambda x: (
        [x.refused],
        [{"status": "err", "response": "Signed action over weight limit of 200."}],
        (),
    ),
    "ws l2Book": lambda x: (x.channel("l2Book"), probe("l2Book"), ()),
    "ws bbo": lambda x: (x.channel("bbo"), probe("bbo"), ()),
    "ws trades": lambda x: (x.channel("trades"), probe("trades"), ()),
    "ws candle": lambda x: (x.channel("candle"), probe("candle"), ()),
    "ws activeAssetCtx": lambda x: (
        x.channel("activeAssetCtx"),
        probe("activeAssetCtx") + load("hip3_2026-09-24/ws_activeAssetCtx_BTC.json"),
        ("impactPxs",),
    ),
    "ws allDexsAssetCtxs": lambda x: (
        x.channel("allDexsAssetCtxs"),
        [load("nautilus/ws_all_dexs_asset_ctxs.json")],
        (),
    ),
    "ws acks": lambda x: (
        [f for f in x.channel("subscriptionResponse") if "l2Book" in str(f)],
        probe("subscriptionResponse"),
        (),
    ),
    "ws pong": lambda x: (x.channel("pong"), probe("pong"), ()),
    "ws error": lambda x: (x.channel("error"), probe("error"), ()),
    "ws post": lambda x: (x.channel("post"), probe("post"), ()),
    "ws orderUpdates": lambda x: (
        [f["data"] for f in x.channel("orderUpdates")],
        [recorded_updates()],
        ("timestamp", "cloid", "reduceOnly"),
    ),
}


def contexts() -> list[Any]:
    recorded = load("nautilus/ws_all_dexs_asset_ctxs.json")["data"]["ctxs"]
    return [{"ctx": row} for _, rows in recorded for row in rows]


def open_order() -> Any:
    text = (DATA / "jkorf/Endpoints__Spot__Trading__GetOpenOrdersExtended.txt").read_text()
    return json.loads(text.split("\n", 3)[3])


def statuses(case: Any) -> list[Any]:
    reply = case["response"]
    if reply.get("status") != "ok" or reply["response"]["type"] != "order":
        return []
    return list(reply["response"]["data"]["statuses"])


def recorded_cancel() -> Any:
    cases = load("exchange/exchange_responses_testnet_2026-10-06.json")
    return next(c["response"] for c in cases if c["case"].startswith("batch cancel"))


def recorded_updates() -> list[Any]:
    cases = load("exchange/exchange_responses_testnet_2026-10-06.json")
    return [c["response"] for c in cases if c["case"].startswith("orderUpdates")]


@pytest.mark.parametrize("name", CASES)
def test_answers_have_the_recorded_keys_and_types(lived: Lived, name: str) -> None:
    ours, recorded, optional = CASES[name](lived)
    assert ours
    assert recorded
    assert list(differences(ours, recorded, frozenset(optional))) == []


def test_the_texts_are_the_recorded_ones(lived: Lived) -> None:
    said = [s.get("error", "").partition(" asset=")[0] for s in lived.statuses]
    assert "Order must have minimum value of $10." in said
    assert "Order could not immediately match against any resting orders." in said
    assert any(s.startswith("Post only order would have immediately matched") for s in said)
    assert lived.refused == {
        "status": "err",
        "response": "Signed action over weight limit of 200.",
    }
    gone = "Order was never placed, already canceled, or filled. asset=1"
    assert lived.cancelled["response"]["data"]["statuses"] == ["success", {"error": gone}]
    errors = [frame["data"] for frame in lived.channel("error")]
    assert errors[0] == (
        'Already subscribed: {"type":"l2Book","coin":"ETH",'
        '"nSigFigs":null,"mantissa":null,"fast":true}'
    )
    assert errors[1].startswith("Error parsing JSON into valid websocket request: {")


def test_a_refused_batch_and_recorded_errors_match(lived: Lived) -> None:
    assert lived.channel("post")[0]["data"] == {
        "id": 7,
        "response": {"type": "info", "payload": {"type": "l2Book", "data": None}},
    }
