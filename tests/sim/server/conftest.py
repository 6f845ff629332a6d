from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from typing import Any

import msgspec
import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount
from hyperliquid.utils import signing

from portfolio_mm.venues.settings import Server
from sim.server.gateway import Gateway

START = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)
START_MS = round(START.timestamp() * 1e3)
BLOCK_NS = 70_000_000
MARKETS = ("BTC", "ETH", "xyz:TSLA", "xyz:HOOD", "para:AVGO", "test:ABC")

WALLET: LocalAccount = Account.from_key("0x" + "11" * 32)
OTHER: LocalAccount = Account.from_key("0x" + "22" * 32)
USER = WALLET.address.lower()


class Client:
    """Asks and acts through a gateway, each request signed as the SDK signs it."""

    def __init__(self, gateway: Gateway, wallet: LocalAccount = WALLET, ip: str = "1") -> None:
        self.gateway = gateway
        self.wallet = wallet
        self.user = wallet.address.lower()
        self.ip = ip
        self._nonces = count(START_MS)

    def ask(self, **query: Any) -> Any:
        status, body = self.post("/info", msgspec.json.encode(query))
        assert status == 200, (status, body)
        return msgspec.json.decode(body)

    def about(self, kind: str, **query: Any) -> Any:
        return self.ask(type=kind, user=self.user, **query)

    def post(self, path: str, body: bytes) -> tuple[int, bytes]:
        """Post, run until there is an answer, and return it."""
        answers: list[tuple[int, bytes]] = []
        self.gateway.post(path, body, self.ip, lambda *answer: answers.append(answer))
        if not answers:
            self.gateway.advance(self.gateway.next_ns)
        (answer,) = answers
        return answer

    def act(self, action: dict[str, Any], **terms: Any) -> Any:
        status, body = self.post("/exchange", self.signed(action, **terms))
        assert status == 200, (status, body)
        return msgspec.json.decode(body)

    def signed(
        self,
        action: dict[str, Any],
        *,
        nonce: int | None = None,
        vault: str | None = None,
        expires: int | None = None,
        mainnet: bool = False,
    ) -> bytes:
        nonce = next(self._nonces) if nonce is None else nonce
        signature = signing.sign_l1_action(self.wallet, action, vault, nonce, expires, mainnet)
        return envelope(action, nonce, signature, vault, expires)

    def act_as_user(
        self, sign: Callable[..., Any], action: dict[str, Any], field: str = "nonce"
    ) -> Any:
        nonce = next(self._nonces)
        action = action | {field: nonce}
        signature = sign(self.wallet, action, False)
        status, body = self.post("/exchange", envelope(action, nonce, signature))
        assert status == 200, (status, body)
        return msgspec.json.decode(body)

    def order(self, *orders: dict[str, Any], **terms: Any) -> Any:
        reply = self.act(placing(*orders), **terms)
        return reply["response"]["data"]["statuses"] if reply["status"] == "ok" else reply


def envelope(
    action: dict[str, Any],
    nonce: int,
    signature: dict[str, Any],
    vault: str | None = None,
    expires: int | None = None,
) -> bytes:
    return msgspec.json.encode(
        {
            "action": action,
            "nonce": nonce,
            "signature": signature,
            "vaultAddress": vault,
            "expiresAfter": expires,
        }
    )


def wire(
    asset: int, *, buy: bool = True, px: str, sz: str, tif: str = "Gtc", **more: Any
) -> dict[str, Any]:
    terms = {"a": asset, "b": buy, "p": px, "s": sz, "r": more.pop("reduce", False)}
    return terms | {"t": {"limit": {"tif": tif}}} | more


def placing(*orders: dict[str, Any], grouping: str = "na") -> dict[str, Any]:
    return {"type": "order", "orders": list(orders), "grouping": grouping}


def cancelling(*pairs: tuple[int, int]) -> dict[str, Any]:
    return {"type": "cancel", "cancels": [{"a": a, "o": o} for a, o in pairs]}


BID = wire(1, px="1100", sz="0.2")
"""A bid on ETH that rests far away."""


def settings(**changes: Any) -> Server:
    given: dict[str, Any] = {"seed": 7, "start": START, "markets": MARKETS, "faucet_usd": 1e5}
    return Server(**given | changes)


@pytest.fixture
def gateway() -> Gateway:
    return Gateway(settings())


@pytest.fixture
def client(gateway: Gateway) -> Client:
    return Client(gateway)


def run(gateway: Gateway, seconds: float) -> None:
    gateway.advance(gateway.now_ns + round(seconds * 1e9))
