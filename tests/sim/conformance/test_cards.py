"""Every card at the embedded exchange and at the local server, and the table of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sim.conformance import __main__ as command
from sim.conformance.card import TARGETS, Broken, Card, Need, Scene, card
from sim.conformance.desk import Refused
from sim.conformance.page import page
from sim.conformance.run import CARDS, KEYS, LACKS, due, run
from sim.exchange import checks, schedule
from sim.exchange.account import Account
from sim.exchange.clearing import Clearing
from sim.exchange.exchange import Exchange
from sim.exchange.matching import Book
from sim.exchange.requests import Requests

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("name", CARDS)
def test_the_embedded_exchange_conforms(name):
    assert run(CARDS[name], "embedded") == due(CARDS[name], "embedded")


@pytest.mark.parametrize("name", CARDS)
def test_the_local_server_conforms(name):
    assert run(CARDS[name], "server") == due(CARDS[name], "server")


def test_the_testnet_is_not_run_without_keys(monkeypatch):
    monkeypatch.delenv(KEYS, raising=False)
    for one in CARDS.values():
        assert run(one, "testnet") == due(one, "testnet")
        assert run(one, "testnet").verdict in ("not run", "not applicable")


def test_the_table_is_what_the_command_writes():
    results = {(n, target): due(one, target) for n, one in CARDS.items() for target in TARGETS}
    assert (ROOT / "docs" / "conformance.md").read_text() == page(CARDS, results)


def test_nothing_passes_in_silence():
    """A card that a target cannot express has a reason, and every reason is used."""
    for target, reasons in LACKS.items():
        for need, reason in reasons.items():
            users = [one for one in CARDS.values() if need in one.needs]
            assert users
            assert all(reason in due(one, target).reason for one in users)


def test_netting_is_marked_as_not_verified():
    netting = CARDS["MARGIN-3"]
    assert netting.evidence == "not verified"
    assert "nothing is netted" in netting.behaviour


def made(check, differs=()):
    return Card("X-1", "It is so.", 1, "measured", frozenset(), Scene(), dict(differs), check)


def broken(_bench):
    raise Broken("it is not so")


def holding(_bench):
    pass


def test_a_broken_card_fails_and_says_why():
    assert run(made(broken), "embedded") == ("fails", "it is not so")
    assert run(made(holding), "embedded") == ("holds", "")


def test_a_known_difference_must_stay_one():
    known = {"embedded": "on purpose"}
    assert run(made(broken, known), "embedded") == ("differs", "on purpose")
    assert run(made(holding, known), "embedded").verdict == "fails"


@pytest.mark.parametrize(
    ("where", "what", "instead", "name"),
    [
        (Account, "can_place", lambda *_: True, "MARGIN-1"),
        (Account, "can_place", lambda *_: True, "MARGIN-3"),
        (Account, "can_carry", lambda *_: True, "MARGIN-5"),
        (Account, "reducible", lambda *_: 1, "RO-1"),
        (Book, "crosses", lambda *_: False, "ALO-1"),
        (Clearing, "_follow", lambda *_: None, "RO-4"),
        (Requests, "admit", lambda *_, **__: True, "BUDGET-2"),
        (checks, "MAX_DISTANCE", 2.0, "FAR-1"),
        (checks, "OPEN_ORDERS", 5000, "OPEN-1"),
        (schedule, "REQUIRED_USD", 0, "DEAD-1"),
        (schedule, "FIRES_PER_DAY", 11, "DEAD-5"),
        (Exchange, "settle_funding", lambda *_: None, "FUND-1"),
    ],
)
def test_a_card_notices_when_the_exchange_behaves_otherwise(
    monkeypatch, where, what, instead, name
):
    monkeypatch.setattr(where, what, instead)
    assert run(CARDS[name], "embedded").verdict == "fails"


def test_what_is_refused_by_surprise_is_no_known_difference():
    def refusing(_bench):
        raise Refused("no")

    known = {"embedded": "on purpose"}
    assert run(made(refusing, known), "embedded") == ("fails", "Refused: no")


def test_two_cards_of_one_name_are_refused():
    with pytest.raises(ValueError, match="GRID-1"):
        card("GRID-1", 1)(holding)


def test_a_scene_of_its_own_is_a_need():
    assert Need.SCENE in CARDS["BUDGET-2"].needs
    assert Need.SCENE not in CARDS["ALO-1"].needs


def test_the_command_prints_and_writes(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(command, "CARDS", {"X-1": made(holding)})
    monkeypatch.delenv(KEYS, raising=False)
    assert command.conformance(target="embedded") == 0
    assert capsys.readouterr().out == "embedded  X-1         holds\n"
    assert command.conformance(target="embedded", json=True) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row == {"card": "X-1", "target": "embedded", "verdict": "holds", "reason": ""}
    assert command.conformance(write=tmp_path / "page.md") == 0
    assert (
        "| X-1 | It is so. | 1 | measured | holds | holds | not run |"
        in (tmp_path / "page.md").read_text()
    )
    assert command.conformance(target="server", write=tmp_path / "page.md") == 2


def test_the_command_fails_where_a_card_does(capsys, monkeypatch):
    monkeypatch.setattr(command, "CARDS", {"X-1": made(broken)})
    assert command.conformance(target="embedded") == 1
    assert "it is not so" in capsys.readouterr().out
