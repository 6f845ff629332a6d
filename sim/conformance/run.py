"""Running cards at a target."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Literal, NamedTuple

from hyperliquid.utils.error import Error
from requests import RequestException

from sim.conformance import cards
from sim.conformance.card import Broken, Card, Need, Target
from sim.conformance.desk import Bench, Refused
from sim.conformance.embedded import EmbeddedBench
from sim.conformance.server import ServerBench
from sim.conformance.testnet import TestnetBench

Verdict = Literal["holds", "fails", "differs", "not applicable", "not run"]

KEYS = "PMM_TESTNET_KEYS"
"""Environment variable with one or two private keys of the testnet, separated by a comma."""

CARDS = cards.ALL

LACKS: Mapping[Target, Mapping[Need, str]] = {
    "embedded": {
        Need.SIGNATURES: "orders reach the embedded exchange without signatures",
        Need.GATE: "weight and daily counts are kept by the server in front of the exchange",
        Need.BLOCKS: "orders of the embedded exchange are executed one by one as they arrive",
        Need.SOCKET: "the embedded exchange tells in process, without a websocket",
        Need.OPERATOR: "there is nothing to restart",
        Need.SHARE: "every account pays the base rates",
    },
    "server": {Need.SHARE: "every account pays the base rates"},
    "testnet": {
        Need.SCENE: "nobody can set up balances, budgets and prices there",
        Need.GATE: "it would use up the day's budget of the address",
        Need.BLOCKS: "the length of a block is not ours to choose",
        Need.OPERATOR: "its restarts are not ours to choose",
        Need.TRACES: "agents, sub-accounts and approvals would stay behind",
        Need.SHARE: "nobody can set up a share of its volume",
    },
}
"""What targets cannot be asked for, and why."""


class Result(NamedTuple):
    """What a card said of a target."""

    verdict: Verdict
    reason: str = ""


def lacks(card: Card, target: Target) -> str:
    """Return why a target cannot express a card, empty where it can."""
    return "; ".join(reason for need, reason in LACKS[target].items() if need in card.needs)


def due(card: Card, target: Target) -> Result:
    """Return what a card says of a target that behaves as it is known to."""
    reason = lacks(card, target)
    if reason:
        return Result("not applicable", reason)
    if target == "testnet":
        return Result("not run", f"no keys in {KEYS}")
    if target in card.differs:
        return Result("differs", card.differs[target])
    return Result("holds")


def run(card: Card, target: Target) -> Result:
    """Run a card at a target."""
    reason = lacks(card, target)
    if reason:
        return Result("not applicable", reason)
    bench = _bench(card, target)
    if isinstance(bench, Result):
        return bench
    known = card.differs.get(target)
    try:
        card.check(bench)
    except Broken as broken:
        return Result("fails", str(broken)) if known is None else Result("differs", known)
    except (Refused, Error, RequestException) as error:
        return Result("fails", f"{type(error).__name__}: {error}")
    finally:
        bench.close()
    return Result("holds") if known is None else Result("fails", "it does not differ any more")


def _bench(card: Card, target: Target) -> Bench | Result:
    if target == "embedded":
        return EmbeddedBench(card.scene)
    if target == "server":
        return ServerBench(card.scene)
    return _testnet(card)


def _testnet(card: Card) -> Bench | Result:
    keys = [key for key in os.environ.get(KEYS, "").split(",") if key]
    if not keys:
        return Result("not run", f"no keys in {KEYS}")
    if Need.PARTNER in card.needs and len(keys) < 2:
        return Result("not run", f"no second key in {KEYS}")
    try:
        bench = TestnetBench(card.scene.markets, keys)
    except KeyError as missing:
        return Result("not run", f"the testnet has no dex {missing}")
    unlisted = bench.missing()
    if unlisted:
        bench.close()
        return Result("not run", f"the testnet has no {', '.join(unlisted)}")
    return bench
