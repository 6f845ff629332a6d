"""Recorded data: every row is read, on one clock, and what is wrong with it is said plainly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from portfolio_mm.types import NS
from sim.recorded.book import Display, rows_of
from sim.recorded.listing import build_universe, decimals_of, sz_decimals_of
from sim.recorded.recording import DataError
from sim.recorded.tape import BOOK, FEED_NS, PRINT, TOUCH, _stepping_out, instruments, load

BIDS, ASKS = [(100.0, 1.0), (99.0, 2.0)], [(101.0, 1.5), (102.0, 2.5)]

FOLDERS = (
    "aster_perp_bbo_2025-09-24",
    "aster_perp_l2_2025-09-29",
    "aster_perp_l2_2025-11-28",
    "edgex_perp_l2_2025-09-13",
    "hl_perp_BTC_bbo_2025-09-01",
    "hl_perp_l2_2025-09-04",
    "hl_perp_l2_ETH_2025-12-10",
    "lighter_perp_bbo_2025-09-15",
    "standx_perp_BTC_l2_2026-01-06",
)


def both(record: Any, **more: Any) -> Path:
    return record.write(
        l2=[record.book(t, BIDS, ASKS) for t in (1.0, 3.0)],
        bbo=[record.touch(2.0, (100.5, 0.5), (101.0, 1.0))],
        trades=[record.trade(t, "sell", 100.0, 0.1) for t in (0.5, 1.0, 2.5)],
        **more,
    )


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_recorded_row_is_on_the_tape(data: Path, folder: str) -> None:
    path = data / "market" / folder
    tape = load(path, instruments(path))
    heights = {p.name: pl.read_parquet(p).height for p in path.glob("*.parquet")}
    assert tape.rows == heights
    assert len(tape.exch_ns) == sum(heights.values())
    assert tape.other_rows == 0
    assert (np.diff(tape.exch_ns) >= 0).all()
    assert all((books.recv_ns >= books.exch_ns).all() for books in tape.books)
    assert (tape.prints.recv_ns >= tape.prints.exch_ns).all()


def test_hyperliquid_decimals_follow_from_the_data(data: Path) -> None:
    tape = load(data / "market" / "hl_perp_l2_2025-09-04", ("BTC", "ETH", "SOL", "WLFI"))
    assert [sz_decimals_of(tape, asset) for asset in range(4)] == [5, 4, 2, 0]
    assert tape.gaps == {"BTC": 1, "ETH": 1, "SOL": 1, "WLFI": 1}
    assert tape.prints.backfill.sum() == 120


def test_a_slow_recorder_clock_is_put_right(data: Path) -> None:
    tape = load(data / "market" / "binance_l2_2024-08-08", ("BTCUSDT-UM", "ETHUSDT-SPOT"))
    delay = np.concatenate([b.recv_ns - b.exch_ns for b in tape.books])
    assert delay.min() >= FEED_NS
    assert np.median(delay) < FEED_NS + NS // 20
    assert tape.other_rows > 0


def test_rows_are_in_venue_time_order_with_prints_first(record: Any) -> None:
    tape = load(both(record), ("BTC",))
    assert tape.kind.tolist() == [PRINT, PRINT, BOOK, TOUCH, PRINT, BOOK]
    assert tape.prints.backfill.tolist() == [True, False, False]
    assert tape.start_ns == record.ns(1.25)
    assert tape.end_ns == record.ns(3.25)
    assert tape.depth == 2


def test_instruments_have_the_order_that_was_asked_for(record: Any) -> None:
    folder = record.write(
        l2=[record.book(1.0, BIDS, ASKS, inst=inst) for inst in ("ETH", "BTC", "SOL")],
        trades=[record.trade(1.5, "buy", 101.0, 0.1, inst=inst) for inst in ("SOL", "ETH")],
    )
    tape = load(folder, ("SOL", "ETH"))
    assert tape.names == ("SOL", "ETH")
    assert tape.prints.asset.tolist() == [0, 1]
    assert tape.rows == {"l2_2lvl.parquet": 2, "trades.parquet": 2}
    assert tape.other_rows == 1


@pytest.mark.parametrize(("column", "sign"), [("ts_exch_ns", 1), ("ts_recv_ns", -1)])
def test_a_missing_time_is_the_other_one_and_the_feed_delay(
    record: Any, column: str, sign: int
) -> None:
    folder = both(record, drop={"l2_2lvl": column})
    books = load(folder, ("BTC",), feed_ns=NS // 10).books[0]
    delay = books.recv_ns - books.exch_ns
    assert delay[books.full].tolist() == [NS // 10] * 2
    known = books.recv_ns if sign > 0 else books.exch_ns
    first = record.ns(1.0 + (record.delay_s if sign > 0 else 0.0))
    assert known[books.full][0] == first


def test_books_that_are_best_prices_alone_have_one_level(record: Any) -> None:
    folder = record.write(
        bbo=[record.touch(t, (100.0, 1.0), (101.0, 2.0)) for t in (1.0, 2.0)],
        trades=[record.trade(1.5, "buy", 101.0, 0.1)],
        drop={"bbo": ["bid_sz", "ask_sz"]},
    )
    tape = load(folder, ("BTC",))
    assert tape.books[0].full.all()
    assert tape.depth == 1
    rows = rows_of("BTC", tape.books[0], 2, touch_usd=50_000.0)
    display = Display(rows)
    display.apply(0)
    assert display.depth(0) == [(1_000_000, 500.0)]
    assert display.depth(1) == [(1_010_000, pytest.approx(50_000.0 / 101.0))]


def test_a_best_price_moves_the_top_of_the_book(record: Any) -> None:
    folder = record.write(
        l2=[
            record.book(
                1.0, [(100, 1.0), (99, 2.0), (98, 3.0)], [(101, 1.0), (102, 2.0), (103, 3.0)]
            )
        ],
        bbo=[
            record.touch(2.0, (99.0, 0.7), (101.0, 1.0)),
            record.touch(3.0, (101.5, 0.4), (102.0, 0.3)),
            record.touch(4.0, (90.0, 5.0), (104.0, 6.0)),
        ],
        trades=[record.trade(1.5, "buy", 101.0, 0.1)],
    )
    display = Display(rows_of("BTC", load(folder, ("BTC",)).books[0], 5, touch_usd=1.0))
    seen = []
    for row in range(4):
        display.apply(row)
        seen.append([[(u / 10, s) for u, s in display.depth(side)] for side in (0, 1)])
    assert seen[1] == [[(99, 0.7), (98, 3.0)], [(101, 1.0), (102, 2.0), (103, 3.0)]]
    assert seen[2] == [[(101.5, 0.4), (99, 0.7), (98, 3.0)], [(102, 0.3), (103, 3.0)]]
    assert seen[3] == [[(90, 5.0)], [(104, 6.0)]]
    assert display.best == [900, 1040]


def test_a_best_price_without_size_keeps_the_size_of_its_level(record: Any) -> None:
    folder = both(record, drop={"bbo": ["bid_sz", "ask_sz"]})
    display = Display(rows_of("BTC", load(folder, ("BTC",)).books[0], 1, touch_usd=201.0))
    display.apply(0)
    display.apply(1)
    assert display.depth(0)[0] == (10_050_000, 2.0)
    assert display.depth(1)[0] == (10_100_000, 1.5)


def test_the_display_is_unknown_beyond_its_last_level_alone(record: Any) -> None:
    folder = record.write(
        l2=[
            record.book(1.0, BIDS, ASKS),
            record.book(2.0, BIDS, [(101.0, 1.5), (None, None)]),
        ],
        bbo=[record.touch(1.5, (95.0, 1.0), (101.0, 1.5))],
        trades=[record.trade(1.5, "buy", 101.0, 0.1)],
    )
    display = Display(rows_of("BTC", load(folder, ("BTC",)).books[0], 5, touch_usd=1.0))
    display.apply(0)
    assert [display.shown(0, u) for u in (1005, 1000, 995, 990, 985)] == [0, 1.0, 0, 2.0, np.inf]
    assert display.shown(1, 1030) == np.inf
    display.apply(1)
    assert [display.shown(0, u) for u in (970, 950, 940)] == [0.0, 1.0, np.inf]
    display.apply(2)
    assert display.shown(1, 1030) == 0.0


def test_decimals() -> None:
    assert decimals_of(np.array([1.0, 25.0, np.nan])) == 0
    assert decimals_of(np.array([0.1, 109755.0])) == 1
    assert decimals_of(np.array([0.18213])) == 5
    assert decimals_of(np.array([1.0 / 3.0])) == 6


def test_the_universe_has_what_the_caller_chose(record: Any) -> None:
    tape = load(both(record), ("BTC",))
    universe = build_universe(
        tape, leverage=[10], size_usd=[500.0], maker_fee=-1e-5, taker_fee=4e-4
    )
    (btc,) = universe.instruments
    assert (btc.name, btc.leverage, btc.size_usd, btc.pool) == ("BTC", 10, 500.0, 0)
    assert (btc.maker_fee, btc.taker_fee) == (-1e-5, 4e-4)
    assert btc.tiers[0].max_leverage == 40.0
    assert universe.pools == ("main",)
    with pytest.raises(DataError, match=r"^BTC: leverage 41 is not in 1\.\.40$"):
        build_universe(tape, leverage=[41], size_usd=[500.0], maker_fee=0.0, taker_fee=0.0)


def test_prices_must_fit_the_grid(record: Any) -> None:
    tape = load(both(record), ("BTC",))
    with pytest.raises(DataError, match="finer than szDecimals 6"):
        rows_of("BTC", tape.books[0], 6, touch_usd=1.0)


def complaint(folder: Path, *names: str) -> str:
    with pytest.raises(DataError) as caught:
        load(folder, names or ("BTC",))
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_a_missing_folder(tmp_path: Path) -> None:
    assert complaint(tmp_path / "absent") == f"{tmp_path / 'absent'}: no such folder"


def test_an_empty_folder(tmp_path: Path) -> None:
    assert complaint(tmp_path) == f"{tmp_path}: holds no Parquet file"


@pytest.mark.parametrize(("kept", "lacking"), [("l2", "trades.parquet"), ("trades", "no books")])
def test_a_folder_without_books_or_prints(record: Any, kept: str, lacking: str) -> None:
    rows = {"l2": [record.book(1.0, BIDS, ASKS)], "trades": [record.trade(1.0, "buy", 1.0, 1.0)]}
    assert lacking in complaint(record.write(**{kept: rows[kept]}))


@pytest.mark.parametrize(
    ("file", "column"),
    [
        ("l2_2lvl", "bid_px_0"),
        ("l2_2lvl", "ask_sz_1"),
        ("l2_2lvl", "inst"),
        ("bbo", "ask_px"),
        ("bbo", "bid_sz"),
        ("trades", "px"),
        ("trades", "sz"),
        ("trades", "aggressor"),
    ],
)
def test_a_missing_column(record: Any, file: str, column: str) -> None:
    folder = both(record, drop={file: column})
    assert f"{file}.parquet: column {column} is missing" in complaint(folder)


def test_no_time_at_all(record: Any) -> None:
    folder = both(record, drop={"bbo": ["ts_recv_ns", "ts_exch_ns"]})
    assert "bbo.parquet: columns ts_exch_ns and ts_recv_ns are missing" in complaint(folder)


@pytest.mark.parametrize("file", ["l2_2lvl", "bbo", "trades"])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.9, 0.999])
def test_a_truncated_file(record: Any, file: str, share: float) -> None:
    folder = both(record)
    path = folder / f"{file}.parquet"
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    assert f"{file}.parquet: not a readable Parquet file" in complaint(folder)


def test_an_instrument_that_is_not_there(record: Any) -> None:
    text = complaint(both(record), "BTC", "DOGE")
    assert text.endswith("no book of DOGE; it holds BTC")


def test_an_instrument_with_prints_alone(record: Any) -> None:
    folder = record.write(
        l2=[record.book(1.0, BIDS, ASKS)], trades=[record.trade(1.0, "buy", 1.0, 1.0, inst="ETH")]
    )
    assert "no book of ETH" in complaint(folder, "ETH")


def test_an_instrument_whose_books_are_empty(record: Any) -> None:
    nothing = [(None, None)]
    folder = record.write(
        l2=[
            record.book(1.0, [(1.0, 1.0)], [(2.0, 1.0)]),
            record.book(1.0, nothing, nothing, "ETH"),
        ],
        trades=[record.trade(1.0, "buy", 1.0, 1.0)],
    )
    assert "no book of ETH has a price" in complaint(folder, "ETH")


def test_coin_margined_contracts_are_refused(record: Any) -> None:
    folder = record.write(
        l2=[record.book(1.0, BIDS, ASKS, inst="BTCUSD-CM")],
        trades=[record.trade(1.0, "buy", 1.0, 1.0, inst="BTCUSD-CM")],
    )
    assert "BTCUSD-CM: coin-margined" in complaint(folder, "BTCUSD-CM")


@pytest.mark.parametrize(
    ("column", "value"), [("px", -1.0), ("px", None), ("sz", 0.0), ("aggressor", "seller")]
)
def test_prints_that_make_no_sense(record: Any, column: str, value: object) -> None:
    rows = [record.trade(t, "sell", 100.0, 0.1) for t in (1.0, 2.0)]
    rows[1] |= {column: value}
    folder = record.write(l2=[record.book(1.0, BIDS, ASKS)], trades=rows)
    assert f"trades.parquet: column {column} makes no sense in 1 rows" in complaint(folder)


def test_a_column_of_the_wrong_type(record: Any) -> None:
    folder = both(record)
    path = folder / "trades.parquet"
    pl.read_parquet(path).with_columns(pl.col("px").cast(pl.String)).write_parquet(path)
    assert "column px holds String, not numbers" in complaint(folder)


def test_levels_that_do_not_step_away_from_the_best_are_dropped() -> None:
    bids = np.array([[100.0, 101.0, 99.0, 99.0, 98.0], [100.0, np.nan, 99.5, 99.0, 99.2]])
    expected = [[100.0, np.nan, 99.0, np.nan, 98.0], [100.0, np.nan, 99.5, 99.0, np.nan]]
    np.testing.assert_array_equal(_stepping_out(bids, 1), expected)
    np.testing.assert_array_equal(_stepping_out(-bids, -1), -np.array(expected))
