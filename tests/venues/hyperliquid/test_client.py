from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

import numpy as np
import pytest

from portfolio_mm.types import NS
from portfolio_mm.venues.base import VenueError
from portfolio_mm.venues.hyperliquid import actions, parse
from portfolio_mm.venues.hyperliquid.client import ACTION_S, Client
from portfolio_mm.venues.hyperliquid.limits import Limiter
from portfolio_mm.venues.hyperliquid.nonces import Nonces
from portfolio_mm.venues.hyperliquid.questions import PAGE, READ_S
from portfolio_mm.venues.hyperliquid.skew import Skew
from portfolio_mm.venues.hyperliquid.transport import Answer, Lost, NotSent
from sim.faults import virtual

START_NS = 1_790_000_000_000_000_000
USER = "0x" + "ab" * 20


def run(bench: Any, body: Callable[[Client], Coroutine[Any, Any, Any]]) -> Any:
    async def main() -> Any:
        limiter = Limiter(np.random.default_rng(1))
        client = Client(bench.scripted, limiter, bench.signer, Nonces(), USER)
        return await body(client)

    return virtual.run(main(), START_NS)


def test_a_question_is_parsed_and_weighed(bench: Any) -> None:
    async def body(client: Client) -> None:
        state = await client.clearinghouse("xyz")
        assert state.margin_summary.account_value == "10000.0"
        assert bench.scripted.asked == [{"type": "clearinghouseState", "user": USER, "dex": "xyz"}]
        assert client.limiter.weight(bench.scripted.now_ns()) == 1198.0
        await client.ask(parse.USER_FEES, {"type": "userFees", "user": USER})
        assert client.limiter.weight(bench.scripted.now_ns()) == 1178.0

    run(bench, body)


@pytest.mark.parametrize(
    "said",
    [
        NotSent("refused"),
        Lost("closed"),
        Answer(500, b""),
        Answer(429, b"null"),
        Answer(200, b'{"marginSumm'),
        Answer(200, b"null"),
        Answer(422, b"Failed to deserialize the JSON body into the target type"),
    ],
    ids=str,
)
def test_what_cannot_be_read_is_an_error_and_never_empty(bench: Any, said: Any) -> None:
    bench.scripted.answers["clearinghouseState"] = said

    async def body(client: Client) -> None:
        with pytest.raises(VenueError, match="clearinghouseState"):
            await client.clearinghouse("")

    run(bench, body)


def test_a_question_without_an_answer_ends_in_time(bench: Any) -> None:
    async def never(path: str, body: bytes, timeout_s: float) -> Answer:
        await asyncio.Event().wait()
        raise AssertionError

    bench.scripted.post = never

    async def body(client: Client) -> None:
        with pytest.raises(VenueError, match="no answer"):
            await client.spot()
        assert bench.scripted.now_ns() - START_NS == READ_S * NS
        with pytest.raises(Lost):
            await client.act(actions.noop())
        assert bench.scripted.now_ns() - START_NS == (READ_S + ACTION_S) * NS

    run(bench, body)


def test_a_question_waits_for_the_budget_but_not_for_long(bench: Any) -> None:
    async def body(client: Client) -> None:
        limiter = client.limiter
        limiter.settle(limiter.read(1170, START_NS - 58 * NS), START_NS - 58 * NS)
        await client.ask(parse.USER_FEES, {"type": "userFees", "user": USER})
        waited = bench.scripted.now_ns() - START_NS
        assert 2 * NS <= waited <= 3 * NS
        limiter.read(1150, bench.scripted.now_ns())
        with pytest.raises(VenueError, match="weight"):
            await client.ask(parse.USER_FEES, {"type": "userFees", "user": USER})

    run(bench, body)


