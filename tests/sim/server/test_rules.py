"""Nonces, budgets, agents, candles and numbers, each by itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portfolio_mm.types import NS
from sim.exchange.matching import NOBODY
from sim.exchange.messages import Print
from sim.server import text
from sim.server.history import MS, Candle, History, candle_end, candle_start
from sim.server.limits import Bucket, Peer
from sim.server.nonces import DAY_MS, KEPT, Nonces
from sim.server.users import LONGEST_MS, VALID_MS, Refused, Users

NOW = 1_767_000_000_000


def test_a_nonce_serves_once() -> None:
    nonces = Nonces()
    assert nonces.refusal("a", NOW, NOW) is None
    nonces.use("a", NOW)
    assert nonces.refusal("a", NOW, NOW) == f"Invalid nonce: duplicate nonce {NOW}"
    assert nonces.refusal("b", NOW, NOW) is None
    assert nonces.refusal("a", NOW - 5, NOW) is None


def test_below_the_hundred_highest_a_nonce_is_too_low() -> None:
    nonces = Nonces()
    for offset in range(KEPT + 1):
        nonces.use("a", NOW + offset)
    assert nonces.refusal("a", NOW, NOW) == f"Invalid nonce: nonce too low {NOW} < {NOW + 1}"
    assert nonces.refusal("a", NOW + KEPT + 1, NOW) is None


def test_a_nonce_lies_within_days_of_the_block() -> None:
    nonces = Nonces()
    assert nonces.refusal("a", NOW - 2 * DAY_MS, NOW) is None
    assert nonces.refusal("a", NOW + DAY_MS, NOW) is None
    assert "too low" in str(nonces.refusal("a", NOW - 2 * DAY_MS - 1, NOW))
    assert "too high" in str(nonces.refusal("a", NOW + DAY_MS + 1, NOW))


@given(st.lists(st.integers(NOW - 10_000, NOW + 10_000), max_size=400))
def test_no_nonce_is_ever_taken_twice(numbers: list[int]) -> None:
    nonces, taken = Nonces(), set()
    for nonce in numbers:
        if nonces.refusal("a", nonce, NOW) is None:
            assert nonce not in taken
            nonces.use("a", nonce)
            taken.add(nonce)


def test_weight_refills_over_the_minute() -> None:
    bucket = Bucket(1200, 0)
    assert bucket.take(1200, 0)
    assert not bucket.take(1, 0)
    assert bucket.take(600, 30 * NS)
    assert not bucket.take(1, 30 * NS)
    bucket.charge(100, 30 * NS)
    assert not bucket.take(1, 35 * NS)
    assert bucket.take(1, 36 * NS)


def test_a_peer_has_ten_connections_and_thirty_a_minute() -> None:
    peer = Peer(0)
    assert sum(peer.connect(0) for _ in range(1000)) == 10
    opened = 10
    for _ in range(100):
        peer.connections -= 1
        opened += peer.connect(0)
    assert opened == 30


def test_a_peer_follows_ten_users_and_a_thousand_channels() -> None:
    peer = Peer(0)
    assert [peer.subscribe(f"u{i % 11}") for i in range(11)].count(None) == 10
    peer.unsubscribe("u3")
    assert peer.subscribe("u10") is None
    assert [peer.subscribe("") for _ in range(1000)].count(None) == 990


def test_agents_sign_until_they_expire() -> None:
    users = Users()
    users.approve("m", "a", "", NOW)
    assert users.master_of("a", NOW + VALID_MS) == "m"
    with pytest.raises(Refused, match="does not exist"):
        users.master_of("a", NOW + VALID_MS + 1)
    assert users.master_of("stranger", NOW) == "stranger"


def test_an_agent_of_the_same_name_is_replaced() -> None:
    users = Users()
    users.approve("m", "a", "bot", NOW)
    users.approve("m", "b", f"bot valid_until {NOW + LONGEST_MS}", NOW)
    assert users.agent("a") is None
    (agent,) = users.agents_of("m")
    assert (agent.address, agent.name, agent.until_ms) == ("b", "bot", NOW + LONGEST_MS)


@pytest.mark.parametrize("until", [NOW, NOW + LONGEST_MS + 1])
def test_the_validity_of_an_agent_is_bounded(until: int) -> None:
    with pytest.raises(Refused, match="180 days"):
        Users().approve("m", "a", f"bot valid_until {until}", NOW)


def test_a_user_has_three_named_agents_and_two_more_for_each_sub_account() -> None:
    users = Users()
    for name in "abc":
        users.approve("m", name, name, NOW)
    with pytest.raises(Refused, match="Current limit is 3"):
        users.approve("m", "d", "d", NOW)
    users.open_sub_account("m", "one")
    users.approve("m", "d", "d", NOW)
    users.approve("m", "unnamed", "", NOW)
    assert len(users.agents_of("m")) == 4


def test_an_agent_serves_one_master() -> None:
    users = Users()
    users.approve("m", "a", "", NOW)
    with pytest.raises(Refused, match="already used"):
        users.approve("n", "a", "", NOW)


def test_sub_accounts_have_names_and_addresses_of_their_own() -> None:
    users = Users()
    addresses = {users.open_sub_account("m", f"s{i}") for i in range(10)}
    assert len(addresses) == 10
    with pytest.raises(Refused, match="Too many"):
        users.open_sub_account("m", "s10")
    with pytest.raises(Refused, match="Invalid"):
        users.open_sub_account("n", "")


def trade(second: float, units: int, lots: int = 10) -> Print:
    return Print(0, 0, units, lots, round(second * 1e3) * MS, 1, NOBODY, NOBODY)


def test_candles_join_minutes() -> None:
    history = History()
    for second, units in ((5, 100), (10, 103), (50, 99), (70, 101), (400, 110)):
        history.add(trade(second, units))
    first, second, last = history.candles("1m", 0, 10**9)
    assert first == Candle(0, 100, 99, 103, 99, 30, 3020, 3)
    assert (second.start_ms, last.start_ms) == (60_000, 360_000)
    five, rest = history.candles("5m", 0, 10**9)
    assert five == Candle(0, 100, 101, 103, 99, 40, 4030, 4)
    assert history.last_candle("5m") == rest
    assert history.last_candle("1h") == Candle(0, 100, 110, 110, 99, 50, 5130, 5)
    assert history.day(500_000) == (50, 5130, 100)
    assert history.day(500_000 + 86_400_000)[:2] == (0, 0)


def test_months_are_of_the_calendar() -> None:
    start = candle_start("1M", NOW)
    assert candle_start("1M", start) == start
    assert candle_start("1M", candle_end("1M", start) + 1) == candle_end("1M", start) + 1


@pytest.mark.parametrize(
    ("number", "written"),
    [(0.0, "0.0"), (-0.0, "0.0"), (5.0, "5.0"), (1.895e-06, "0.000001895"), (-1e-12, "0.0")],
)
def test_numbers_have_a_decimal_point(number: float, written: str) -> None:
    assert text.decimal(number) == written


def test_counts_are_written_exactly() -> None:
    assert text.price(841430, 5) == "84143.0"
    assert text.price(44113, 0) == "0.044113"
    assert text.size(-56_000, 3) == "-56.0"
    assert text.size(7, 0) == "7.0"
    assert text.micro(-5) == "-0.000005"
    assert text.dollars(1e9 + 0.25) == "1000000000.25"
