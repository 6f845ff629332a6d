"""The command `pmm`: puts a venue, the engine and a journal together. Nobody imports it.

Every command takes --json for a machine-readable result on standard output, and ends with status
0 (ok), 1 (the run failed or a check found something) or 2 (bad input), and with one line on
standard error that says what was wrong.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from time import perf_counter
from typing import Annotated, NoReturn

import msgspec
from cyclopts import App, CycloptsError, Parameter

from portfolio_mm import config as configuration
from portfolio_mm import report as reporting
from portfolio_mm import terminal
from portfolio_mm.config import Config, ConfigError
from portfolio_mm.cycle import Cycle
from portfolio_mm.report.summary import Summary
from portfolio_mm.runtime import loop
from portfolio_mm.runtime.journal import Journal, JournalError, digest
from portfolio_mm.runtime.preflight import preflight
from portfolio_mm.runtime.verify import verify as verify_journal
from portfolio_mm.types import NS, AccountState, MarketSnapshot, Universe
from portfolio_mm.venues.base import Venue
from portfolio_mm.venues.settings import Embedded, Recorded
from sim.embedded import EmbeddedVenue
from sim.listing import build_universe as listed_universe
from sim.recorded_listing import build_universe as recorded_universe
from sim.recording import DataError
from sim.replay import ReplayVenue
from sim.tape import Tape
from sim.tape import load as load_tape

RUNS = Path("runs")

app = App(
    name="pmm",
    help="Quote many perpetuals at once from one margin account.",
    version="0.1.0",
    suppress_keyboard_interrupt=False,
)

AsJson = Annotated[bool, Parameter(name="--json", negative="")]


class InputError(ValueError):
    """Bad input; the message is one line."""


@app.command
def quote(path: Path, /, *, run: Path | None = None, json: AsJson = False) -> None:
    """Quote on the venue that the configuration names.

    Parameters
    ----------
    path
        The configuration, a TOML file.
    run
        Folder of the journal; runs/NAME by default. It must not hold a journal yet.
    json
        Print the summary as JSON on standard output.
    """
    config = configuration.load(path)
    venue = config.venue
    if not isinstance(venue, Embedded):
        raise InputError(f"{path}: venue.kind is for recorded data: use pmm replay")
    embedded = EmbeddedVenue(venue, _listed(config))
    start, span = embedded.now_ns, venue.hours * 3600 * NS

    def observe(snapshot: MarketSnapshot, account: AccountState, cycle: Cycle) -> None:
        pnl = float(account.equity.sum()) - venue.deposit_usd
        advance((snapshot.time_ns - start) / span, f"PnL {pnl:+,.2f} USD")

    folder = run or RUNS / config.name
    with terminal.progress("quoting") as advance:
        summary = _run(config, embedded, folder, observe)
    if json:
        _print_json(summary)
        return
    seen = embedded.statistics()
    terminal.show(terminal.quoting_table(summary), terminal.pnl_table(summary))
    terminal.note(
        f"at the exchange: margin used at most {seen.peak_margin_use.max():.1%} of equity at any "
        f"instant, {sum(seen.rejections.values())} actions refused",
        f"journal: {folder}; risk report: pmm report {folder}",
    )


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
            market = ReplayVenue(scenario, _recorded(config, scenario, tape), tape)

            begin = perf_counter()
            summary = _run(
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
def check(path: Path, /, *, json: AsJson = False) -> None:
    """Check a configuration: markets, leverage, sizes, margin, and where quoting starts to pay.

    Parameters
    ----------
    path
        The configuration, a TOML file.
    json
        Print the findings as JSON on standard output.
    """
    config = configuration.load(path)
    found = preflight(config, _universe(config))
    if json:
        _print_json(found)
    else:
        terminal.show(terminal.preflight_table(found))
    if not found.passed:
        raise SystemExit(1)


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
    except (ConfigError, DataError, InputError, JournalError, CycloptsError) as error:
        _fail(error, 2)
    except OSError as error:
        _fail(error, 1)
    except KeyboardInterrupt:
        _fail("interrupted", 130)


def _fail(why: object, status: int) -> NoReturn:
    """End with a status and one line that says why."""
    line = " ".join(str(why).split())
    terminal.note(f"pmm: {line}")
    raise SystemExit(status) from None


def _run(config: Config, venue: Venue, folder: Path, observer: loop.Observer) -> Summary:
    """Run the engine on a venue and return the summary of its journal."""
    with Journal(folder, durable=config.run.durable_journal) as journal:
        asyncio.run(loop.run(config, venue, journal, observer))
    return reporting.summary(reporting.load(folder))


def _listed(config: Config) -> Universe:
    """Return the instruments of the embedded exchange that the configuration names."""
    assets = config.assets
    try:
        return listed_universe(
            [asset.name for asset in assets],
            leverage={asset.name: asset.leverage for asset in assets},
            size_usd={asset.name: asset.size_usd for asset in assets},
            isolated=[asset.name for asset in assets if asset.isolated],
        )
    except ValueError as error:
        raise InputError(f"assets: {error}") from None


def _recorded(config: Config, venue: Recorded, tape: Tape) -> Universe:
    """Return the instruments of a recording at the fees of a scenario."""
    return recorded_universe(
        tape,
        leverage=[asset.leverage for asset in config.assets],
        size_usd=[asset.size_usd for asset in config.assets],
        maker_fee=1e-4 * venue.maker_fee_bps,
        taker_fee=1e-4 * venue.taker_fee_bps,
    )


def _universe(config: Config) -> Universe:
    """Return the instruments that a configuration trades."""
    venue = config.venue
    if isinstance(venue, Embedded):
        return _listed(config)
    assert config.replay is not None
    names = [asset.name for asset in config.assets]
    return _recorded(config, venue, load_tape(Path(config.replay.data), names))


def _print_json(result: object) -> None:
    encoded = msgspec.json.encode(result, enc_hook=lambda array: array.tolist())
    sys.stdout.write(encoded.decode() + "\n")


if __name__ == "__main__":
    main()
