"""The command line: exit status 0, 1 or 2, results on stdout, one clear line where it fails."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tomllib
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
import pytest

from portfolio_mm import cli
from portfolio_mm.runtime import codec, journal, loop
from portfolio_mm.runtime.records import Closing
from portfolio_mm.runtime.verify import verify
from portfolio_mm.types import NS
from sim.embedded import EmbeddedVenue

ROOT = Path(__file__).parents[1]
COMMANDS = (
    *("quote", "replay", "report", "check", "verify"),
    *("venue", "stop", "cancel", "record"),
)

EMBEDDED = """
name = "small"
venue = { kind = "embedded", seed = 5, hours = 0.006, deposit_usd = 20_000.0 }
account = { margin_buffer = 0.2 }
governor = { volatility_budget = 0.01, kelly_fraction = 0.25, max_drawdown = 0.05 }
run = { durable_journal = false }
assets = [{ name = "xyz:NVDA", leverage = 10, size_usd = 1000.0 }]
"""

RECORDED = """
name = "small"
replay = { data = "DATA", queues = ["conservative"], maker_fees_bps = [0.0] }
account = { margin_buffer = 0.2 }
governor = { volatility_budget = 0.01, kelly_fraction = 0.25, max_drawdown = 0.05 }
run = { durable_journal = false }
assets = [{ name = "BTC", leverage = 10, size_usd = 1000.0 }]

