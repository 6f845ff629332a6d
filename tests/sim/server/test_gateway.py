"""What the venue does with what users sign."""

from __future__ import annotations

from typing import Any

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount
from hyperliquid.utils import signing

from sim.exchange.messages import MICRO
from sim.server.gateway import BODY_LIMIT, Gateway
from tests.sim.server.conftest import (
    BID,
    OTHER,
    START_MS,
    USER,
    WALLET,
    Client,
    cancelling,
    placing,
    run,
    settings,
    wire,
)

NOBODY = "User or API Wallet {} does not exist."
TOUCH = wire(1, px="2500", sz="0.05", tif="Ioc")


def error(reply: Any) -> str:
    assert reply["status"] == "err"
    return str(reply["response"])


# Accounts


def test_the_faucet_fills_every_pool_of_a_newcomer_once(client: Client) -> None:
    for dex in ("", "xyz", "para", "test"):
        state = client.about("clearinghouseState", dex=dex)
        assert state["marginSummary"]["accountValue"] == "100000.0"
    assert client.about("spotClearinghouseState")["balances"][0]["total"] == "100000.0"
    assert client.about("userAbstraction") == "default"


def test_a_unified_newcomer_is_filled_once() -> None:
    client = Client(Gateway(settings(account="unified")))
    assert client.about("userAbstraction") == "unifiedAccount"
    assert client.about("spotClearinghouseState")["balances"][0]["total"] == "100000.0"
    assert client.about("clearinghouseState")["marginSummary"]["accountValue"] == "0.0"
    client.order(wire(1, px="1100", sz="1"))
    spot = client.about("spotClearinghouseState")["balances"][0]
    assert (spot["total"], spot["hold"]) == ("100000.0", "55.0")


def test_without_a_faucet_nobody_has_an_account() -> None:
    client = Client(Gateway(settings(faucet_usd=0.0)))
    assert client.about("clearinghouseState")["withdrawable"] == "0.0"
    assert client.about("userRole") == {"role": "missing"}
    assert error(client.act(placing(BID))) == NOBODY.format(USER)
    assert client.gateway.owner(USER) is None
    assert client.gateway.refused == {"User or API Wallet": 1}


