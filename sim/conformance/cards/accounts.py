"""Where collateral is: pools of dexs, unified accounts, sub-accounts; and who may act."""

# ruff: noqa: D401 - the docstring of a check states what the venue does

from __future__ import annotations

from contextlib import suppress
from typing import Any

from eth_account import Account

from sim.conformance.card import AVGO, TSLA, Need, Scene, begins, card, expect, near, refused, same
from sim.conformance.desk import Bench, Refused
from sim.conformance.moves import rest, resting, take, wish
from sim.conformance.sdk import SdkBench, SdkDesk, done

SHORT = "Insufficient margin to place order."
TWO_DEXS = (TSLA, AVGO)


@card(
    "STANDARD-1",
    7,
    scene=Scene(TWO_DEXS, usd=1000.0),
)
def pools(bench: Bench) -> None:
    """In standard mode every dex has collateral of its own."""
    desk = bench.desk()
    resting(*desk.place(wish(bench, TSLA, 15_000.0, -0.05)))
    order = wish(bench, AVGO, 25_000.0, -0.05)
    begins(desk.place(order)[0].error, SHORT, "refusal")
    resting(*desk.place(wish(bench, AVGO, 15_000.0, -0.05)))


@card(
    "STANDARD-2",
    7,
    "documented",
    scene=Scene(TWO_DEXS, usd=1000.0),
)
def moved(bench: Bench) -> None:
    """Collateral moves between dexs, as far as positions and orders spare it."""
    desk = bench.desk()
    desk.send("xyz", "para", 600.0)
    near(desk.balance("para"), 1600.0, "equity on para")
    resting(*desk.place(wish(bench, AVGO, 25_000.0, -0.05)))
    with refused("", "sending what orders reserve"):
        desk.send("para", "xyz", 600.0)


@card(
    "UNIFIED-1",
    7,
    "documented",
    scene=Scene(TWO_DEXS, mode="unified", usd=2000.0),
)
def shared(bench: Bench) -> None:
    """In unified mode cross positions and orders on all dexs share one collateral."""
    desk = bench.desk()
    resting(*desk.place(wish(bench, TSLA, 25_000.0, -0.05)))
    order = wish(bench, AVGO, 10_000.0, -0.05)
    resting(*desk.place(order))
    begins(desk.place(order)[0].error, SHORT, "refusal")


@card(
    "UNIFIED-2",
    7,
    "measured",
    Need.SIGNATURES,
    scene=Scene(mode="unified", usd=2000.0),
)
def equity(bench: Bench) -> None:
    """The equity of a unified account is its spot balance; the state of a dex does not show it."""
    desk = bench.desk()
    take(bench, desk, TSLA, 500.0)
    near(desk.balance("spot"), 2000.0, "spot balance", within=1e-3)
    expect(desk.balance("xyz") < 100.0, "the dex shows the whole collateral as equity")


@card(
    "UNIFIED-3",
    4,
    "documented",
    scene=Scene(mode="unified"),
)
def no_transfer(bench: Bench) -> None:
    """A unified account refuses transfers between spot and perpetuals."""
    with refused("Action disabled when unified account is active", "class transfer"):
        bench.desk().class_transfer(100.0)


@card(
    "UNIFIED-4",
    3,
    "documented",
    Need.SIGNATURES,
    scene=Scene(mode="unified"),
)
def mode(bench: SdkBench) -> None:
    """The mode of an account can be asked for."""
    desk = bench.desk()
    assert isinstance(desk, SdkDesk)
    same(bench.info.query_user_abstraction_state(desk.address), "unifiedAccount", "mode")


@card(
    "STANDARD-3",
    7,
    "documented",
    scene=Scene(usd=1000.0),
)
def spot(bench: Bench) -> None:
    """Spot dollars are no collateral, and can be moved to the main dex."""
    desk = bench.desk()
    desk.class_transfer(400.0)
    near(desk.balance("spot"), 600.0, "spot")
    near(desk.balance(""), 1400.0, "equity on the main dex")


def agent(bench: SdkBench) -> tuple[SdkDesk, SdkDesk]:
    """Return the desk of a user, and that of a new agent for it."""
    desk = bench.sdk_desk(Account.from_key(bench.new_key()))
    rest(bench, desk, TSLA, 100.0)
    reply, key = desk.exchange.approve_agent("card")
    done(reply)
    return desk, bench.sdk_desk(Account.from_key(key), account_address=desk.address)


