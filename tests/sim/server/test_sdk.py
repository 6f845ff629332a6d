"""The official SDK, unmodified, against the server on real sockets."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator
from typing import Any

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount
from hyperliquid.exchange import Exchange
from hyperliquid.info import Info
from hyperliquid.utils.types import Cloid

from tests.sim.server.conftest import settings
from tests.sim.server.live import PATIENCE_S, served

DEXS = ["", "xyz", "para", "test"]
KEYS = iter(range(1, 10_000))
DEFAULT = {"status": "ok", "response": {"type": "default"}}


@pytest.fixture
def url() -> Iterator[str]:
    with served(settings(), faucet_usd=1e6) as address:
        yield address


@pytest.fixture
def wallet() -> LocalAccount:
    account: LocalAccount = Account.from_key(f"0x{next(KEYS):064x}")
    return account


@pytest.fixture
def exchange(url: str, wallet: LocalAccount) -> Iterator[Exchange]:
    client = Exchange(wallet, url, perp_dexs=DEXS, timeout=PATIENCE_S)
    yield client
    client.session.close()
    client.info.session.close()


@pytest.fixture
def info(exchange: Exchange) -> Info:
    return exchange.info


def status(reply: Any) -> Any:
    assert reply["status"] == "ok", reply
    (only,) = reply["response"]["data"]["statuses"]
    return only


def test_names_and_numbers(info: Info) -> None:
    assert info.name_to_asset("BTC") == 0
    assert info.name_to_asset("xyz:TSLA") == 110_001
    assert info.name_to_asset("para:AVGO") == 120_000
    assert info.name_to_asset("test:ABC") == 130_000
    assert info.asset_to_sz_decimals[110_001] == 3


def test_resting_orders(exchange: Exchange, info: Info, wallet: LocalAccount) -> None:
    oid = status(exchange.order("ETH", True, 0.2, 1100, {"limit": {"tif": "Gtc"}}))["resting"][
        "oid"
    ]
    assert info.query_order_by_oid(wallet.address, oid)["order"]["status"] == "open"
    assert [order["oid"] for order in info.open_orders(wallet.address)] == [oid]
    assert info.frontend_open_orders(wallet.address)[0]["tif"] == "Gtc"
    assert status(exchange.cancel("ETH", oid)) == "success"
    assert "never placed" in status(exchange.cancel("ETH", oid))["error"]
    assert info.historical_orders(wallet.address)[0]["status"] == "canceled"


def test_client_order_ids(exchange: Exchange, info: Info, wallet: LocalAccount) -> None:
    cloid = Cloid.from_int(next(KEYS))
    reply = exchange.order("ETH", True, 0.2, 1100, {"limit": {"tif": "Alo"}}, cloid=cloid)
    assert status(reply)["resting"]["cloid"] == cloid.to_raw()
    found = info.query_order_by_cloid(wallet.address, cloid)
    assert found["order"]["order"]["cloid"] == cloid.to_raw()
    reply = exchange.modify_order(
        cloid, "ETH", True, 0.1, 1105, {"limit": {"tif": "Alo"}}, cloid=cloid
    )
    assert "resting" in status(reply)
    assert status(exchange.cancel_by_cloid("ETH", cloid)) == "success"
    unknown = info.query_order_by_cloid(wallet.address, Cloid.from_int(2**100))
    assert unknown == {"status": "unknownOid"}


def test_deployed_dexs(exchange: Exchange, info: Info, wallet: LocalAccount) -> None:
    for coin, size, price in (("test:ABC", 20, 1), ("xyz:TSLA", 1, 300), ("para:AVGO", 1, 300)):
        oid = status(exchange.order(coin, True, size, price, {"limit": {"tif": "Gtc"}}))
        dex = coin.partition(":")[0]
        (order,) = info.open_orders(wallet.address, dex)
        assert order["coin"] == coin
        assert status(exchange.cancel(coin, oid["resting"]["oid"])) == "success"


def test_batches(exchange: Exchange, info: Info, wallet: LocalAccount) -> None:
    orders = [
        {
            "coin": coin,
            "is_buy": True,
            "sz": 1.0,
            "limit_px": price,
            "order_type": {"limit": {"tif": "Alo"}},
            "reduce_only": False,
            "cloid": Cloid.from_int(next(KEYS)),
        }
        for coin, price in (("ETH", 1100.0), ("xyz:TSLA", 300.0))
    ]
    placed = exchange.bulk_orders(orders)["response"]["data"]["statuses"]
    modified = exchange.bulk_modify_orders_new(
        [
            {"oid": placed[i]["resting"]["oid"], "order": order | {"sz": 2.0}}
            for i, order in enumerate(orders)
        ]
    )["response"]["data"]["statuses"]
    assert all("resting" in row for row in modified)
    assert info.open_orders(wallet.address, "xyz")[0]["sz"] == "2.0"
    cancels = [{"coin": order["coin"], "cloid": order["cloid"]} for order in orders]
    reply = exchange.bulk_cancel_by_cloid(cancels)
    assert reply["response"]["data"]["statuses"] == ["success"] * 2
    assert exchange.bulk_cancel([])["status"] == "err"


def test_market_orders(exchange: Exchange, info: Info, wallet: LocalAccount) -> None:
    assert status(exchange.market_open("ETH", False, 0.05))["filled"]["totalSz"] == "0.05"
    (row,) = info.user_state(wallet.address)["assetPositions"]
    assert row["position"]["szi"] == "-0.05"
    assert status(exchange.market_close("ETH"))["filled"]["totalSz"] == "0.05"
    assert info.user_state(wallet.address)["assetPositions"] == []
    assert [fill["side"] for fill in info.user_fills(wallet.address)] == ["B", "A"]
    now = round(time.time() * 1e3)
    by_time = info.user_fills_by_time(wallet.address, now - 60_000, now + 60_000)
    assert [fill["side"] for fill in by_time] == ["A", "B"]


def test_stops(exchange: Exchange) -> None:
    exchange.market_open("ETH", True, 0.05)
    terms = {"trigger": {"triggerPx": 1500, "isMarket": True, "tpsl": "sl"}}
    oid = status(exchange.order("ETH", False, 0.05, 1400, terms, reduce_only=True))
    assert status(exchange.cancel("ETH", oid["resting"]["oid"])) == "success"


def test_agents(exchange: Exchange, url: str, info: Info, wallet: LocalAccount) -> None:
    info.user_state(wallet.address)
    for name in (None, "persist"):
        reply, key = exchange.approve_agent(name)
        assert reply == DEFAULT
        agent = Exchange(
            Account.from_key(key), url, account_address=wallet.address, timeout=PATIENCE_S
        )
        try:
            placed = agent.order("ETH", True, 0.2, 1000, {"limit": {"tif": "Gtc"}})
            oid = status(placed)["resting"]["oid"]
            assert oid in [order["oid"] for order in info.open_orders(wallet.address)]
            assert status(agent.cancel("ETH", oid)) == "success"
            assert agent.usd_transfer(1, wallet.address)["status"] == "err"
        finally:
            agent.session.close()
            agent.info.session.close()
    assert [agent["name"] for agent in info.extra_agents(wallet.address)] == ["persist"]


def test_sub_accounts(exchange: Exchange, url: str, info: Info, wallet: LocalAccount) -> None:
    assert info.query_sub_accounts(wallet.address) is None
    assert exchange.create_sub_account("one")["status"] == "ok"
    (sub,) = info.query_sub_accounts(wallet.address)
    address = sub["subAccountUser"]
    assert exchange.sub_account_transfer(address, True, 1_000_000_000) == DEFAULT
    assert exchange.sub_account_spot_transfer(address, True, "USDC:0x0", 5.0) == DEFAULT
    acting = Exchange(wallet, url, vault_address=address, timeout=PATIENCE_S)
    try:
        placed = acting.order("ETH", True, 0.2, 1000, {"limit": {"tif": "Gtc"}})
        assert "resting" in status(placed)
        assert len(info.open_orders(address)) == 1
        assert acting.usd_class_transfer(1.0, True) == DEFAULT
    finally:
        acting.session.close()
        acting.info.session.close()


def test_the_account(exchange: Exchange, info: Info, wallet: LocalAccount) -> None:
    me, other = wallet.address, "0x" + "ab" * 20
    assert exchange.update_leverage(21, "ETH") == DEFAULT
    assert exchange.update_leverage(5, "ETH", False) == DEFAULT
    exchange.market_open("ETH", True, 0.05)
    assert exchange.update_isolated_margin(1, "ETH") == DEFAULT
    assert exchange.usd_class_transfer(10, True) == DEFAULT
    assert exchange.send_asset(me, "spot", "xyz", "USDC", 10.0) == DEFAULT
    assert exchange.usd_transfer(5, other) == DEFAULT
    assert exchange.spot_transfer(5, other, "USDC:0x0") == DEFAULT
    assert exchange.approve_builder_fee(other, "0.001%") == DEFAULT
    assert exchange.set_referrer("CODE") == DEFAULT
    assert info.query_referral_state(me)["referredBy"]["code"] == "CODE"
    assert exchange.noop(round(time.time() * 1e3)) == DEFAULT
    assert "enough volume" in exchange.schedule_cancel(round(time.time() * 1e3) + 9000)["response"]
    assert exchange.withdraw_from_bridge(5, me)["status"] == "err"
    assert exchange.vault_usd_transfer(other, True, 5)["status"] == "err"
    assert exchange.agent_set_abstraction("u") == DEFAULT
    assert info.query_user_abstraction_state(me) == "unifiedAccount"
    assert exchange.user_set_abstraction(me, "disabled")["status"] == "err"
    exchange.set_expires_after(1)
    assert exchange.schedule_cancel(None)["response"] == "Action already expired"


def test_what_a_maker_asks(info: Info, wallet: LocalAccount) -> None:
    me = wallet.address
    assert info.spot_user_state(me)["balances"][0]["coin"] == "USDC"
    assert set(info.all_mids("xyz")) == {"xyz:TSLA", "xyz:HOOD"}
    assert info.meta("para")["universe"][0]["name"] == "para:AVGO"
    meta, contexts = info.meta_and_asset_ctxs()
    assert len(meta["universe"]) == len(contexts)
    assert [dex and dex["name"] for dex in info.perp_dexs()] == [None, "xyz", "para", "test"]
    assert len(info.spot_meta_and_asset_ctxs()) == 2
    assert info.l2_snapshot("xyz:TSLA")["coin"] == "xyz:TSLA"
    now = round(time.time() * 1e3)
    assert isinstance(info.candles_snapshot("BTC", "1m", now - 10**7, now), list)
    assert info.funding_history("BTC", now - 10**7) == []
    assert info.user_funding_history(me, 0, now) == []
    assert len(info.user_non_funding_ledger_updates(me, 0, now + 10**6)) == 5
    assert info.user_fees(me)["userAddRate"] == "0.00015"
    assert info.user_rate_limit(me)["nRequestsCap"] == 10_000
    assert info.user_role(me) == {"role": "user"}
    assert info.portfolio(me)[0][0] == "day"
    assert info.user_staking_summary(me)["delegated"] == "0.0"
    for ask in (
        info.user_staking_delegations,
        info.user_staking_rewards,
        info.delegator_history,
        info.user_twap_slice_fills,
        info.user_vault_equities,
    ):
        assert ask(me) == []
    assert info.query_user_to_multi_sig_signers(me) is None
    assert info.query_user_dex_abstraction_state(me) is None
    assert "gasAuction" in info.query_spot_deploy_auction_status(me)
    assert "startGas" in info.query_perp_deploy_auction_status()


def test_every_subscription_of_the_sdk(url: str, wallet: LocalAccount) -> None:
    me = wallet.address
    info = Info(url, perp_dexs=DEXS, timeout=PATIENCE_S)
    exchange = Exchange(wallet, url, timeout=PATIENCE_S)
    came: queue.Queue[str] = queue.Queue()
    wanted: set[str] = set()

    def listen(channel: str, **subscription: Any) -> None:
        wanted.add(channel)
        info.subscribe(subscription, lambda frame: came.put(frame["channel"]))  # type: ignore[arg-type]

    try:
        for kind in ("l2Book", "trades", "bbo", "activeAssetCtx"):
            listen(kind, type=kind, coin="ETH")
        listen("candle", type="candle", coin="ETH", interval="1m")
        listen("activeSpotAssetCtx", type="activeAssetCtx", coin="@1")
        listen("allMids", type="allMids")
        listen("activeAssetData", type="activeAssetData", user=me, coin="BTC")
        listen("user", type="userEvents", user=me)
        for kind in (
            "userFills",
            "orderUpdates",
            "userFundings",
            "userNonFundingLedgerUpdates",
            "webData2",
        ):
            listen(kind, type=kind, user=me)
        exchange.market_open("ETH", True, 0.05)
        until = time.monotonic() + PATIENCE_S
        while wanted and time.monotonic() < until:
            wanted.discard(came.get(timeout=PATIENCE_S))
        assert wanted == set()
    finally:
        info.disconnect_websocket()
        info.ws_manager.join(PATIENCE_S)
        for client in (info, exchange, exchange.info):
            client.session.close()