def test_the_faucet_runs_dry(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sim.server.members.FAUCET_ACCOUNTS", 5)
    for number in range(9):
        client.ask(type="openOrders", user=f"0x{number:040x}")
    assert len(client.gateway.state.members) == 5


def test_any_client_can_trade_at_once(client: Client) -> None:
    (status,) = client.order(BID)
    (order,) = client.about("openOrders")
    assert order["oid"] == status["resting"]["oid"]


# Signatures, nonces, time


def test_a_signature_of_another_chain_is_another_address() -> None:
    gateway = Gateway(settings(faucet_usd=0.0, chain="testnet"))
    owner = gateway.state.members.open(USER, "standard")
    client = Client(gateway)
    reply = error(client.act(placing(BID), mainnet=True))
    assert reply.startswith("User or API Wallet 0x")
    assert USER not in reply
    assert not gateway.state.exchange.accounts[owner].open


def test_a_changed_order_is_not_the_signed_one(client: Client) -> None:
    client.order(BID)
    body = client.signed(placing(BID)).replace(b'"1100"', b'"1101"')
    status, _ = client.post("/exchange", body)
    assert status == 200
    assert len(client.about("openOrders")) == 1


def test_an_unreadable_signature_is_said_to_be_one(client: Client) -> None:
    body = client.signed(placing(BID))
    start = body.index(b'"r":"0x')
    body = body[: start + 7] + b"f" * 64 + body[body.rindex(b'","s"') :]
    _, answer = client.post("/exchange", body)
    assert answer == b'{"status":"err","response":"Unable to recover signer."}'


def test_a_request_cannot_be_replayed(client: Client) -> None:
    body = client.signed(placing(BID), nonce=START_MS)
    assert b'"ok"' in client.post("/exchange", body)[1]
    assert f"duplicate nonce {START_MS}".encode() in client.post("/exchange", body)[1]
    assert len(client.about("openOrders")) == 1


def test_a_noop_of_the_same_nonce_overtakes_an_order(client: Client) -> None:
    gateway, answers = client.gateway, []
    for action in (placing(BID), {"type": "noop"}):
        body = client.signed(action, nonce=START_MS)
        gateway.post("/exchange", body, "1", lambda _, answer: answers.append(answer))
    gateway.advance(gateway.next_ns)
    assert b'"default"' in answers[0]
    assert b"duplicate nonce" in answers[1]


def test_what_has_expired_is_refused_and_costs_five_requests(client: Client) -> None:
    assert error(client.act(placing(BID), expires=START_MS - 1)) == "Action already expired"
    assert client.about("userRateLimit")["nRequestsUsed"] == 5
    assert "resting" in client.order(BID, expires=START_MS + 60_000)[0]


# Agents, sub-accounts


def approve(client: Client, key: str, name: str = "") -> tuple[Any, LocalAccount]:
    agent: LocalAccount = Account.from_key(key)
    action = {"type": "approveAgent", "agentAddress": agent.address, "agentName": name}
    return client.act_as_user(signing.sign_agent, action), agent


def test_an_agent_trades_for_its_master_and_moves_no_money(client: Client) -> None:
    client.about("userRole")
    reply, agent = approve(client, "0x" + "33" * 32)
    assert reply["status"] == "ok"
    acting = Client(client.gateway, agent)
    assert "resting" in acting.order(BID)[0]
    assert len(client.about("openOrders")) == 1
    assert acting.about("openOrders") == []
    assert acting.about("userRole") == {"role": "agent", "data": {"user": USER}}
    transfer = {"type": "usdSend", "destination": agent.address.lower(), "amount": "5"}
    refusal = acting.act_as_user(signing.sign_usd_transfer_action, transfer, "time")
    assert error(refusal).startswith("Must deposit before performing actions. User: 0x")
    assert client.gateway.owner(agent.address) is None


def test_a_replaced_agent_is_nobody() -> None:
    gateway = Gateway(settings())
    client = Client(gateway)
    _, first = approve(client, "0x" + "33" * 32, "bot")
    reply, _ = approve(client, "0x" + "44" * 32, "bot")
    assert reply["status"] == "ok"
    assert [a["name"] for a in client.about("extraAgents")] == ["bot"]
    assert gateway.state.users.agent(first.address.lower()) is None


def test_a_master_trades_for_its_sub_account(client: Client) -> None:
    reply = client.act({"type": "createSubAccount", "name": "one"})
    sub = reply["response"]["data"]
    transfer = {"type": "subAccountTransfer", "subAccountUser": sub, "isDeposit": True}
    assert client.act(transfer | {"usd": 500 * MICRO})["status"] == "ok"
    (shown,) = client.about("subAccounts")
    assert shown["subAccountUser"] == sub
    assert shown["clearinghouseState"]["withdrawable"] == "500.0"
    assert "resting" in client.order(BID, vault=sub)[0]
    assert client.about("openOrders") == []
    assert len(client.ask(type="openOrders", user=sub)) == 1
    assert client.ask(type="userRateLimit", user=sub)["nRequestsUsed"] == 1
    stranger = Client(client.gateway, OTHER)
    assert error(stranger.act(placing(BID), vault=sub)) == f"Vault not registered: {sub}"


def test_money_stays_in_the_family(client: Client) -> None:
    sub = client.act({"type": "createSubAccount", "name": "one"})["response"]["data"]
    action = {"type": "subAccountTransfer", "subAccountUser": sub, "isDeposit": False, "usd": 1}
    stranger = Client(client.gateway, OTHER)
    assert "not registered" in error(stranger.act(action))


# Transfers


def test_dollars_move_between_places_and_users(client: Client) -> None:
    def send(source: str, destination: str, amount: str, to: str = USER) -> Any:
        action = {
            "type": "sendAsset",
            "destination": to,
            "sourceDex": source,
            "destinationDex": destination,
            "token": "USDC",
            "amount": amount,
            "fromSubAccount": "",
        }
        return client.act_as_user(signing.sign_send_asset_action, action)

    assert send("spot", "xyz", "10.5")["status"] == "ok"
    assert client.about("clearinghouseState", dex="xyz")["withdrawable"] == "100010.5"
    assert client.about("spotClearinghouseState")["balances"][0]["total"] == "99989.5"
    other = OTHER.address.lower()
    assert send("xyz", "", "100", other)["status"] == "ok"
    assert error(send("xyz", "", "1e9")) == "Insufficient balance for token transfer."
    assert error(send("xyz", "nowhere", "1")) == "Invalid perp dex"
    assert error(send("xyz", "", "much")) == "Invalid amount."
    rows = client.about("userNonFundingLedgerUpdates", startTime=0)
    assert [row["delta"]["type"] for row in rows].count("send") == 2
    moved = {"type": "usdClassTransfer", "amount": "7.0", "toPerp": True}
    reply = client.act_as_user(signing.sign_usd_class_transfer_action, moved)
    assert reply["status"] == "ok"
    assert client.about("clearinghouseState")["withdrawable"] == "100007.0"


def test_a_unified_account_has_no_class_transfers() -> None:
    client = Client(Gateway(settings(account="unified")))
    action = {"type": "usdClassTransfer", "amount": "7.0", "toPerp": True}
    reply = client.act_as_user(signing.sign_usd_class_transfer_action, action)
    assert error(reply) == "Action disabled when unified account is active"


def test_the_account_mode_changes(client: Client) -> None:
    assert client.act({"type": "agentSetAbstraction", "abstraction": "u"})["status"] == "ok"
    assert client.about("userAbstraction") == "unifiedAccount"
    assert client.about("spotClearinghouseState")["balances"][0]["total"] == "500000.0"
    action = {"type": "userSetAbstraction", "user": USER, "abstraction": "disabled"}
    sign = signing.sign_user_set_abstraction_action
    assert client.act_as_user(sign, action)["status"] == "ok"
    assert client.about("userAbstraction") == "default"


def test_withdrawals_and_vaults_are_refused(client: Client) -> None:
    action = {"type": "withdraw3", "destination": USER, "amount": "5"}
    reply = client.act_as_user(signing.sign_withdraw_from_bridge_action, action, "time")
    assert "withdrawal" in error(reply)
    vault = {"type": "vaultTransfer", "vaultAddress": USER, "isDeposit": True, "usd": 5}
    assert "Vault not registered" in error(client.act(vault))


def test_reserved_requests_are_paid(client: Client) -> None:
    assert client.act({"type": "reserveRequestWeight", "weight": 1000})["status"] == "ok"
    assert client.about("userRateLimit")["nRequestsCap"] == 11_000
    assert client.about("clearinghouseState")["withdrawable"] == "99999.5"


# Orders


def test_an_order_is_shown_filled_and_cancelled(client: Client) -> None:
    cloid = "0x" + "0" * 31 + "A"
    filled, resting = client.order(TOUCH, BID | {"c": cloid})
    assert filled["filled"]["totalSz"] == "0.05"
    assert resting["resting"]["cloid"] == cloid.lower()
    (fill,) = client.about("userFills")
    assert (fill["coin"], fill["sz"], fill["dir"], fill["crossed"]) == (
        "ETH",
        "0.05",
        "Open Long",
        True,
    )
    assert client.about("userFills", aggregateByTime=True)
    found = client.about("orderStatus", oid=cloid)
    assert found["order"]["status"] == "open"
    assert client.about("orderStatus", oid=10**9) == {"status": "unknownOid"}
    cancels = [{"asset": 1, "cloid": cloid}]
    reply = client.act({"type": "cancelByCloid", "cancels": cancels})
    assert reply["response"]["data"]["statuses"] == ["success"]
    assert client.about("orderStatus", oid=cloid)["order"]["status"] == "canceled"
    assert {o["status"] for o in client.about("historicalOrders")} == {"filled", "canceled"}
    (position,) = client.about("clearinghouseState")["assetPositions"]
    assert position["position"]["szi"] == "0.05"


@pytest.mark.parametrize(
    ("order", "text"),
    [
        (wire(1, px="1100.05", sz="0.2"), "Price must be divisible by tick size. asset=1"),
        (wire(1, px="1100", sz="0.00001"), "Order has invalid size. asset=1"),
        (wire(1, px="1100", sz="0"), "Order has zero size. asset=1"),
        (wire(1, px="1100", sz="0.001"), "Order must have minimum value of $10. asset=1"),
        (wire(1, px="1100", sz="99999"), "Insufficient margin to place order. asset=1"),
        (wire(1, px="1" * 20, sz="1"), "Price must be divisible by tick size. asset=1"),
        (wire(99, px="1100", sz="1"), "Trading is halted. asset=99"),
        (wire(10_000, px="1100", sz="1"), "Trading is halted. asset=10000"),
        (
            wire(1, px="1100", sz="1", reduce=True),
            "Reduce only order would increase position. asset=1",
        ),
    ],
)
def test_refused_orders_are_told_in_the_venues_words(
    client: Client, order: dict[str, Any], text: str
) -> None:
    refused, taken = client.order(order, BID)
    assert refused == {"error": text}
    assert "resting" in taken


def test_a_batch_has_at_most_two_hundred_orders(client: Client) -> None:
    statuses = client.order(*[wire(1, px="1100", sz="0.01", tif="Alo")] * 200)
    assert len(statuses) == 200
    reply = client.order(*[wire(1, px="1100", sz="0.01", tif="Alo")] * 201)
    assert error(reply) == "Signed action over weight limit of 200."
    assert client.about("userRateLimit")["nRequestsUsed"] == 200
    assert error(client.order()) == "Empty batch."


def test_a_modify_replaces_an_order(client: Client) -> None:
    (resting,) = client.order(BID)
    oid = resting["resting"]["oid"]
    changed = {"type": "batchModify", "modifies": [{"oid": oid, "order": BID | {"p": "1200"}}]}
    (status,) = client.act(changed)["response"]["data"]["statuses"]
    (order,) = client.about("openOrders")
    assert order["oid"] == status["resting"]["oid"] != oid
    assert order["limitPx"] == "1200.0"
    gone = client.act(changed)["response"]["data"]["statuses"]
    assert gone == [{"error": "Cannot modify canceled or filled order"}]
    single = {"type": "modify", "oid": order["oid"], "order": BID}
    assert client.act(single)["response"] == {"type": "default"}
    assert "Cannot modify" in error(client.act(single))
    crossing = {"type": "modify", "oid": client.about("openOrders")[0]["oid"]}
    refusal = error(client.act(crossing | {"order": BID | {"p": "2500"}}))
    assert "Post only order would have immediately matched" in refusal


def test_within_a_block_cancels_come_before_what_takes(client: Client) -> None:
    gateway, done = client.gateway, []
    (resting,) = client.order(BID)
    oid = resting["resting"]["oid"]
    actions = {
        "take": placing(TOUCH),
        "cancel": cancelling((1, oid)),
        "post": placing(BID | {"t": {"limit": {"tif": "Alo"}}}),
    }
    for name, action in actions.items():
        body = client.signed(action)
        gateway.post("/exchange", body, "1", lambda *_, name=name: done.append(name))
    assert done == []
    gateway.advance(gateway.next_ns)
    assert done == ["post", "cancel", "take"]


def test_stops_wait_beside_the_book(client: Client) -> None:
    client.order(TOUCH)
    terms = {"isMarket": True, "triggerPx": "1500", "tpsl": "sl"}
    order = wire(1, buy=False, px="1400", sz="0.05", reduce=True) | {"t": {"trigger": terms}}
    (status,) = client.order(order)
    assert "resting" in status
    (shown,) = client.about("frontendOpenOrders")
    assert (shown["orderType"], shown["isTrigger"], shown["triggerPx"]) == (
        "Stop Market",
        True,
        "1500.0",
    )
    assert shown["triggerCondition"] == "Price below 1500.0"


def test_exits_of_a_group_wait_for_its_entry(client: Client) -> None:
    def exit_(trigger: str, tpsl: str) -> dict[str, Any]:
        terms = {"isMarket": True, "triggerPx": trigger, "tpsl": tpsl}
        order = wire(1, buy=False, px=trigger, sz="0.05", reduce=True)
        return order | {"t": {"trigger": terms}}

    exits = (exit_("2900", "tp"), exit_("1500", "sl"))
    reply = client.act(placing(TOUCH, *exits, grouping="normalTpsl"))
    assert reply["response"]["data"]["statuses"][1:] == ["waitingForTrigger"] * 2
    reply = client.act(placing(BID, *exits, grouping="normalTpsl"))
    assert reply["response"]["data"]["statuses"][1:] == ["waitingForFill"] * 2
    assert len(client.about("openOrders")) == 3
    price = client.ask(type="l2Book", coin="ETH")["levels"][0][0]["px"]
    client.act(placing(wire(1, px=price, sz="0.05", tif="Alo"), *exits, grouping="normalTpsl"))
    run(client.gateway, 120.0)
    assert len(client.about("openOrders")) == 5


def test_a_builder_needs_to_be_approved(client: Client) -> None:
    builder = "0x" + "ab" * 20
    action = placing(BID) | {"builder": {"b": builder, "f": 10}}
    assert error(client.act(action)) == "Builder fee has not been approved."
    approval = {"type": "approveBuilderFee", "maxFeeRate": "0.01%", "builder": builder}
    sign = signing.sign_approve_builder_fee
    assert client.act_as_user(sign, approval)["status"] == "ok"
    assert client.about("maxBuilderFee", builder=builder) == 10
    assert client.act(action)["status"] == "ok"


def test_terms_of_an_asset_are_the_accounts_own(client: Client) -> None:
    leverage = {"type": "updateLeverage", "asset": 1, "isCross": False, "leverage": 3}
    assert client.act(leverage)["status"] == "ok"
    assert client.about("activeAssetData", coin="ETH")["leverage"] == {
        "type": "isolated",
        "value": 3,
        "rawUsd": "0.0",
    }
    assert error(client.act(leverage | {"leverage": 26})) == "Invalid leverage value"
    hood = leverage | {"asset": 110004, "isCross": True}
    assert error(client.act(hood)) == "Cross margin is not allowed for this asset."
    client.order(TOUCH)
    margin = {"type": "updateIsolatedMargin", "asset": 1, "isBuy": True, "ntli": 5 * MICRO}
    before = client.about("clearinghouseState")["assetPositions"][0]["position"]
    assert client.act(margin)["status"] == "ok"
    after = client.about("clearinghouseState")["assetPositions"][0]["position"]
    added = float(after["marginUsed"]) - float(before["marginUsed"])
    assert added == pytest.approx(5.0, abs=0.5)


def test_scheduled_cancels_need_volume(client: Client) -> None:
    reply = client.act({"type": "scheduleCancel", "time": START_MS + 60_000})
    assert error(reply).startswith("Cannot set scheduled cancel time until enough volume traded.")


def test_after_a_restart_only_post_only_orders_are_taken(client: Client) -> None:
    gateway, closed, answers = client.gateway, [], []
    gateway.open("1", lambda _: None, lambda: closed.append(True))
    gateway.post("/exchange", client.signed(placing(BID)), "1", lambda *a: answers.append(a))
    gateway.restart(10.0)
    assert closed == [True]
    assert answers == [(502, b"")]
    (refused,) = client.order(BID)
    assert refused["error"].startswith("Only post-only orders allowed")
    assert "resting" in client.order(BID | {"t": {"limit": {"tif": "Alo"}}})[0]
    run(gateway, 11.0)
    assert "resting" in client.order(BID)[0]


# Budgets


def test_the_weight_of_an_address_runs_out(client: Client) -> None:
    statuses = [client.post("/info", b'{"type":"meta"}') for _ in range(61)]
    assert [s for s, _ in statuses].count(200) == 60
    assert statuses[-1] == (429, b"null")
    assert client.post("/exchange", client.signed(placing(BID))) == (429, b"null")
    assert client.gateway.refused == {"429": 2}
    run(client.gateway, 2.0)
    assert client.post("/info", b'{"type":"meta"}')[0] == 200
    elsewhere = Client(client.gateway, ip="2")
    assert "resting" in elsewhere.order(BID)[0]


def test_long_answers_cost_more(client: Client) -> None:
    client.order(*[wire(1, px="1100", sz="0.01", tif="Alo")] * 100)
    asked = sum(client.post("/info", body)[0] == 200 for body in [_orders()] * 60)
    assert asked == (1200 - 3) // 25 + 1


def _orders() -> bytes:
    return f'{{"type":"openOrders","user":"{USER}"}}'.encode()


def test_the_requests_of_an_address_run_out() -> None:
    client = Client(Gateway(settings(requests=5.0)))
    client.order(*[BID] * 5)
    reply = error(client.act(placing(BID, BID)))
    assert reply.startswith("Too many cumulative requests sent (7 > 5) for cumulative volume")
    oids = [order["oid"] for order in client.about("openOrders")]
    assert client.act(cancelling(*((1, oid) for oid in oids)))["status"] == "ok"
    assert error(client.act(placing(BID), expires=1)) == "Action already expired"


def test_a_unified_account_has_fifty_thousand_actions_a_day() -> None:
    start = settings().start.replace(hour=23, minute=59, second=50)
    gateway = Gateway(settings(account="unified", requests=1e6, start=start))
    client = Client(gateway)
    for index in range(250):
        body = client.signed(cancelling(*[(1, 5)] * 200))
        gateway.post("/exchange", body, str(index), lambda *_: None)
    gateway.advance(gateway.next_ns)
    used = client.about("userRateLimit")["nRequestsUsed"]
    assert error(client.act(placing(BID))).startswith("Too many actions today")
    assert client.about("userRateLimit")["nRequestsUsed"] == used == 50_000
    run(gateway, 10.0)
    assert "resting" in client.order(BID)[0]


@pytest.mark.parametrize("path", ["/", "/ws", "/info/", "/exchanges"])
def test_other_paths_do_not_exist(client: Client, path: str) -> None:
    assert client.post(path, b"{}") == (404, b"")


@pytest.mark.parametrize("path", ["/info", "/exchange"])
@pytest.mark.parametrize("body", [b"", b"{}", b"null", b"\xff", b'{"type":"what"}', b"[" * 10**5])
def test_what_cannot_be_read_is_refused(client: Client, path: str, body: bytes) -> None:
    text = b"Failed to deserialize the JSON body into the target type"
    assert client.post(path, body) == (422, text)


def test_large_bodies_are_refused(client: Client) -> None:
    assert client.post("/info", b" " * (BODY_LIMIT + 1))[0] == 413


# Answers


def test_unknown_coins_and_dexs_are_null(client: Client) -> None:
    for kind in ("l2Book", "recentTrades"):
        assert client.ask(type=kind, coin="nothing") is None
    assert client.ask(type="meta", dex="nothing") is None
    assert client.about("clearinghouseState", dex="nothing") is None
    assert client.about("activeAssetData", coin="nothing") is None
    delisted = client.ask(type="meta", dex="xyz")["universe"][2]
    assert delisted["isDelisted"]
    assert client.ask(type="l2Book", coin=delisted["name"])["levels"] == [[], []]


def test_books_are_merged_to_significant_figures(client: Client) -> None:
    fine = client.ask(type="l2Book", coin="ETH")
    coarse = client.ask(type="l2Book", coin="ETH", nSigFigs=3)
    bids, asks = coarse["levels"]
    assert all(float(level["px"]) % 10 == 0 for level in bids + asks)
    assert float(bids[0]["px"]) <= float(fine["levels"][0][0]["px"])
    assert float(asks[0]["px"]) >= float(fine["levels"][1][0]["px"])
    halves = client.ask(type="l2Book", coin="ETH", nSigFigs=5, mantissa=5)
    assert all(float(level["px"]) * 10 % 5 == 0 for level in halves["levels"][0])


def test_the_same_seed_and_requests_give_the_same_venue() -> None:
    def play() -> tuple[Any, ...]:
        client = Client(Gateway(settings()))
        client.order(BID, TOUCH)
        run(client.gateway, 30.0)
        kinds = ("userFills", "openOrders", "clearinghouseState", "historicalOrders")
        return (*(client.about(kind) for kind in kinds), client.ask(type="metaAndAssetCtxs"))

    assert play() == play()


def test_an_isolated_position_is_margined_alone(client: Client) -> None:
    (status,) = client.order(wire(110004, buy=False, px="60", sz="3", tif="Ioc"))
    assert status["filled"]["totalSz"] == "3.0"
    state = client.about("clearinghouseState", dex="xyz")
    (row,) = state["assetPositions"]
    position = row["position"]
    used = float(position["leverage"]["rawUsd"]) - float(position["positionValue"])
    assert float(position["marginUsed"]) == pytest.approx(used, abs=1e-5)
    cross, total = state["crossMarginSummary"], state["marginSummary"]
    assert cross["totalNtlPos"] == "0.0"
    assert float(total["accountValue"]) - float(cross["accountValue"]) == pytest.approx(
        float(position["marginUsed"]), abs=1e-5
    )
    equity = float(total["totalRawUsd"]) - float(position["positionValue"])
    assert equity == pytest.approx(float(total["accountValue"]), abs=1e-5)
    assert client.about("clearinghouseState")["assetPositions"] == []
    assert WALLET.address.lower() == USER
