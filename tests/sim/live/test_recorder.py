"""The recorder: every frame in files that replay, by the hour, whatever ends it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from portfolio_mm.types import NS
from portfolio_mm.venues.hyperliquid.frames import frame
from portfolio_mm.venues.hyperliquid.markets import MarketError
from sim.recorded.files import (
    BEST,
    CONTEXTS,
    GAPS,
    HOUR_NS,
    LEVELS,
    PRINTS,
    SCHEMAS,
    WHOLE,
    HourlyWriter,
    files,
)
from sim.recorded.recorder import FLUSH_S, REMEMBERED, Rows, record
from sim.recorded.tape import load

HOUR = 1_800_000 * 1000 * NS // HOUR_NS * HOUR_NS
"""Some full hour."""


def best(recv_ns: int, price: float = 100.0) -> tuple[Any, ...]:
    return (recv_ns, recv_ns - NS, "BTC", price, 1.0, price + 1.0, 2.0)


def rows_in(folder: Path, table: str) -> pl.DataFrame:
    return pl.concat([pl.read_parquet(path) for path in files(folder, f"{table}_*")])


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {"lock"}


# Files


def test_files_end_with_the_hour_and_hold_what_was_received_in_it(tmp_path: Path) -> None:
    writer = HourlyWriter(tmp_path, HOUR - 90 * NS)
    for second in range(-90, 90):
        writer.add(BEST, best(HOUR + second * NS))
        if second % 20 == 7:
            writer.flush(HOUR + second * NS)
    writer.close(HOUR + 90 * NS)
    found = files(tmp_path, "bbo_*")
    assert [path.name for path in found] == [
        "bbo_2027-01-15T075830.parquet",
        "bbo_2027-01-15T080000.parquet",
    ]
    times = [pl.read_parquet(path)["ts_recv_ns"].to_numpy() for path in found]
    assert [len(t) for t in times] == [90, 90]
    assert times[0].max() < HOUR <= times[1].min()
    assert (np.diff(np.concatenate(times)) == NS).all()
    assert len(names_in(tmp_path)) == 2 * len(SCHEMAS)
    assert writer.rows[BEST] == 180


def test_a_crash_loses_what_was_not_flushed_and_nothing_else(tmp_path: Path) -> None:
    writer = HourlyWriter(tmp_path, HOUR)
    for second in range(10):
        writer.add(BEST, best(HOUR + second * NS))
        if second in (3, 6):
            writer.flush(HOUR + second * NS)
    writer._lock.close()  # the process is gone
    (tmp_path / "bbo_2027-01-15T080000.part000002.tmp").write_bytes(b"half a part")
    assert len(rows_in(tmp_path, BEST)) == 7
    again = HourlyWriter(tmp_path, HOUR + 20 * NS)
    assert names_in(tmp_path) == {"bbo_2027-01-15T080000.parquet"}
    again.add(BEST, best(HOUR + 20 * NS))
    again.close(HOUR + 21 * NS)
    seconds = (rows_in(tmp_path, BEST)["ts_recv_ns"].to_numpy() - HOUR) // NS
    assert seconds.tolist() == [0, 1, 2, 3, 4, 5, 6, 20]


def test_a_crash_between_a_file_and_the_end_of_its_parts_doubles_nothing(tmp_path: Path) -> None:
    writer = HourlyWriter(tmp_path, HOUR)
    writer.add(BEST, best(HOUR))
    writer.flush(HOUR)
    part = next(tmp_path.glob("bbo_*.part*"))
    kept = part.read_bytes()
    writer.close(HOUR)
    part.write_bytes(kept)
    assert len(rows_in(tmp_path, BEST)) == 1
    HourlyWriter(tmp_path, HOUR + NS).close(HOUR + NS)
    assert not list(tmp_path.glob("*.part*"))
    assert len(rows_in(tmp_path, BEST)) == 1


def test_a_full_disk_loses_nothing_that_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = HourlyWriter(tmp_path, HOUR)
    for table, row in ((BEST, best(HOUR)), (GAPS, (HOUR, HOUR - NS, "BTC"))):
        writer.add(table, row)
    put = pl.DataFrame.write_parquet

    def full(frame_: pl.DataFrame, path: Path, **how: Any) -> None:
        if path.name.startswith(GAPS):
            raise OSError(28, "No space left on device")
        put(frame_, path, **how)

    monkeypatch.setattr(pl.DataFrame, "write_parquet", full)
    with pytest.raises(OSError, match="No space left"):
        writer.flush(HOUR)
    monkeypatch.undo()
    writer.add(BEST, best(HOUR + NS, 200.0))
    writer.close(HOUR + NS)
    assert rows_in(tmp_path, BEST)["bid_px"].to_list() == [100.0, 200.0]
    assert len(rows_in(tmp_path, GAPS)) == 1


def test_an_hour_that_is_over_is_completed_file_by_file(tmp_path: Path) -> None:
    writer = HourlyWriter(tmp_path, HOUR - NS)
    for recv_ns in (HOUR - 1, HOUR + 1):
        writer.add(BEST, best(recv_ns))
    writer.flush(HOUR + NS)
    counts = []
    for _ in range(len(SCHEMAS) + 2):
        counts.append(len(list(tmp_path.glob("*.parquet"))))
        assert len(rows_in(tmp_path, BEST)) == 2
        writer.tidy()
    assert counts == [0, 1, 2, 3, 4, 5, 5]
    writer.close(HOUR + NS)


def test_two_recorders_do_not_share_a_folder(tmp_path: Path) -> None:
    writer = HourlyWriter(tmp_path, HOUR)
    with pytest.raises(OSError, match="another process records into it"):
        HourlyWriter(tmp_path, HOUR)
    writer.close(HOUR)
    HourlyWriter(tmp_path, HOUR).close(HOUR)


def test_two_spans_that_begin_in_one_second_are_two_files(tmp_path: Path) -> None:
    for price in (100.0, 200.0):
        writer = HourlyWriter(tmp_path, HOUR)
        writer.add(BEST, best(HOUR, price))
        writer.close(HOUR)
    assert rows_in(tmp_path, BEST)["bid_px"].to_list() == [100.0, 200.0]


def test_rows_do_not_pile_up(live: Any, tmp_path: Path) -> None:
    writer = HourlyWriter(tmp_path, HOUR)
    rows = Rows(writer)
    for tid in range(1, 2 * REMEMBERED):
        rows.take(live.trades((1, tid, "B", 1.0, 1.0)), HOUR)
    assert len(rows._printed["BTC"]) == REMEMBERED
    writer.flush(HOUR)
    assert writer.pending == 0
    writer.close(HOUR)


# Rows


def test_frames_become_the_columns_that_recordings_have(
    live: Any, tmp_path: Path, data: Path
) -> None:
    writer = HourlyWriter(tmp_path, HOUR)
    rows = Rows(writer)
    context = (
        '{"channel":"activeAssetCtx","data":{"coin":"BTC","ctx":{"funding":"-0.0001",'
        '"openInterest":"12","prevDayPx":"1","dayNtlVlm":"9","oraclePx":"100","markPx":"101",'
        '"premium":null,"midPx":null,"impactPxs":null}}}'
    )
    for taken in (
        live.book(5, [(100.0 - k, k + 1.0) for k in range(7)], [(101.5, 0.5)]),
        live.touch(6, [], [(102.0, 4.0)]),
        live.trades((4, 1, "A", 99.0, 2.0), *[(7, 2, "B", 98.0, 3.0)] * 2, (8, 3, "B", 98.0, 0.0)),
        frame(context),
        frame('{"channel":"pong"}'),
    ):
        rows.take(taken, HOUR)
    rows.miss(("BTC", "ETH"), HOUR - NS, HOUR)
    writer.close(HOUR)
    (book,) = rows_in(tmp_path, WHOLE).rows(named=True)
    assert (book["ts_recv_ns"], book["ts_exch_ns"], book["inst"]) == (HOUR, 5_000_000, "BTC")
    assert [book[f"bid_px_{k}"] for k in range(LEVELS)] == [100.0, 99.0, 98.0, 97.0, 96.0]
    assert [book[f"bid_sz_{k}"] for k in range(LEVELS)] == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert [book[f"ask_px_{k}"] for k in range(2)] == [101.5, None]
    assert rows_in(tmp_path, BEST).rows() == [(HOUR, 6_000_000, "BTC", None, None, 102.0, 4.0)]
    assert rows_in(tmp_path, PRINTS).rows() == [
        (HOUR, 4_000_000, "BTC", 99.0, 2.0, "sell", 1, True),
        (HOUR, 7_000_000, "BTC", 98.0, 3.0, "buy", 2, False),
    ]
    context = rows_in(tmp_path, CONTEXTS).row(0, named=True)
    assert (context["mark_px"], context["oracle_px"], context["funding"]) == (101.0, 100.0, -1e-4)
    assert context["open_interest"] == 12.0
    assert context["premium"] is context["mid_px"] is context["ts_exch_ns"] is None
    assert rows_in(tmp_path, GAPS).rows() == [
        (HOUR, HOUR - NS, "BTC"),
        (HOUR, HOUR - NS, "ETH"),
    ]
    known = data / "market" / "hl_perp_l2_2025-09-04"
    for table, name in ((BEST, "bbo"), (PRINTS, "trades")):
        assert dict(pl.read_parquet_schema(known / f"{name}.parquet")) == dict(SCHEMAS[table])
    whole = pl.read_parquet_schema(known / "l2_20lvl.parquet")
    assert SCHEMAS[WHOLE].items() <= whole.items()


# The whole


def test_hours_of_a_live_feed_are_one_tape(live: Any, tmp_path: Path) -> None:
    ends = []

    async def job(make: Any) -> Any:
        transport = make()
        told: list[tuple[float, str]] = []
        done = await record(
            transport, live.NAMES, tmp_path, hours=0.03, progress=lambda *now: told.append(now)
        )
        ends.append(transport.now_ns())
        return done, told

    found, told = live.at_gateway(live.gateway(), job)
    tape = load(tmp_path, live.NAMES)
    assert {name.rpartition("_")[2] for name in tape.rows} == {
        "2026-01-05T145900.parquet",
        "2026-01-05T150000.parquet",
    }
    assert sum(tape.rows.values()) == sum(found.rows[t] for t in (WHOLE, BEST, PRINTS)) > 500
    assert found.rows[CONTEXTS] > 150
    assert found.rows[GAPS] == 0
    assert tape.gaps == dict.fromkeys(live.NAMES, 0)
    assert (tape.end_ns - tape.start_ns) / NS == pytest.approx(108.0, abs=2.0)
    assert all((books.recv_ns > books.exch_ns).all() for books in tape.books)
    assert found.connections == 1
    assert found.bytes == sum(path.stat().st_size for path in tmp_path.glob("*.parquet"))
    assert told[-1][0] == pytest.approx(1.0)


def test_a_lost_socket_leaves_a_gap_and_nothing_else(live: Any, tmp_path: Path) -> None:
    served = live.gateway()

    async def job(make: Any) -> Any:
        recording = asyncio.create_task(record(make(), live.NAMES, tmp_path, hours=0.01))
        await asyncio.sleep(12.0)
        served.restart(0.0)
        return await recording

    found = live.at_gateway(served, job)
    gaps = rows_in(tmp_path, GAPS)
    assert sorted(gaps["inst"]) == sorted(live.NAMES)
    lengths = (gaps["ts_recv_ns"] - gaps["from_ns"]).to_numpy() / NS
    assert ((lengths > 0.0) & (lengths < 12.0)).all()
    prints = rows_in(tmp_path, PRINTS)
    assert prints["trade_id"].is_unique().all()
    assert found.connections == 2
    tape = load(tmp_path, live.NAMES)
    assert not tape.prints.backfill[tape.prints.recv_ns > tape.start_ns + 5 * NS].any()


def test_an_interruption_completes_the_files(live: Any, tmp_path: Path) -> None:
    async def job(make: Any) -> Any:
        recording = asyncio.create_task(record(make(), live.NAMES, tmp_path))
        await asyncio.sleep(FLUSH_S / 2)
        assert not list(tmp_path.glob("*.parquet"))
        recording.cancel()
        with pytest.raises(asyncio.CancelledError):
            await recording

    live.at_gateway(live.gateway(), job)
    tape = load(tmp_path, live.NAMES)
    assert (tape.end_ns - tape.start_ns) / NS == pytest.approx(FLUSH_S / 2, abs=1.0)
    assert not list(tmp_path.glob("*.part*"))


def test_what_is_flushed_can_be_read_while_it_is_recorded(live: Any, tmp_path: Path) -> None:
    async def job(make: Any) -> Any:
        recording = asyncio.create_task(record(make(), live.NAMES, tmp_path))
        await asyncio.sleep(FLUSH_S + 5.0)
        tape = load(tmp_path, live.NAMES)
        recording.cancel()
        await asyncio.wait([recording])
        return tape

    tape = live.at_gateway(live.gateway(), job)
    assert (tape.end_ns - tape.start_ns) / NS == pytest.approx(FLUSH_S, abs=2.0)


def test_an_unlisted_coin_is_refused_before_anything_is_made(live: Any, tmp_path: Path) -> None:
    async def job(make: Any) -> None:
        with pytest.raises(MarketError, match="xyz:NOPE: not listed"):
            await record(make(), ("BTC", "xyz:NOPE"), tmp_path / "new")

    live.at_gateway(live.gateway(), job)
    assert not (tmp_path / "new").exists()