[venue]
kind = "recorded"
seed = 1
deposit_usd = 20_000.0
queue = "conservative"
maker_fee_bps = 0.0
taker_fee_bps = 4.5
"""


LOCAL = """
name = "small"
venue = { kind = "hyperliquid", network = "local", url = "http://127.0.0.1:1", key_file = "KEY" }
server = { seed = 5 }
account = { margin_buffer = 0.2 }
governor = { volatility_budget = 0.01, kelly_fraction = 0.25, max_drawdown = 0.05 }
kill = { position_usd = 5_000.0, daily_loss_usd = 500.0 }
assets = [{ name = "xyz:NVDA", leverage = 10, size_usd = 1000.0 }]
"""


class Ended(NamedTuple):
    """How a command ended."""

    status: int
    out: str
    err: str


@pytest.fixture
def pmm(monkeypatch, capsys, tmp_path):
    """Run a command in this process, in an empty working directory."""
    monkeypatch.chdir(tmp_path)

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["pmm", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        status = ended.value.code
        return Ended(0 if status is None else status, *capsys.readouterr())

    return run


def refused(ended, *words, status=2):
    """Assert that bad input was refused in one line that holds `words`."""
    assert ended.status == status
    assert ended.out == ""
    assert ended.err.startswith("pmm: ")
    assert ended.err.count("\n") == 1
    assert ended.err.endswith("\n")
    for word in words:
        assert word in ended.err
    return True


def write(folder, text, name="run.toml"):
    path = folder / name
    path.write_text(text)
    return path


def market(folder, seconds=20, drop=None):
    """Write a small recording of BTC: a book and a trade each second."""
    folder.mkdir()
    rng = np.random.default_rng(3)
    steps = np.arange(seconds)
    exch = 1_757_000_000 * NS + steps * NS
    middle = 50_000.0 + np.cumsum(rng.integers(-2, 3, seconds))
    times = {"ts_recv_ns": exch + NS // 4, "ts_exch_ns": exch, "inst": ["BTC"] * seconds}
    book = times | {
        f"{side}_{column}_{level}": value
        for level in range(2)
        for side, sign in (("bid", -1), ("ask", 1))
        for column, value in (
            ("px", middle + sign * (1 + level)),
            ("sz", np.full(seconds, 0.5 + level)),
        )
    }
    aggressor = np.where(steps % 2 == 0, "buy", "sell")
    price = middle + np.where(steps % 2 == 0, 1, -1)
    trades = times | {"px": price, "sz": np.full(seconds, 0.01), "aggressor": aggressor.tolist()}
    for name, columns in (("l2_2lvl", book), ("trades", trades)):
        frame = pl.DataFrame(columns)
        if drop is not None and drop[0] == name:
            frame = frame.drop(drop[1])
        frame.write_parquet(folder / f"{name}.parquet")
    return folder


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("cli")


@pytest.fixture(scope="module")
def recording(home):
    return market(home / "data")


@pytest.fixture(scope="module")
def embedded(home):
    return write(home, EMBEDDED, "embedded.toml")


@pytest.fixture(scope="module")
def recorded(home, recording):
    return write(home, RECORDED.replace("DATA", str(recording)), "recorded.toml")


@pytest.fixture(scope="module")
def shell(home, embedded):
    """The command as a stranger runs it: another process; it leaves a journal."""
    command = [sys.executable, "-m", "portfolio_mm.cli"]
    done = subprocess.run(
        [*command, "quote", str(embedded), "--run", str(home / "run"), "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def run(shell, home):
    """A finished run."""
    assert shell.status == 0
    return home / "run"


# What works


def test_quote_ends_well_in_a_process_of_its_own(shell, run):
    assert shell == (0, shell.out, "")
    summary = json.loads(shell.out)
    assert summary["run"]["stopped"] == "the market closed"
    assert summary["run"]["complete"]
    assert summary["run"]["assets"] == ["xyz:NVDA"]
    assert list(run.iterdir()) == [run / journal.NAME]


def test_bad_input_in_a_process_of_its_own(tmp_path):
    missing = tmp_path / "none.toml"
    done = subprocess.run(
        [sys.executable, "-m", "portfolio_mm.cli", "quote", str(missing)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused(Ended(done.returncode, done.stdout, done.stderr), f"{missing}: no such file")


def test_quote_names_the_folder_after_the_run(pmm, embedded, tmp_path):
    ended = pmm("quote", embedded)
    assert ended.status == 0
    assert "xyz:NVDA" in ended.out
    assert "runs/small" in ended.err
    assert (tmp_path / "runs" / "small" / journal.NAME).is_file()


def test_report_as_json(pmm, run, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(run, folder)
    ended = pmm("report", folder, "--json", "--asset", "xyz:NVDA")
    assert (ended.status, ended.err) == (0, "")
    assert json.loads(ended.out) == json.loads((folder / "report.json").read_text())
    assert (folder / "report.html").read_text().startswith("<!doctype html>")
    assert (folder / "report.png").read_bytes().startswith(b"\x89PNG")


def test_verify(pmm, run):
    ended = pmm("verify", run, "--json")
    assert (ended.status, ended.err) == (0, "")
    result = json.loads(ended.out)
    assert result["cycles"] > 20
    assert result["different"] == []
    assert result["digest"] == journal.digest(run)
    plain = pmm("verify", run)
    assert (plain.status, plain.out) == (0, "")
    assert result["digest"] in plain.err


def test_verify_finds_another_quote(pmm, run, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(run, folder)
    with sqlite3.connect(folder / journal.NAME) as database:
        [(last,)] = database.execute("SELECT MAX(seq) FROM journal WHERE kind = 'quotes'")
        database.execute(
            "UPDATE journal SET body = (SELECT body FROM journal WHERE kind = 'quotes' LIMIT 1)"
            "WHERE seq = ?",
            (last,),
        )
    database.close()
    ended = pmm("verify", folder, "--json")
    assert ended.status == 1
    assert len(json.loads(ended.out)["different"]) == 1


def test_check(pmm, embedded, recorded):
    for path, venue in ((embedded, "embedded"), (recorded, "recorded")):
        ended = pmm("check", path, "--json")
        assert (ended.status, ended.err) == (0, "")
        found = json.loads(ended.out)
        assert found["venue"] == venue
        assert [asset["complaint"] for asset in found["assets"]] == [""]
        assert pmm("check", path).status == 0


def test_check_finds_what_would_not_quote(pmm, tmp_path):
    path = write(tmp_path, EMBEDDED.replace("size_usd = 1000.0", "size_usd = 5.0"))
    ended = pmm("check", path, "--json")
    assert ended.status == 1
    assert "smallest order" in json.loads(ended.out)["assets"][0]["complaint"]


def test_replay(pmm, recorded, tmp_path):
    ended = pmm("replay", recorded, "--run", tmp_path / "run", "--json")
    assert (ended.status, ended.err) == (0, "")
    [scenario] = json.loads(ended.out)
    assert scenario["queue"] == "conservative"
    assert scenario["statistics"]["rows"] == 40
    [folder] = (tmp_path / "run").iterdir()
    assert verify(folder).different == ()


@pytest.mark.parametrize("words", [(), *((command,) for command in COMMANDS)])
def test_help(pmm, words):
    ended = pmm(*words, "--help")
    assert (ended.status, ended.err) == (0, "")
    for word in ("--json",) if words else COMMANDS:
        assert word in ended.out


def test_version(pmm):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert pmm("--version").out.strip() == project["version"]


# What is refused


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("fly",), "Unknown command"),
        (("quote",), "requires an argument"),
        (("report",), "requires an argument"),
        (("verify",), "requires an argument"),
        (("check",), "requires an argument"),
        (("replay",), "requires an argument"),
        (("venue",), "requires an argument"),
        (("stop",), "requires an argument"),
        (("venue", "a.toml", "--port", "70000"), "--port"),
        (("venue", "a.toml", "--speed", "0"), "--speed"),
        (("venue", "a.toml", "--account", "joint"), "--account"),
        (("quote", "a.toml", "--hours", "-1"), "--hours"),
        (("quote", "a.toml", "--speed", "9"), "--speed"),
        (("quote", "a.toml", "--run"), "--run"),
        (("quote", "a.toml", "b.toml"), "b.toml"),
        (("report", "run", "--asset"), "--asset"),
    ],
)
def test_words_that_make_no_command(pmm, words, expected):
    assert refused(pmm(*words), expected)


@pytest.mark.parametrize("command", ["quote", "replay", "check"])
@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (None, None, ("no such file",)),
        (EMBEDDED, "name = = 1", ("not TOML", "line 1")),
        ("margin_buffer", "margin_bufer", ("unknown key", "`$.account.margin_bufer`")),
        ("leverage = 10", 'leverage = "ten"', ("Expected `int`", "`$.assets[0].leverage`")),
        ("size_usd = 1000.0", "size_usd = nan", ("finite", "`$.assets[0].size_usd`")),
        ("kelly_fraction = 0.25, ", "", ("missing key", "`$.governor.kelly_fraction`")),
        ("hours = 0.006", "hours = -1.0", ("`$.venue.hours`",)),
    ],
    ids=["missing", "toml", "unknown", "type", "nan", "required", "range"],
)
def test_bad_configurations(pmm, tmp_path, command, old, new, words):
    path = tmp_path / "run.toml"
    if old is not None:
        path.write_text(EMBEDDED.replace(old, new))
    assert refused(pmm(command, path), str(path), *words)


@pytest.mark.parametrize("command", ["quote", "check"])
@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("xyz:NVDA", "xyz:NOPE", ("assets", "xyz:NOPE", "xyz:TSLA")),
        ("leverage = 10", "leverage = 50", ("xyz:NVDA", "leverage 50", "1..20")),
    ],
)
def test_what_the_embedded_exchange_does_not_list(pmm, tmp_path, command, old, new, words):
    path = write(tmp_path, EMBEDDED.replace(old, new))
    assert refused(pmm(command, path, *(["--run", "r"] if command == "quote" else [])), *words)
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize("command", ["replay", "check"])
@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"BTC"', '"DOGE"', ("DOGE", "BTC")),
        ("leverage = 10", "leverage = 50", ("BTC", "leverage 50", "1..40")),
    ],
)
def test_what_a_recording_does_not_hold(pmm, recording, tmp_path, command, old, new, words):
    text = RECORDED.replace("DATA", str(recording)).replace(old, new)
    assert refused(pmm(command, write(tmp_path, text)), *words)
    assert not (tmp_path / "runs").exists()


def test_each_venue_has_its_command(pmm, embedded, recorded):
    assert refused(pmm("quote", recorded), str(recorded), "pmm replay")
    assert refused(pmm("replay", embedded), str(embedded), "pmm quote")
    assert refused(pmm("venue", recorded), str(recorded), "[server]")
    assert refused(pmm("cancel", embedded), str(embedded), "remote")
    assert refused(pmm("record", embedded), str(embedded), "live data")


# Remote venues


@pytest.fixture
def local(tmp_path):
    return write(tmp_path, LOCAL.replace("KEY", str(tmp_path / "key")), "local.toml")


@pytest.mark.parametrize("command", ["quote", "check", "cancel"])
def test_a_local_server_that_does_not_run(pmm, local, command):
    assert refused(pmm(command, local), "http://127.0.0.1:1", "pmm venue", status=1)


@pytest.mark.parametrize("command", ["quote", "check", "cancel"])
def test_a_key_that_is_missing_or_open_to_others_or_none(pmm, tmp_path, command, monkeypatch):
    key = tmp_path / "key"
    testnet = LOCAL.replace("local", "testnet").replace("server = { seed = 5 }", "")
    testnet = testnet.replace(', url = "http://127.0.0.1:1"', "")
    path = write(tmp_path, testnet.replace("KEY", str(key)))
    assert refused(pmm(command, path), str(key), "cannot be read")
    secret = "0x" + "11" * 31
    key.write_text(secret)
    key.chmod(0o644)
    assert refused(pmm(command, path), str(key), "chmod 600")
    key.chmod(0o600)
    ended = pmm(command, path)
    assert refused(ended, str(key), "not a private key")
    assert secret not in ended.err
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    path = write(tmp_path, testnet.replace('key_file = "KEY"', 'key_env = "NO_SUCH_KEY"'))
    assert refused(pmm(command, path), "NO_SUCH_KEY", "not set")


@pytest.mark.parametrize("words", ["", "mainnet", "yes", "mainnet smal"])
def test_mainnet_must_be_confirmed(pmm, tmp_path, words):
    mainnet = LOCAL.replace("local", "mainnet").replace("server = { seed = 5 }", "")
    path = write(tmp_path, mainnet.replace(', url = "http://127.0.0.1:1"', ""))
    confirm = ("--confirm", words) if words else ()
    assert refused(pmm("quote", path, *confirm), '--confirm "mainnet small"')


def test_stop(pmm, run, tmp_path):
    assert refused(pmm("stop", tmp_path), "no such journal")
    assert refused(pmm("stop", run), "has ended", status=1)
    with journal.Journal(tmp_path / "going", durable=False):
        ended = pmm("stop", tmp_path / "going", "--flatten", "--json")
    assert (ended.status, ended.err) == (0, "")
    assert json.loads(ended.out)["flatten"] is True
    assert json.loads((tmp_path / "going" / "stop.json").read_text()) == {"flatten": True}


@pytest.mark.slow
def test_quote_over_real_sockets(tmp_path):
    """Server, engine and guard in processes of their own: check, quote, stop, quote again."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    text = LOCAL.replace("KEY", str(tmp_path / "key")).replace(':1"', f':{port}"')
    path = write(tmp_path, text, "local.toml")
    command = [sys.executable, "-m", "portfolio_mm.cli"]

    def pmm(*words):
        done = subprocess.run(
            [*command, *map(str, words)],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done

    server = subprocess.Popen(
        [*command, "venue", str(path), "--port", str(port), "--faucet", "50000"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        assert server.stdout.readline() == f"http://127.0.0.1:{port}\n"
        found = json.loads(pmm("check", path, "--live", "--json").stdout)
        assert found["pools"][0]["equity_usd"] == 50_000.0
        assert {f["what"]: f["found"] for f in found["findings"]}["kill path"] == "drilled"
        for start in (1, 2):
            quoted = pmm("quote", path, "--run", tmp_path / "run", "--hours", "0.002", "--json")
            summary = json.loads(quoted.stdout)
            assert summary["run"]["stopped"] == "its time is over"
            kinds = [row.kind for row in journal.read(tmp_path / "run")]
            assert kinds.count("opening") == kinds.count("closing") == start
        assert json.loads(pmm("cancel", path, "--json").stdout) == {"cancelled": [], "resting": []}
        secret = (tmp_path / "key").read_text().strip().removeprefix("0x")
        assert all(secret.encode() not in row.body for row in journal.read(tmp_path / "run"))
        assert verify(tmp_path / "run").different == ()
    finally:
        server.send_signal(signal.SIGINT)
        assert server.wait(timeout=10) == 0
        server.stdout.close()


def test_a_data_folder_that_is_missing_or_empty(pmm, recorded, tmp_path):
    (tmp_path / "empty").mkdir()
    assert refused(pmm("replay", recorded, "--data", tmp_path / "none"), "no such folder")
    assert refused(pmm("replay", recorded, "--data", tmp_path / "empty"), "empty: holds no")
    assert refused(pmm("replay", recorded, "--data", recorded), "no such folder")


@pytest.mark.parametrize(
    ("file", "column"),
    [
        ("trades", "px"),
        ("trades", "aggressor"),
        ("trades", "inst"),
        ("l2_2lvl", "inst"),
        ("l2_2lvl", "bid_px_0"),
        ("l2_2lvl", "ask_sz_1"),
    ],
)
def test_a_missing_column(pmm, recorded, tmp_path, file, column):
    data = market(tmp_path / "data", drop=(file, column))
    ended = pmm("replay", recorded, "--data", data)
    assert refused(ended, f"{file}.parquet", f"column {column} is missing")


def test_columns_of_times_are_missing(pmm, recorded, tmp_path):
    data = market(tmp_path / "data", drop=("trades", ["ts_exch_ns", "ts_recv_ns"]))
    ended = pmm("replay", recorded, "--data", data)
    assert refused(ended, "trades.parquet", "ts_exch_ns", "ts_recv_ns")


@pytest.mark.parametrize("file", ["trades.parquet", "l2_2lvl.parquet"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_truncated_parquet(pmm, recorded, tmp_path, file, share):
    data = market(tmp_path / "data")
    content = (data / file).read_bytes()
    (data / file).write_bytes(content[: int(share * len(content))])
    assert refused(pmm("replay", recorded, "--data", data), file, "not a readable Parquet file")


def test_parquet_that_was_damaged_inside(pmm, recorded, tmp_path):
    data = market(tmp_path / "data")
    path = data / "trades.parquet"
    content = path.read_bytes()
    path.write_bytes(content[:4] + b"\xff" * 60 + content[64:])
    ended = pmm("replay", recorded, "--data", data)
    assert refused(ended, "trades.parquet", "not a readable Parquet file")


# Folders of runs


@pytest.mark.parametrize("command", ["report", "verify"])
def test_a_folder_without_a_journal(pmm, tmp_path, command):
    for folder in (tmp_path, tmp_path / "none", tmp_path / ("long" * 100)):
        ended = pmm(command, folder)
        assert refused(ended, str(folder), status=1 if "long" in str(folder) else 2)


@pytest.mark.parametrize("command", ["report", "verify"])
@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[: len(content) // 2],
        lambda content: content[:50],
        lambda content: b"not a journal" * 100,
        lambda content: b"",
    ],
)
def test_a_damaged_journal(pmm, run, tmp_path, command, damage):
    content = damage((run / journal.NAME).read_bytes())
    (tmp_path / journal.NAME).write_bytes(content)
    assert refused(pmm(command, tmp_path), str(tmp_path / journal.NAME), "cannot be read")


@pytest.mark.parametrize("command", ["report", "verify"])
def test_a_journal_of_another_version(pmm, run, tmp_path, command):
    shutil.copy(run / journal.NAME, tmp_path)
    with sqlite3.connect(tmp_path / journal.NAME) as database:
        body = zlib.compress(codec.encode(Closing(cycles=1, stopped="")))
        database.execute("UPDATE journal SET body = ? WHERE kind = 'opening'", (body,))
    database.close()
    assert refused(pmm(command, tmp_path), "another version")


@pytest.mark.parametrize("command", ["report", "verify"])
def test_a_journal_without_its_beginning(pmm, run, tmp_path, command):
    shutil.copy(run / journal.NAME, tmp_path)
    with sqlite3.connect(tmp_path / journal.NAME) as database:
        database.execute("DELETE FROM journal WHERE kind = 'opening'")
    database.close()
    assert refused(pmm(command, tmp_path), "does not start with an opening")


def test_an_asset_that_was_not_traded(pmm, run):
    assert refused(pmm("report", run, "--asset", "xyz:GOLD"), "xyz:GOLD", "xyz:NVDA")


def test_a_journal_is_never_overwritten(pmm, embedded, run):
    before = (run / journal.NAME).read_bytes()
    assert refused(pmm("quote", embedded, "--run", run), str(run / journal.NAME), "another folder")
    assert (run / journal.NAME).read_bytes() == before


def test_a_run_folder_that_cannot_be_made(pmm, embedded, recorded, tmp_path):
    for folder in (embedded, embedded / "below"):
        assert refused(pmm("quote", embedded, "--run", folder), str(folder), "cannot be written")
        assert refused(pmm("replay", recorded, "--run", folder), str(folder), "cannot be written")


def test_a_report_that_cannot_be_written(pmm, run, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device", "report.html")

    monkeypatch.setattr(cli.reporting, "write", full)
    assert refused(pmm("report", run), "No space left", "report.html", status=1)


# Interrupted, or failed


@pytest.mark.parametrize("how", ["signal", "exception"])
def test_an_interrupted_run_leaves_a_journal_that_can_be_used(
    pmm, embedded, tmp_path, monkeypatch, how
):
    snapshot, count = EmbeddedVenue.snapshot, iter(range(100))

    def interrupt(self):
        if next(count) == 9:
            if how == "exception":
                raise KeyboardInterrupt
            signal.raise_signal(signal.SIGINT)
        return snapshot(self)

    monkeypatch.setattr(EmbeddedVenue, "snapshot", interrupt)
    assert refused(pmm("quote", embedded, "--run", tmp_path / "run"), "interrupted", status=130)
    last = list(journal.read(tmp_path / "run"))[-1]
    assert last.kind == "closing"
    closing = last.decode(Closing)
    assert closing.stopped == "interrupted"
    assert closing.cycles in {9, 10}
    assert verify(tmp_path / "run") == (closing.cycles, ())
    summary = cli.reporting.summary(cli.reporting.load(tmp_path / "run"))
    assert summary.run.stopped == "interrupted"


@pytest.mark.parametrize("command", ["report", "verify"])
def test_reading_can_be_interrupted(pmm, run, monkeypatch, command):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(journal.Row, "decode", interrupt)
    assert refused(pmm(command, run), "interrupted", status=130)


def test_a_run_that_fails_closes_the_venue_and_says_why_in_the_journal(
    embedded, tmp_path, monkeypatch
):
    closed = []

    async def close(self):
        closed.append(self)

    def fail(*_):
        raise FloatingPointError("a stage raised")

    cycles = iter([loop.quote_cycle] * 5 + [fail])

    def quote_cycle(*inputs):
        return next(cycles)(*inputs)

    monkeypatch.setattr(EmbeddedVenue, "close", close)
    monkeypatch.setattr(loop, "quote_cycle", quote_cycle)
    with pytest.raises(FloatingPointError):
        cli.quote(embedded, run=tmp_path)
    assert len(closed) == 1
    closing = list(journal.read(tmp_path))[-1].decode(Closing)
    assert closing.cycles == 5
    assert closing.stopped == "failed: FloatingPointError: a stage raised"
    assert verify(tmp_path) == (5, ())