@card(
    "AGENT-1",
    5,
    "measured",
    Need.SIGNATURES,
    Need.TRACES,
)
def trades(bench: SdkBench) -> None:
    """An agent trades for the account that approved it."""
    desk, helper = agent(bench)
    oid = rest(bench, helper, TSLA, 100.0).oid
    expect(oid in desk.open_orders("xyz"), "the agent's order is the account's")
    same(desk.cancel(TSLA, oid), [""], "the account's cancel of it")


@card("AGENT-2", 5, "measured", Need.SIGNATURES, Need.TRACES)
def no_withdrawal(bench: SdkBench) -> None:
    """An agent cannot transfer."""
    desk, helper = agent(bench)
    before = desk.balance("")
    with refused("Must deposit before performing actions.", "a transfer signed by an agent"):
        done(helper.exchange.usd_transfer(10.0, desk.address))
    with refused("Must deposit before performing actions.", "a move signed by an agent"):
        done(helper.exchange.send_asset(desk.address, "xyz", "para", helper.token, 10.0))
    near(desk.balance(""), before, "equity")


@card(
    "AGENT-3",
    5,
    "measured",
    Need.SIGNATURES,
    Need.TRACES,
)
def replaced(bench: SdkBench) -> None:
    """An agent of the same name replaces the old one at once."""
    desk, helper = agent(bench)
    done(desk.exchange.approve_agent("card")[0])
    before = desk.open_orders("xyz")
    with suppress(Refused):
        helper.cancel(TSLA, *before)
    same(desk.open_orders("xyz"), before, "open orders after a cancel of the replaced agent")


@card(
    "AGENT-4",
    5,
    "measured",
    Need.SIGNATURES,
    Need.TRACES,
)
def named(bench: SdkBench) -> None:
    """An account has at most three named agents."""
    desk, _ = agent(bench)
    for name in ("two", "three"):
        done(desk.exchange.approve_agent(name)[0])
    with refused("Too many extra agents for cumulative volume traded.", "a fourth agent"):
        done(desk.exchange.approve_agent("four")[0])


def sub_account(bench: SdkBench) -> tuple[SdkDesk, SdkDesk]:
    """Return the desk of a user, and that of a new and funded sub-account."""
    desk = bench.sdk_desk(Account.from_key(bench.new_key()))
    rest(bench, desk, TSLA, 100.0)
    created: Any = done(desk.exchange.create_sub_account("card"))
    sub = bench.sdk_desk(desk.exchange.wallet, vault_address=created["data"])
    done(desk.exchange.send_asset(sub.address, "xyz", "xyz", desk.token, 500.0))
    return desk, sub


@card(
    "SUB-1",
    5,
    "documented",
    Need.SIGNATURES,
    Need.TRACES,
)
def sub(bench: SdkBench) -> None:
    """A master key trades for its sub-account, which has margin of its own."""
    desk, other = sub_account(bench)
    before = desk.open_orders("xyz")
    oid = rest(bench, other, TSLA, 5000.0).oid
    same(other.open_orders("xyz"), [oid], "open orders of the sub-account")
    same(desk.open_orders("xyz"), before, "open orders of the master")
    begins(other.place(wish(bench, TSLA, 9000.0, -0.02))[0].error, SHORT, "refusal")
    same(other.cancel(TSLA, oid), [""], "the cancel")


@card(
    "SUB-2",
    8,
    "documented",
    Need.SIGNATURES,
    Need.TRACES,
)
def sub_budget(bench: SdkBench) -> None:
    """A sub-account has a request budget of its own."""
    desk, other = sub_account(bench)
    before = desk.requests().used
    rest(bench, other, TSLA, 100.0)
    same(desk.requests().used, before, "requests of the master")
    same(other.requests().used, 1, "requests of the sub-account")


@card(
    "SUB-3",
    5,
    "documented",
    Need.SIGNATURES,
    Need.TRACES,
)
def not_mine(bench: SdkBench) -> None:
    """Nobody else may act for a sub-account."""
    _, other = sub_account(bench)
    wallet = Account.from_key(bench.new_key())
    stranger = bench.sdk_desk(wallet, vault_address=other.address)
    with refused("", "a stranger's order"):
        rest(bench, stranger, TSLA, 100.0)
    same(other.open_orders("xyz"), [], "open orders of the sub-account")


@card(
    "SUB-4",
    5,
    "documented",
    Need.SIGNATURES,
    Need.TRACES,
    differs={"server": "newcomers may open sub-accounts, or the client's examples could not run"},
)
def sub_volume(bench: SdkBench) -> None:
    """A sub-account can be opened only after 100 000 USD of volume."""
    desk = bench.sdk_desk(Account.from_key(bench.new_key()))
    rest(bench, desk, TSLA, 100.0)
    with refused("", "a sub-account without volume"):
        done(desk.exchange.create_sub_account("card"))