@pytest.mark.parametrize(
    ("said", "end"),
    [
        (NotSent("refused"), NotSent),
        (Answer(429, b"null"), NotSent),
        (Lost("timeout"), Lost),
        (Answer(502, b"<html>"), Lost),
        (Answer(200, b'{"status":"ok","respo'), Lost),
        (Answer(200, b""), Lost),
    ],
    ids=str,
)
def test_the_ends_of_an_action(bench: Any, said: Any, end: type[Exception]) -> None:
    bench.scripted.actions = lambda action: said

    async def body(client: Client) -> None:
        with pytest.raises(end):
            await client.act(actions.noop())
        client.limiter.reading(client.limiter.mark(), left=50.0, cap=50.0)
        assert client.limiter.requests == 50.0

    run(bench, body)


def test_a_refused_request_is_a_reply(bench: Any) -> None:
    bench.scripted.actions = lambda action: {"status": "err", "response": "Unable to recover"}

    async def body(client: Client) -> None:
        assert (await client.act(actions.noop())).refusal == "Unable to recover"
        bench.scripted.actions = lambda action: Answer(422, b"Failed to deserialize")
        assert (await client.act(actions.noop())).refusal == "HTTP 422"

    run(bench, body)


@pytest.mark.parametrize("inside", [False, True])
def test_the_venue_says_when_requests_are_spent(bench: Any, inside: bool) -> None:
    text = "Too many cumulative requests sent (97460 > 97456) for cumulative volume traded $1."
    batch = {"type": "order", "data": {"statuses": [{"error": text}]}}
    said = {"status": "ok", "response": batch} if inside else {"status": "err", "response": text}
    bench.scripted.actions = lambda action: said

    async def body(client: Client) -> None:
        await client.count_requests()
        assert client.limiter.requests == 10_000.0
        await client.act(actions.noop())
        assert client.limiter.requests == 0.0
        with pytest.raises(NotSent, match="requests"):
            await client.act(actions.noop())

    run(bench, body)


def test_nonces_increase_within_a_millisecond_and_expiry_is_signed(bench: Any) -> None:
    async def body(client: Client) -> None:
        await asyncio.gather(*(client.act(actions.noop(), expires_ms=7) for _ in range(5)))

    run(bench, body)
    nonces = [message["nonce"] for message in bench.scripted.posted]
    assert sorted(set(nonces)) == nonces
    assert nonces[0] == START_NS // 1_000_000
    assert {message["expiresAfter"] for message in bench.scripted.posted} == {7}


@pytest.mark.parametrize("descending", [False, True])
def test_fills_are_paged_whichever_way_they_are_sorted(bench: Any, descending: bool) -> None:
    async def body(client: Client) -> int:
        now = bench.scripted.ms
        rows = [
            bench.scripted.fill("BTC", "B", 60_000, "0.001", "0.0", tid=i, time=now + i // 3)
            for i in range(3 * PAGE + 17)
        ]

        def page(question: dict[str, Any]) -> list[dict[str, Any]]:
            end = question.get("endTime", now + 10_000)
            found = [row for row in rows if question["startTime"] <= row["time"] <= end]
            return found[::-1][:PAGE] if descending else found[:PAGE]

        bench.scripted.answers["userFillsByTime"] = page
        found = await client.fills(now * 1_000_000)
        assert sorted(row.tid for row in found) == list(range(len(rows)))
        return len(bench.scripted.asked)

    assert run(bench, body) == 4


def test_no_secret_in_what_a_failure_says(bench: Any) -> None:
    secret = "0123456789abcdef" * 4

    async def body(client: Client) -> str:
        bench.scripted.actions = lambda action: Lost("closed")
        try:
            await client.act(actions.noop())
        except Lost as error:
            return repr(error) + repr(vars(client)) + json.dumps(bench.scripted.posted)
        raise AssertionError

    assert secret not in run(bench, body)


def test_skew_is_what_the_round_trip_does_not_explain() -> None:
    skew = Skew()
    assert skew.seconds == 0.0
    skew.observe(10 * NS, 11 * NS, 12 * NS)
    assert skew.seconds == 0.0
    for _ in range(3):
        skew.observe(10 * NS, 17 * NS, 12 * NS)
    assert skew.seconds == 5.0
    for _ in range(5):
        skew.observe(10 * NS, 3 * NS, 12 * NS)
    assert skew.seconds == -5.0
