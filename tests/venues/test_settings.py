"""Settings of venues: what they need, and what they refuse."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from portfolio_mm.venues.settings import Embedded, Hyperliquid, Recorded, Server, Shadow

ADDRESS = "0x" + "aB" * 20


class Table(msgspec.Struct):
    """Where a run's configuration holds its venue."""

    venue: Embedded | Recorded | Hyperliquid | Shadow


def venue(**keys: Any) -> Any:
    return msgspec.convert({"venue": keys}, Table).venue


def test_the_real_venue_needs_a_network_and_exactly_one_place_of_the_key() -> None:
    found = venue(kind="hyperliquid", network="testnet", key_env="KEY", vault=ADDRESS)
    assert isinstance(found, Hyperliquid)
    assert (found.url, found.account, found.vault) == ("", "", ADDRESS)
    with pytest.raises(msgspec.ValidationError, match=r"network.*\$\.venue"):
        venue(kind="hyperliquid", key_env="KEY")
    for keys in ({}, {"key_env": "KEY", "key_file": "key"}):
        with pytest.raises(msgspec.ValidationError, match=r"exactly one of `key_file`.*\$\.venue"):
            venue(kind="hyperliquid", network="testnet", **keys)


@pytest.mark.parametrize("kind", ["hyperliquid", "shadow"])
def test_a_local_network_needs_its_url(kind: str) -> None:
    more = {"key_env": "KEY"} if kind == "hyperliquid" else SHADOW
    with pytest.raises(msgspec.ValidationError, match=r"a local network needs a `url`"):
        venue(kind=kind, network="local", **more)
    found = venue(kind=kind, network="local", url="http://127.0.0.1:8791", **more)
    assert found.url == "http://127.0.0.1:8791"


SHADOW = {"seed": 1, "deposit_usd": 1e4, "queue": "bounded"}


@pytest.mark.parametrize(
    "keys",
    [
        {"network": "mainet"},
        {"url": "127.0.0.1:8791"},
        {"url": "http://127.0.0.1:8791/"},
        {"account": "0x12"},
        {"vault": ADDRESS + "0"},
        {"private_key": "0x1"},
    ],
)
def test_nonsense_is_refused(keys: dict[str, str]) -> None:
    good = {"kind": "hyperliquid", "network": "testnet", "key_env": "KEY"}
    with pytest.raises(msgspec.ValidationError):
        venue(**(good | keys))


@pytest.mark.parametrize("key", ["network", "seed", "deposit_usd", "queue"])
def test_shadow_has_no_default_for_what_names_an_experiment(key: str) -> None:
    keys = {"network": "mainnet", **SHADOW}
    assert isinstance(venue(kind="shadow", **keys), Shadow)
    del keys[key]
    with pytest.raises(msgspec.ValidationError, match=key):
        venue(kind="shadow", **keys)


def test_a_server_is_the_embedded_market_with_a_protocol() -> None:
    server = msgspec.toml.decode("seed = 3", type=Server)
    assert (server.speed, server.block_ms, server.account, server.chain) == (
        1.0,
        70.0,
        "standard",
        "testnet",
    )
    embedded = Embedded(seed=3, hours=1.0, deposit_usd=1.0)
    shared = set(server.__struct_fields__) & set(embedded.__struct_fields__)
    assert {"seed", "start", "regimes", "context_ms", "requests"} <= shared
    assert all(getattr(server, key) == getattr(embedded, key) for key in shared)
    for bad in ("speed = 0.0", "block_ms = 0.5", 'account = "portfolio"', "faucet_usd = -1.0"):
        with pytest.raises(msgspec.ValidationError):
            msgspec.toml.decode(f"seed = 3\n{bad}", type=Server)
