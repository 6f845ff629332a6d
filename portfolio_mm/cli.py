"""The command `pmm`: puts a venue, the engine and a journal together. Nobody imports it.

Every command takes --json for a machine-readable result on standard output, and ends with status
0 (ok), 1 (the run failed or a check found something) or 2 (bad input), and with one line on
standard error that says what was wrong.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from pathlib import Path
from time import perf_counter
from typing import Annotated, Literal, NoReturn

import msgspec
from cyclopts import App, CycloptsError, Parameter
from cyclopts.validators import Number

from portfolio_mm import config as configuration
from portfolio_mm import live, paper, terminal
from portfolio_mm import report as reporting
from portfolio_mm.config import Config, ConfigError
from portfolio_mm.live import NotReady
from portfolio_mm.paper import InputError
from portfolio_mm.report.summary import Summary
from portfolio_mm.runtime.journal import JournalError, JournalLost, digest, newest
from portfolio_mm.runtime.kill import request_stop
from portfolio_mm.runtime.preflight import Preflight, preflight
from portfolio_mm.runtime.verify import verify as verify_journal
from portfolio_mm.venues.base import VenueError
from portfolio_mm.venues.hyperliquid.keys import KeyFileError
from portfolio_mm.venues.hyperliquid.markets import MarketError
from portfolio_mm.venues.settings import (
    Embedded,
    Hyperliquid,
    Recorded,
    Shadow,
)
from sim.recorded.recording import DataError
from sim.recorded.replay import ReplayVenue
from sim.recorded.tape import load as load_tape
from sim.server.serve import serve

RUNS = Path("runs")

app = App(
    name="pmm",
    help="Quote many perpetuals at once from one margin account.",
    version="0.1.0",
    suppress_keyboard_interrupt=False,
)

AsJson = Annotated[bool, Parameter(name="--json", negative="")]
Hours = Annotated[float | None, Parameter(validator=Number(gt=0, lte=8760))]
Silence = Annotated[float | None, Parameter(validator=Number(gt=0, lte=3600))]
Port = Annotated[int, Parameter(validator=Number(gte=0, lt=65536))]
Usd = Annotated[float, Parameter(validator=Number(gte=0, lte=1e9))]
Speed = Annotated[float, Parameter(validator=Number(gt=0, lte=1000))]


@app.command
def quote(
    path: Path,
    /,
    *,
    run: Path | None = None,
    hours: Hours = None,
    confirm: str = "",
    json: AsJson = False,
) -> None:
    """Quote on the venue that the configuration names.

    On the real venue, a server that speaks its protocol, or live data: until `pmm stop`, Ctrl-C or a
    limit of the kill ladder. A run there goes on where its journal ends.

    Parameters
    ----------
    path
        The configuration, a TOML file.
    run
        Folder of the journal; runs/NAME by default. On the embedded exchange it must not hold one yet.
    hours
        Stop after so long; the embedded exchange has its own hours.
    confirm
        "mainnet NAME", without which nothing is quoted with real money; asked for on a terminal.
    json
        Print the summary as JSON on standard output.
    """
    config = configuration.load(path)
    folder = run or RUNS / config.name
    match config.venue:
        case Embedded():
            summary, words = paper.quote_embedded(config, config.venue, folder, hours)
        case Hyperliquid():
            _confirm(config, config.venue, confirm)
            summary, words = _quote_live(config, path, folder, hours)
        case Shadow():
            summary, words = paper.quote_shadow(config, config.venue, folder, hours)
        case Recorded():
            raise InputError(f"{path}: venue.kind is for recorded data: use pmm replay")
    if json:
        _print_json(summary)
        return
    terminal.show(terminal.quoting_table(summary), terminal.pnl_table(summary))
    terminal.note(*words, f"journal: {folder}; risk report: pmm report {folder}")


@app.command
def replay(
    path: Path, /, *, data: Path | None = None, run: Path | None = None, json: AsJson = False
) -> None:
    """Run the engine over recorded market data, once per maker fee and queue model.

    Parameters
    ----------
    path
        The configuration, a TOML file with a recorded venue.
    data
        Folder of the recording; replay.data of the configuration by default.
    run
        Folder of the journals, one each; runs/NAME by default.
    json
        Print the summaries as JSON on standard output.
    """
    config = configuration.load(path)
    venue, plan = config.venue, config.replay
    if not isinstance(venue, Recorded) or plan is None:
        raise InputError(f"{path}: venue.kind is not recorded: use pmm quote")
    tape = load_tape(
        data or Path(plan.data),
        [asset.name for asset in config.assets],
        feed_ns=round(venue.feed_ms * 1e6),
    )
    scenarios = [
        msgspec.structs.replace(venue, maker_fee_bps=fee, queue=queue)
        for fee in plan.maker_fees_bps
        for queue in plan.queues
    ]
    results = []
    with terminal.progress("replaying") as advance:
        for index, scenario in enumerate(scenarios):
            label = f"{scenario.maker_fee_bps:g}bps-{scenario.queue}"
            market = ReplayVenue(scenario, paper.recorded(config, scenario, tape), tape)

            begin = perf_counter()
            summary = paper.run(
                msgspec.structs.replace(config, name=f"{config.name}-{label}", venue=scenario),
                market,
                (run or RUNS / config.name) / label,
                lambda *_, index=index, market=market, label=label: advance(
                    (index + market.fraction) / len(scenarios), label
                ),
            )
            speed = summary.run.hours * 3600.0 / (perf_counter() - begin)
            results.append(terminal.Replayed(scenario, summary, market.statistics(), speed))
    if json:
        _print_json(
            [
                {
                    "maker_fee_bps": r.scenario.maker_fee_bps,
                    "queue": r.scenario.queue,
                    "times_real_time": r.speed,
                    "statistics": r.statistics,
                    "summary": r.summary,
                }
                for r in results
            ]
        )
    else:
        terminal.show(
            terminal.replay_table(results),
            terminal.replay_pnl_table(results),
            *map(terminal.quoted_table, results),
        )


@app.command
def report(run: Path, /, *, asset: str | None = None, json: AsJson = False) -> None:
    """Write the risk report of a run: report.html, report.png and report.json in its folder.

    Parameters
    ----------
    run
        Folder of a journal.
    asset
        The asset whose quotes are drawn; the one with the most fills by default.
    json
        Print the numbers as JSON on standard output.
    """
    try:
        with terminal.progress("reporting") as advance:
            summary, files = reporting.write(run, asset=asset, progress=advance)
    except ValueError as error:
        if asset is None:
            raise
        raise InputError(str(error)) from None
    if json:
        _print_json(summary)
    else:
        terminal.note(*(f"written: {file}" for file in files))


@app.command
def check(path: Path, /, *, live: bool = False, json: AsJson = False) -> None:
    """Check a configuration: markets, margin, account, budgets, and where quoting starts to pay.

    Parameters
    ----------
    path
        The configuration, a TOML file.
    live
        Drill the kill path at a remote venue: place the smallest order far from the market, one per
        deployer, and cancel everything.
    json
        Print the findings as JSON on standard output.
    """
    config = configuration.load(path)
    if isinstance(config.venue, Hyperliquid):
        found = asyncio.run(_examine(config, live))
    else:
        found = preflight(config, paper.universe(config), config.venue.requests)
    if json:
        _print_json(found)
    else:
        terminal.show(*terminal.preflight_tables(found))
        terminal.note(*found.complaints)
    if not found.passed:
        raise SystemExit(1)


@app.command
def venue(
    path: Path,
    /,
    *,
    port: Port = 8791,
    host: str = "127.0.0.1",
    faucet: Usd = 0.0,
    account: Literal["standard", "unified"] | None = None,
    speed: Speed | None = None,
    json: AsJson = False,
) -> None:
    """Serve the simulated exchange over the venue's own protocol, until Ctrl-C.

    Parameters
    ----------
    path
        The configuration: its table [server], or the market of its embedded venue.
    port
        To listen on; 0 takes a free one.
    host
        To listen on; the loopback interface unless told otherwise.
    faucet
        USDC that every address is credited with on first contact.
    account
        Mode of an address at first contact.
    speed
        Venue seconds per second.
    json
        Print the address as JSON.
    """
    settings = paper.served(path, configuration.load(path))
    changes = {"account": account, "speed": speed}
    settings = msgspec.structs.replace(
        settings, **{key: value for key, value in changes.items() if value is not None}
    )

    def ready(url: str) -> None:
        if json:
            _print_json({"url": url})
        else:
            sys.stdout.write(url + "\n")
        sys.stdout.flush()

    with suppress(KeyboardInterrupt):
        asyncio.run(serve(settings, host=host, port=port, faucet_usd=faucet, ready=ready))


@app.command
def stop(run: Path, /, *, flatten: bool = False, json: AsJson = False) -> None:
    """Stop a run that quotes: it cancels everything within a cycle, and ends.

    Parameters
    ----------
    run
        Folder of its journal.
    flatten
        Close positions, too.
    json
        Print what was asked as JSON on standard output.
    """
    last = newest(run)
    if last is not None and last[1].kind == "closing":
        raise NotReady(f"{run}: this run has ended; what rests is cancelled by pmm cancel CONFIG")
    request_stop(run, flatten)
    if json:
        _print_json({"run": str(run), "flatten": flatten})
    else:
        terminal.note(f"{run}: asked to cancel everything" + (" and close positions" * flatten))


@app.command
def cancel(path: Path, /, *, when_silent: Silence = None, json: AsJson = False) -> None:
    """Cancel every order that rests on the assets of a configuration, whoever placed it.

    Parameters
    ----------
    path
        The configuration, a TOML file with a remote venue.
    when_silent
        Do so when an engine falls silent on standard input for so many seconds, not before.
    json
        Print what was cancelled, and what still rests, as JSON on standard output.
    """
    config = configuration.load(path)
    if not isinstance(config.venue, Hyperliquid):
        raise InputError(f"{path}: only a remote venue holds orders when no engine runs")
    if when_silent is not None:
        if not asyncio.run(live.cancel_when_silent(config, when_silent, terminal.note)):
            raise SystemExit(1)
        return
    gone, resting = asyncio.run(live.cancel(config))
    if json:
        _print_json({"cancelled": gone, "resting": resting})
    else:
        terminal.note(f"cancelled: {len(gone)}, still resting: {len(resting)}")
    if resting:
        raise SystemExit(1)


@app.command
def record(
    path: Path, /, *, data: Path | None = None, hours: Hours = None, json: AsJson = False
) -> None:
    """Record the live market data of a configuration's assets, as `pmm replay` reads them.

    Parameters
    ----------
    path
        The configuration, a TOML file with a remote or shadow venue.
    data
        Folder of the recording, continued where it is there; data/NAME by default.
    hours
        How long; until Ctrl-C by default.
    json
        Print what was recorded as JSON on standard output.
    """
    config = configuration.load(path)
    settings = config.venue
    if not isinstance(settings, Hyperliquid | Shadow):
        raise InputError(f"{path}: only a venue with live data can be recorded")
    folder = data or Path("data") / config.name
    with terminal.progress("recording") as advance:
        recorded = asyncio.run(paper.record(config, settings, folder, hours, advance))
    if json:
        _print_json(recorded)
    else:
        rows = ", ".join(f"{count:,} {table}" for table, count in recorded.rows.items())
        terminal.note(f"{folder}: {recorded.seconds / 3600.0:.2f} h, {rows}")


@app.command
def verify(run: Path, /, *, json: AsJson = False) -> None:
    """Replay a journal and compare the quotes byte for byte.

    Parameters
    ----------
    run
        Folder of a journal.
    json
        Print the result as JSON on standard output.
    """
    with terminal.progress("replaying the journal") as advance:
        found = verify_journal(run, advance)
    result = {"cycles": found.cycles, "different": found.different, "digest": digest(run)}
    if json:
        _print_json(result)
    else:
        terminal.note(
            f"{found.cycles} cycles, {len(found.different)} with other quotes, "
            f"journal digest {result['digest']}"
        )
    if found.different:
        raise SystemExit(1)


def main() -> None:
    """Run the command line; the exit status is 0, 1 or 2, and 130 after Ctrl-C."""
    try:
        app(sys.argv[1:], exit_on_error=False, print_error=False)
    except (JournalLost, NotReady, OSError, VenueError) as error:
        _fail(error, 1)
    except (
        ConfigError,
        DataError,
        InputError,
        JournalError,
        KeyFileError,
        MarketError,
        CycloptsError,
    ) as error:
        _fail(error, 2)
    except KeyboardInterrupt:
        _fail("interrupted", 130)


def _fail(why: object, status: int) -> NoReturn:
    """End with a status and one line that says why."""
    line = " ".join(str(why).split())
    terminal.note(f"pmm: {line}")
    raise SystemExit(status) from None


def _quote_live(
    config: Config, path: Path, folder: Path, hours: float | None
) -> tuple[Summary, tuple[str, ...]]:
    """Quote on the real venue or a server that speaks its protocol."""
    with terminal.progress("quoting") as advance:
        observer = paper.watch(advance, None, hours)
        quoted = asyncio.run(live.quote(config, path, folder, hours, observer, terminal.note))
    if quoted.outcome.resting:
        raise NotReady(f"these orders may still rest: {', '.join(quoted.outcome.resting)}")
    return reporting.summary(reporting.load(folder)), ()


def _confirm(config: Config, settings: Hyperliquid, words: str) -> None:
    """Refuse to quote with real money unless somebody typed that it is meant."""
    if settings.network != "mainnet":
        return
    phrase = f"mainnet {config.name}"
    if not words and sys.stdin.isatty():
        terminal.note(f'This quotes with real money. Type "{phrase}" to go on:')
        words = sys.stdin.readline().strip()
    if words != phrase:
        raise InputError(f'mainnet was not confirmed: --confirm "{phrase}"')


async def _examine(config: Config, drilled: bool) -> Preflight:
    """Run the preflight of a remote venue."""
    async with live.connected(config) as venue:
        return await live.examine(config, venue, drilled)


def _print_json(result: object) -> None:
    encoded = msgspec.json.encode(result, enc_hook=lambda array: array.tolist())
    sys.stdout.write(encoded.decode() + "\n")


if __name__ == "__main__":
    main()
