"""The preset of twenty markets over real sockets for two minutes, as a standard and as a unified account.

Server, engine and guard are processes of their own; what they did is asked of the server through the
official SDK, and read from the journal.
"""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import eth_account
import pytest
from hyperliquid.info import Info

from portfolio_mm import config
from portfolio_mm.runtime import journal
from portfolio_mm.runtime.records import Closing, Opening
from portfolio_mm.runtime.verify import verify
from portfolio_mm.types import AccountState, Events

ROOT = Path(__file__).parents[1]
PMM = (sys.executable, "-m", "portfolio_mm.cli")
FAUCET_USD = 100_000.0
HOURS = 2.0 / 60.0
DEXES = ("", "xyz", "para")
PREVENTABLE = ("tick", "size", "minimum value", "margin", "Too many")
"""Words of refusals that a maker who knows the rules and its budgets never hears."""


class Session(NamedTuple):
    """What came of one account."""

    run: Path
    summary: dict[str, Any]
    info: Info
    address: str
    closing: Closing


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture(scope="module")
def sessions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Session]]:
    """Both accounts quote at the same time."""
    servers, engines, addresses = {}, {}, {}
    preset = (ROOT / "configs" / "hip3_local.toml").read_text()
    try:
        for mode in ("standard", "unified"):
            folder, port = tmp_path_factory.mktemp(mode), free_port()
            key = folder / "key"
            path = folder / "hip3.toml"
            path.write_text(
                preset.replace("127.0.0.1:8791", f"127.0.0.1:{port}").replace(
                    "runs/keys/hip3_local", str(key)
                )
            )
            where = ("--port", str(port), "--faucet", str(FAUCET_USD), "--account", mode)
            server = subprocess.Popen(
                [*PMM, "venue", str(path), *where], stdout=subprocess.PIPE, text=True, cwd=folder
            )
            servers[mode] = server
            assert server.stdout is not None
            assert server.stdout.readline() == f"http://127.0.0.1:{port}\n"
            engines[mode] = subprocess.Popen(
                [*PMM, "quote", str(path), "--run", "run", "--hours", str(HOURS), "--json"],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                cwd=folder,
            )
            addresses[mode] = (folder, key, f"http://127.0.0.1:{port}")
        found = {}
        for mode, engine in engines.items():
            out, complaints = engine.communicate(timeout=240)
            assert engine.returncode == 0, complaints
            folder, key, url = addresses[mode]
            (last,) = journal.read(folder / "run", "closing")
            found[mode] = Session(
                folder / "run",
                json.loads(out),
                Info(url, skip_ws=True),
                eth_account.Account.from_key(key.read_text().strip()).address.lower(),
                last.decode(Closing),
            )
        yield found
    finally:
        for process in (*engines.values(), *servers.values()):
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
            process.wait(timeout=30)
            for pipe in (process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()


@pytest.fixture(params=["standard", "unified"])
def session(request: pytest.FixtureRequest, sessions: dict[str, Session]) -> Session:
    return sessions[request.param]


def test_the_preset_has_twenty_markets_of_two_deployers() -> None:
    assets = config.load(ROOT / "configs" / "hip3_local.toml").assets
    assert len(assets) == 20
    assert {asset.name.split(":")[0] for asset in assets} == {"xyz", "para"}


def test_it_quotes_every_market(session: Session) -> None:
    opening = next(iter(journal.read(session.run, "opening"))).decode(Opening)
    universe = opening.universe
    assert universe.isolated.any()
    assert not universe.isolated.all()
    assert len(universe.pools) == (1 if universe.pools == ("USDC",) else 2)
    assert session.summary["run"]["stopped"] == "its time is over"
    assert all(row["time_quoted_both"] > 0.8 for row in session.summary["assets"])
    assert session.summary["headline"]["fills"] > 0


def test_no_order_is_refused_that_need_not_be(session: Session) -> None:
    words = [
        update.reason
        for row in journal.read(session.run, "events")
        for update in row.decode(Events).updates
        if update.reason
    ]
    assert not [reason for reason in words if any(word in reason for word in PREVENTABLE)]


def test_budgets_are_never_exceeded(session: Session) -> None:
    accounts = [row.decode(AccountState) for row in journal.read(session.run, "account")]
    assert min(account.ip_weight for account in accounts) >= 0.0
    assert min(account.address_requests for account in accounts) > 20.0
    limit = session.info.post("/info", {"type": "userRateLimit", "user": session.address})
    assert 0 < limit["nRequestsUsed"] <= limit["nRequestsCap"]


def test_the_journal_ends_where_the_venue_does(session: Session) -> None:
    """Nothing rests, and the journal holds the venue's positions to the lot."""
    assert session.closing.confirmed
    assert session.closing.resting == ()
    assert not [o for dex in DEXES for o in session.info.open_orders(session.address, dex)]
    opening = next(iter(journal.read(session.run, "opening"))).decode(Opening)
    names = opening.universe.names
    ours = dict(zip(names, session.closing.position or (0.0,) * len(names), strict=True))
    there = {
        row["position"]["coin"]: float(row["position"]["szi"])
        for dex in DEXES
        for row in session.info.user_state(session.address, dex)["assetPositions"]
    }
    assert {name: held for name, held in ours.items() if held} == pytest.approx(there, abs=1e-9)
    assert not list(journal.read(session.run, "divergence"))


def test_equity_is_read_where_the_account_keeps_it(session: Session) -> None:
    first = next(iter(journal.read(session.run, "account"))).decode(AccountState)
    assert first.equity == pytest.approx(FAUCET_USD, rel=1e-3)


def test_the_journal_replays(session: Session) -> None:
    assert verify(session.run).different == ()


def test_the_word_of_the_venue_is_timed(session: Session) -> None:
    requests = session.summary["requests"]
    assert 0.0 < requests["word_p50_s"] <= requests["word_p99_s"]
