from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import msgspec

from sim.exchange.account import Account
from sim.server import info, requests, subscriptions
from sim.server.gateway import Gateway
from sim.server.signatures import l1_digest
from tests.sim.server.conftest import (
    BID,
    OTHER,
    START_MS,
    USER,
    Client,
    cancelling,
    envelope,
    placing,
    run,
    settings,
    wire,
)

HTTP, FRAMES = 50_000, 50_000
SIGNED = 2_000
BATCH = 500


def checksum(gateway: Gateway) -> list[Any]:
    return [fingerprint(account) for account in gateway.state.exchange.accounts]


def fingerprint(account: Account) -> tuple[Any, ...]:
    return (
        account.mode,
        account.spot,
        tuple(account.cash),
        tuple(account.isolated_cash),
        tuple(account.lots),
        tuple(account.leverage),
        tuple(account.isolated),
        tuple((r.oid, r.units, r.lots, r.status) for r in account.open.values()),
        len(account.fills),
        account.requests.used,
        account.volume,
    )


def test_nothing_that_is_not_signed_changes_an_account() -> None:
    rng = random.Random(1)
    gateway = Gateway(settings(faucet_usd=1e5))
    client = Client(gateway)
    bodies = valid_bodies(client)
    gateway.state.members.meet = lambda address, _: gateway.owner(address)  # type: ignore[method-assign]
    before = checksum(gateway)
    paths = ("/info", "/exchange")
    answered = 0

    def reply(status: int, body: bytes) -> None:
        nonlocal answered
        answered += 1
        assert status in (200, 413, 422, 429)
        if status == 200:
            msgspec.json.decode(body)

    for index in range(HTTP):
        path, body = mutated(rng, rng.choice(bodies), paths)
        gateway.post(path, body, str(index // 50), reply)
        if index % BATCH == BATCH - 1:
            gateway.advance(gateway.next_ns)
    gateway.advance(gateway.next_ns)
    assert answered == HTTP
    assert checksum(gateway) == before


def test_no_text_over_a_websocket_harms_anybody() -> None:
    rng = random.Random(2)
    gateway = Gateway(settings(faucet_usd=0.0))
    frames: list[str] = []
    texts = valid_frames()
    before = checksum(gateway)
    session = None
    for index in range(FRAMES):
        if index % BATCH == 0:
            if session is not None:
                session.closed()
            gateway.advance(gateway.next_ns)
            session = gateway.open(str(index // BATCH), frames.append, lambda: None)
        assert session is not None
        _, body = mutated(rng, ("", rng.choice(texts)), ("",))
        session.receive(body.decode("utf-8", "replace"))
    assert session is not None
    session.closed()
    for frame in frames[:: max(len(frames) // 2000, 1)]:
        assert "channel" in msgspec.json.decode(frame)
    assert checksum(gateway) == before
    session = gateway.open("after", frames.append, lambda: None)
    assert session is not None
    session.receive('{"method":"ping"}')
    assert frames[-1] == '{"channel":"pong"}'


def test_signed_nonsense_harms_nobody_else() -> None:
    rng = random.Random(3)
    gateway = Gateway(settings())
    client, other = Client(gateway), Client(gateway, OTHER)
    other.order(BID)
    owner = gateway.owner(other.user)
    assert owner is not None
    account = gateway.state.exchange.accounts[owner]
    before = fingerprint(account)
    replies: list[bytes] = []

    def reply(status: int, body: bytes) -> None:
        assert status == 200
        replies.append(body)

    for nonce in range(SIGNED):
        kind = rng.choice(requests.Action.__subclasses__())
        body = signed(client, nonsense(rng, kind), START_MS + nonce)
        if body is not None:
            gateway.post("/exchange", body, str(nonce), reply)
        if nonce % 20 == 19:
            gateway.advance(gateway.next_ns)
    run(gateway, 10.0)
    done = sum(b'"ok"' in body for body in replies)
    assert len(replies) > SIGNED // 2
    assert SIGNED // 20 < done < len(replies)
    assert fingerprint(account) == before
    for kind in ("clearinghouseState", "spotClearinghouseState", "frontendOpenOrders"):
        client.about(kind)


def signed(client: Client, action: requests.Action | None, nonce: int) -> bytes | None:
    if action is None:
        return None
    message = l1_digest(msgspec.msgpack.encode(action), nonce, None, None, "b")
    raw = client.wallet.unsafe_sign_hash(message)
    signature = {"r": hex(raw.r), "s": hex(raw.s), "v": raw.v}
    return envelope(msgspec.to_builtins(action), nonce, signature)


def nonsense(rng: random.Random, kind: type[Any]) -> Any:
    """Return an action of a kind with values that are extreme or arbitrary; None if unreadable."""
    body = {"type": kind.__struct_config__.tag} | drawn(rng, msgspec.inspect.type_info(kind))
    try:
        return msgspec.convert(body, kind)
    except msgspec.ValidationError:
        return None


def drawn(rng: random.Random, info: Any) -> Any:
    inspect = msgspec.inspect
    match info:
        case inspect.StructType(fields=fields):
            order_type = {f.name for f in fields} == {"limit", "trigger"}
            kept = [rng.choice(fields)] if order_type else fields
            kept = [f for f in kept if f.required or order_type or rng.random() < 0.5]
            return {f.name: drawn(rng, f.type) for f in kept}
        case inspect.UnionType(types=types):
            return drawn(rng, rng.choice([t for t in types if str(t) != "UnsetType"] or types))
        case inspect.ListType(item_type=item):
            return [drawn(rng, item) for _ in range(rng.choice((0, 1, 1, 1, 2, 3)))]
        case inspect.LiteralType(values=values):
            return rng.choice(values)
        case inspect.BoolType():
            return rng.random() < 0.5
        case inspect.IntType():
            return rng.choice((0, 1, 1, 1, 2, 20, 10**6, 2**62, 110_001, 110_001, 110_004))
        case inspect.StrType(pattern=str(pattern)):
            return "0x" + rng.choice(("0", "1", "f")) * (40 if "40" in pattern else 32)
        case inspect.StrType():
            return rng.choice(TEXTS)
    return None


TEXTS = (
    *("0", "1", "-1", "0.05", "0.1", "1100", "2100", "2123.5", "2200", "400", "60", "1e5", "NaN"),
    *("0.00000000000000000001", "9" * 20, "", "spot", "xyz", "para", "USDC", "Infinity", "-0.0"),
)


def valid_bodies(client: Client) -> list[tuple[str, bytes]]:
    """Return bodies that the venue took once, so that none of them does anything again."""
    actions = [
        placing(BID, wire(110001, px="200", sz="1", tif="Alo", c="0x" + "0" * 31 + "1")),
        placing(wire(0, buy=False, px="140000", sz="0.001")),
        cancelling((1, 1), (110001, 5)),
        {"type": "cancelByCloid", "cancels": [{"asset": 1, "cloid": "0x" + "0" * 31 + "2"}]},
        {"type": "batchModify", "modifies": [{"oid": 99, "order": BID}]},
        {"type": "updateLeverage", "asset": 1, "isCross": True, "leverage": 5},
        {"type": "updateIsolatedMargin", "asset": 1, "isBuy": True, "ntli": 5},
        {"type": "scheduleCancel", "time": 1},
        {"type": "noop"},
        {"type": "createSubAccount", "name": "one"},
        {"type": "agentSetAbstraction", "abstraction": "i"},
        {"type": "reserveRequestWeight", "weight": 10},
    ]
    bodies = [("/exchange", client.signed(action)) for action in actions]
    for _, body in bodies:
        client.post("/exchange", body)
    asked = [("/info", msgspec.json.encode(query)) for query in valid_queries()]
    return bodies + asked * 2


def valid_queries() -> Iterator[dict[str, Any]]:
    values = {
        "user": USER,
        "builder": USER,
        "coin": "ETH",
        "dex": "xyz",
        "id": 20,
        "oid": 7,
        "startTime": 0,
        "endTime": 2**50,
        "nSigFigs": 5,
        "mantissa": 2,
        "aggregateByTime": True,
        "req": {"coin": "ETH", "interval": "1m", "startTime": 0, "endTime": 2**50},
    }
    for kind in info.AnyQuery.__args__:
        found = msgspec.inspect.type_info(kind)
        assert isinstance(found, msgspec.inspect.StructType)
        yield {"type": found.tag} | {f.name: values[f.name] for f in found.fields}


def valid_frames() -> list[bytes]:
    values = {"user": USER, "coin": "ETH", "dex": "xyz", "interval": "1m"}
    frames: list[dict[str, Any]] = [{"method": "ping"}]
    for kind in subscriptions.AnySubscription.__args__:
        found = msgspec.inspect.type_info(kind)
        assert isinstance(found, msgspec.inspect.StructType)
        subscription = {"type": found.tag} | {
            f.name: values[f.name] for f in found.fields if f.name in values
        }
        frames.append({"method": "subscribe", "subscription": subscription})
        frames.append({"method": "unsubscribe", "subscription": subscription})
    for kind, payload in (("info", {"type": "l2Book", "coin": "ETH"}), ("action", {})):
        request = {"type": kind, "payload": payload}
        frames.append({"method": "post", "id": 1, "request": request})
    return [msgspec.json.encode(frame) for frame in frames]


JUNK: tuple[Any, ...] = (
    *(None, True, -1, 0, 2**31, 2**63, 2**64, 1e308, -0.5, "", "0x", "NaN", "\x00", "ETH"),
    *("9" * 400, [], {}, [[]], {"type": "order"}, "0x" + "f" * 40, "-1", "1e5", "٣"),
)

LIKELY: tuple[Any, ...] = (
    *("BTC", "xyz:TSLA", "DELISTED2", "@1", "", "xyz", "1.50", "0.00001", "1m", "Alo", "Ioc"),
    *("0x" + "0" * 64, "0x" + "ab" * 32, USER, "0x" + "0" * 31 + "1", "spot", "USDC"),
    *(1, 2, 5, 27, 28, 110000, 2**40, False),
)


def mutated(
    rng: random.Random, source: tuple[str, bytes], paths: tuple[str, ...]
) -> tuple[str, bytes]:
    path, body = source
    kind = rng.random()
    if kind < 0.05:
        return rng.choice(paths), rng.randbytes(rng.randrange(200))
    if kind < 0.1:
        return rng.choice(paths), msgspec.json.encode(random_json(rng, 4))
    if kind < 0.3:
        raw = bytearray(body)
        for _ in range(rng.randrange(1, 4)):
            place = rng.randrange(max(len(raw), 1))
            choice = rng.random()
            if choice < 0.4 and raw:
                raw[place] = rng.randrange(256)
            elif choice < 0.7:
                del raw[place : place + rng.randrange(1, 20)]
            else:
                raw[place:place] = raw[: rng.randrange(40)]
        return path, bytes(raw)
    return path, msgspec.json.encode(replaced(rng, msgspec.json.decode(body)))


def replaced(rng: random.Random, value: Any) -> Any:
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = rng.choice([k for k in value if k != "type" or rng.random() < 0.2] or [*value])
        if rng.random() < 0.1:
            return {k: v for k, v in value.items() if k != key}
        return value | {key: replaced(rng, value[key])}
    if isinstance(value, list) and value and rng.random() < 0.7:
        place = rng.randrange(len(value))
        return [*value[:place], replaced(rng, value[place]), *value[place + 1 :]]
    alike = [junk for junk in (*JUNK, *LIKELY) if type(junk) is type(value)]
    return rng.choice(alike if alike and rng.random() < 0.8 else JUNK)


def random_json(rng: random.Random, depth: int) -> Any:
    names = ("type", "method", "user", "coin", "action", "subscription", "nonce", "signature")
    if depth == 0 or rng.random() < 0.3:
        return rng.choice(JUNK)
    if rng.random() < 0.3:
        return [random_json(rng, depth - 1) for _ in range(rng.randrange(4))]
    tags = [*requests.AnyAction.__args__, *info.AnyQuery.__args__]
    tag = rng.choice(tags).__struct_config__.tag
    body = {rng.choice(names): random_json(rng, depth - 1) for _ in range(rng.randrange(5))}
    return body | ({"type": tag} if rng.random() < 0.5 else {})
