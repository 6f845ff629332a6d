"""The documents against the code: every key and every command is described as it is."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import inspect

from portfolio_mm import cli, config
from portfolio_mm.venues.settings import (
    Embedded,
    Hyperliquid,
    Recorded,
    Regime,
    Server,
    Shadow,
)

ROOT = Path(__file__).parents[1]

TABLES: dict[str, type[msgspec.Struct]] = {
    "The file": config.Config,
    "[venue] of kind embedded": Embedded,
    "venue.regimes": Regime,
    "[venue] of kind recorded": Recorded,
    "[venue] of kind hyperliquid": Hyperliquid,
    "[venue] of kind shadow": Shadow,
    "[server]": Server,
    "[replay]": config.Replay,
    "[account]": config.Account,
    "[[assets]]": config.Asset,
    "[governor]": config.Governor,
    "[sensor]": config.Sensor,
    "[belief]": config.Belief,
    "[actuary]": config.Actuary,
    "[executor]": config.Executor,
    "[evaluator]": config.Evaluator,
    "[run]": config.Run,
    "[kill]": config.Kill,
}


def of_type(kind: Any) -> str:
    """Say what a key takes, with its range."""
    match kind:
        case inspect.BoolType():
            return "true or false"
        case inspect.StrType(max_length=None):
            return "text"
        case inspect.StrType():
            return "name"
        case inspect.DateTimeType():
            return "time with zone"
        case inspect.IntType():
            return "integer" + of_range(kind)
        case inspect.FloatType():
            return "number" + of_range(kind)
        case inspect.LiteralType(values=values):
            return " or ".join(f"`{value}`" for value in values)
        case inspect.VarTupleType(item_type=item) | inspect.ListType(item_type=item):
            return f"list of {of_type(item)}"
        case inspect.TupleType(item_types=items):
            names = [of_type(item) for item in items]
            return "; ".join(names) if len(set(names)) > 1 else f"{len(names)} × {names[0]}"
        case inspect.DictType(key_type=key, value_type=value):
            return f"table: {of_type(key)} = [{of_type(value)}]"
        case inspect.UnionType(types=types):
            known = [of_type(item) for item in types if not isinstance(item, inspect.NoneType)]
            return " or ".join(dict.fromkeys(known))
        case inspect.StructType():
            return "table"
        case _:
            raise AssertionError(f"no words for {kind}")


def of_range(kind: inspect.IntType | inspect.FloatType) -> str:
    def text(value: float) -> str:
        return f"{value:g}"

    lower, upper = (kind.gt, kind.ge), (kind.lt, kind.le)
    low = "" if lower == (None, None) else (f"> {text(kind.gt)}" if kind.ge is None else "")
    low = low or ("" if kind.ge is None else f"≥ {text(kind.ge)}")
    high = "" if upper == (None, None) else (f"< {text(kind.lt)}" if kind.le is None else "")
    high = high or ("" if kind.le is None else f"≤ {text(kind.le)}")
    words = ", ".join(part for part in (low, high) if part)
    return f" {words}" if words else ""


def of_default(field: inspect.Field) -> str:
    """Say what stands where a key is left out."""
    if field.required:
        return "**required**"
    default = field.default
    if default is msgspec.NODEFAULT:
        default = field.default_factory()
    match default:
        case bool():
            return str(default).lower()
        case int() | float():
            return f"{default:.10g}"
        case datetime():
            return f"{default:%Y-%m-%d %H:%M} UTC"
        case None | {} | () | "":
            return "none"
        case str():
            return default
        case _:
            return "below"


def described() -> dict[str, list[tuple[str, str, str]]]:
    """Key, values and default of every row of the reference, by heading."""
    tables: dict[str, list[tuple[str, str, str]]] = {}
    for line in (ROOT / "docs" / "configuration.md").read_text().splitlines():
        if line.startswith("## "):
            heading = line.removeprefix("## ").replace("`", "")
            tables[heading] = []
        elif line.startswith("| `"):
            key, values, default, meaning = (cell.strip() for cell in line.strip("|").split(" | "))
            assert meaning
            tables[heading].append((key.strip("`"), values, default))
    return tables


@pytest.mark.parametrize(("heading", "section"), TABLES.items())
def test_every_key_is_described_as_it_is(heading, section):
    info = inspect.type_info(section)
    expected = [(f.encode_name, of_type(f.type), of_default(f)) for f in info.fields]
    if info.tag_field is not None:
        expected.insert(0, (info.tag_field, f"`{info.tag}`", "**required**"))
    assert described()[heading] == expected


def test_no_other_section_is_described():
    rows = {heading for heading, table in described().items() if table}
    assert rows == set(TABLES)


def test_every_section_is_described():
    """Whatever struct a configuration can hold has a table above."""
    found, waiting = set(), [inspect.type_info(config.Config)]
    while waiting:
        kind = waiting.pop()
        if isinstance(kind, inspect.StructType):
            found.add(kind.cls)
            waiting += [field.type for field in kind.fields]
        elif isinstance(kind, inspect.UnionType):
            waiting += kind.types
        elif isinstance(kind, inspect.TupleType):
            waiting += kind.item_types
        elif isinstance(kind, inspect.VarTupleType | inspect.ListType):
            waiting.append(kind.item_type)
    assert found == set(TABLES.values())


def test_the_regimes_are_described_as_they_are():
    text = (ROOT / "docs" / "configuration.md").read_text()
    defaults = inspect.type_info(Embedded).fields
    [regimes] = [field.default for field in defaults if field.name == "regimes"]
    for name, regime in zip(("quiet", "trending", "crisis"), regimes, strict=True):
        numbers = ", ".join(f"{value:g}" for value in msgspec.structs.astuple(regime))
        assert f"{name} ({numbers})" in text


def test_the_readme_names_every_command_and_every_preset():
    readme = (ROOT / "README.md").read_text()
    commands = {name for name in cli.app if not name.startswith("-")}
    assert commands == set(re.findall(r"^\| `pmm (\w+)", readme, re.MULTILINE))
    for path in (ROOT / "configs").glob("*.toml"):
        assert f"`configs/{path.name}`" in readme
