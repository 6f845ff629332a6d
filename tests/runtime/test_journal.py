"""The journal keeps order, can be read while it grows, and is never overwritten."""

from __future__ import annotations

import pytest

from portfolio_mm.runtime import journal
from portfolio_mm.runtime.journal import Journal, JournalError
from portfolio_mm.runtime.records import Closing


def records(count, salt=""):
    return [Closing(cycles=i, stopped=f"row {i}{salt}") for i in range(count)]


def write(folder, rows, durable=False):
    with Journal(folder, durable=durable) as log:
        for i, row in enumerate(rows):
            log.write(1000 - i, "even" if i % 2 == 0 else "odd", row)
    return folder


@pytest.mark.parametrize("durable", [True, False])
def test_keeps_the_order_of_writing(tmp_path, durable):
    write(tmp_path / "run", records(500), durable)
    rows = list(journal.read(tmp_path / "run"))
    assert [row.decode(Closing).cycles for row in rows] == list(range(500))
    assert rows[7].ts_ns == 993
    odd = list(journal.read(tmp_path / "run", "odd"))
    assert [row.decode(Closing).cycles for row in odd] == list(range(1, 500, 2))


def test_can_be_read_while_it_grows(tmp_path):
    with Journal(tmp_path, durable=False) as log:
        for count in (1, 2, 3):
            log.write(0, "kind", Closing(cycles=count, stopped=""))
            log.commit()
            assert len(list(journal.read(tmp_path))) == count


def test_an_existing_one_is_refused_and_kept(tmp_path):
    write(tmp_path, records(3))
    with pytest.raises(JournalError, match="there already"):
        Journal(tmp_path, durable=False)
    assert len(list(journal.read(tmp_path))) == 3


def test_digest_is_that_of_the_rows(tmp_path):
    one = journal.digest(write(tmp_path / "a", records(50)))
    assert journal.digest(write(tmp_path / "b", records(50))) == one
    assert journal.digest(write(tmp_path / "c", records(49))) != one
    assert journal.digest(write(tmp_path / "d", records(50, "!"))) != one


def test_without_a_journal(tmp_path):
    with pytest.raises(JournalError, match="no such journal"):
        list(journal.read(tmp_path))


def test_a_damaged_file_says_so(tmp_path):
    write(tmp_path, [Closing(cycles=i, stopped=f"{i * 7919}" * 40) for i in range(2000)])
    path = tmp_path / journal.NAME
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(JournalError, match="cannot be read"):
        list(journal.read(tmp_path))
    path.write_bytes(b"not a database at all" * 50)
    with pytest.raises(JournalError, match="cannot be read"):
        list(journal.read(tmp_path))
