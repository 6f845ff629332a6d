"""What a configuration may say: presets load, and everything else is refused by the key's path."""

from __future__ import annotations

import copy
import math
import tomllib
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portfolio_mm import config
from portfolio_mm.config import Config, ConfigError
from portfolio_mm.venues.settings import Embedded, Hyperliquid, Recorded, Server, Shadow

CONFIGS = Path(__file__).parents[1] / "configs"
PRESETS = sorted(CONFIGS.glob("*.toml"))

REQUIRED = {
    "config": {"name", "venue", "account", "assets", "governor"},
    "asset": {"name", "leverage", "size_usd"},
    "account": {"margin_buffer"},
    "governor": {"volatility_budget", "kelly_fraction", "max_drawdown"},
    "embedded": {"seed", "hours", "deposit_usd"},
    "recorded": {"seed", "deposit_usd", "queue", "maker_fee_bps", "taker_fee_bps"},
    "hyperliquid": {"network"},
    "shadow": {"network", "seed", "deposit_usd", "queue"},
    "server": {"seed"},
    "replay": {"data", "queues", "maker_fees_bps"},
}
"""What can lose money or names an experiment, and so has no default."""


def raw(preset: str = "paper") -> dict[str, Any]:
    return tomllib.loads((CONFIGS / f"{preset}.toml").read_text())


def set_at(table: Any, path: tuple[str | int, ...], value: Any) -> None:
    for key in path[:-1]:
        table = table.setdefault(key, {}) if isinstance(table, dict) else table[key]
    table[path[-1]] = value


def changed(path: tuple[str | int, ...], value: Any, preset: str = "paper") -> dict[str, Any]:
    table = raw(preset)
    set_at(table, path, value)
    return table


def toml(value: Any) -> str:
    """Write a value inline: enough TOML to write back what was read."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            return '"' + value.encode("unicode_escape").decode().replace('"', '\\"') + '"'
        case float() if not math.isfinite(value):
            return str(value)
        case int() | float():
            return repr(value)
        case datetime():
            return value.isoformat()
        case dict():
            pairs = (f"{toml(key)} = {toml(item)}" for key, item in value.items())
            return "{" + ", ".join(pairs) + "}"
        case _:
            return "[" + ", ".join(map(toml, value)) + "]"


def load(table: dict[str, Any], folder: Path) -> Config:
    file = folder / "run.toml"
    file.write_text("\n".join(f"{toml(key)} = {toml(item)}" for key, item in table.items()))
    return config.load(file)


def refusal(table: dict[str, Any], folder: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load(table, folder)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{folder / 'run.toml'}: ")
    return message


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.stem)
def test_presets_load(path, tmp_path):
    loaded = config.load(path)
    assert loaded.name == path.stem
    assert load(tomllib.loads(path.read_text()), tmp_path) == loaded


def test_there_are_presets_of_every_kind():
    venues = [config.load(path).venue for path in PRESETS]
    assert {type(venue) for venue in venues} == {Embedded, Recorded, Hyperliquid, Shadow}


# What is required


def required(section: type[msgspec.Struct]) -> set[str]:
    return {field.name for field in msgspec.structs.fields(section) if field.required}


def test_exactly_the_dangerous_keys_are_required():
    sections = (
        Config,
        config.Asset,
        config.Account,
        config.Governor,
        Embedded,
        Recorded,
        Hyperliquid,
        Shadow,
        Server,
        config.Replay,
    )
    assert {section.__name__.lower(): required(section) for section in sections} == REQUIRED
    priors = (
        config.Sensor,
        config.Belief,
        config.Actuary,
        config.Executor,
        config.Evaluator,
        config.Run,
        config.Kill,
    )
    assert [required(section) for section in priors] == [set()] * len(priors)


def required_paths() -> list[tuple[str, tuple[str | int, ...]]]:
    tables: list[tuple[str, str, tuple[str | int, ...]]] = [
        ("paper", "config", ()),
        ("paper", "asset", ("assets", 1)),
        ("paper", "account", ("account",)),
        ("paper", "governor", ("governor",)),
        ("paper", "embedded", ("venue",)),
        ("replay", "recorded", ("venue",)),
        ("hip3_local", "hyperliquid", ("venue",)),
        ("hip3_local", "server", ("server",)),
        ("shadow", "shadow", ("venue",)),
        ("replay", "replay", ("replay",)),
    ]
    paths = [
        (preset, (*table, key))
        for preset, section, table in tables
        for key in sorted(REQUIRED[section])
    ]
    return [*paths, ("paper", ("venue", "kind")), ("replay", ("venue", "kind"))]


def dotted(path: tuple[str | int, ...]) -> str:
    return "$" + "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path)


@pytest.mark.parametrize(("preset", "path"), required_paths())
def test_a_missing_key_is_named_with_its_path(preset, path, tmp_path):
    table = inner = raw(preset)
    for key in path[:-1]:
        inner = inner[key]
    del inner[path[-1]]
    assert refusal(table, tmp_path).endswith(f"missing key - at `{dotted(path)}`")


# What is refused


@pytest.mark.parametrize(
    "path",
    [
        ("colour",),
        ("governor", "volatility_bugdet"),
        ("assets", 2, "size"),
        ("venue", "sed"),
        ("account", "leverage"),
        ("sensor", "window_s"),
        ("run", "path"),
    ],
    ids=dotted,
)
def test_an_unknown_key_is_named_with_its_path(path, tmp_path):
    table = changed(path, 1)
    assert refusal(table, tmp_path).endswith(f"unknown key - at `{dotted(path)}`")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("name",), 3),
        (("name",), ""),
        (("name",), "../elsewhere"),
        (("name",), "a/b"),
        (("venue", "kind"), "moon"),
        (("venue", "kind"), 1),
        (("venue", "seed"), -1),
        (("venue", "seed"), 1.5),
        (("venue", "hours"), True),
        (("venue", "hours"), 0.0),
        (("venue", "hours"), 1e6),
        (("venue", "deposit_usd"), -5.0),
        (("venue", "start"), "yesterday"),
        (("venue", "start"), datetime(2026, 1, 5)),  # noqa: DTZ001  local times name no instant
        (("venue", "regimes"), []),
        (("account", "margin_buffer"), 1.5),
        (("account",), 1),
        (("governor", "volatility_budget"), "a lot"),
        (("governor", "volatility_budget"), 0.0),
        (("governor", "max_drawdown"), 1.0),
        (("assets",), []),
        (("assets",), {}),
        (("assets", 1, "leverage"), 0),
        (("assets", 1, "leverage"), 10.5),
        (("assets", 1, "leverage"), "10"),
        (("assets", 0, "size_usd"), -1.0),
        (("assets", 0, "size_usd"), 10**400),
        (("assets", 0, "isolated"), 1),
        (("assets", 0, "isolated_margin_usd"), -1.0),
        (("belief", "decay"), 0.0),
        (("belief", "correlation"), 1.0),
        (("belief", "informed"), 1.0),
        (("actuary", "levels"), 21),
        (("executor", "size_tolerance"), 2.0),
        (("run", "durable_journal"), "yes"),
        (("run", "cycle_s"), 0.0),
        (("run", "cycle_s"), 1e-9),
    ],
    ids=lambda value: dotted(value) if isinstance(value, tuple) else None,
)
def test_a_wrong_value_is_named_with_its_path(path, value, tmp_path):
    assert f"at `{dotted(path)}" in refusal(changed(path, value), tmp_path)


@pytest.mark.parametrize("loadings", [{"flow": [1.0]}, {"flow": [1.0, 0.0]}, {"mood": [1.0, 1.0]}])
def test_loadings_are_pairs_with_noise(loadings, tmp_path):
    message = refusal(changed(("sensor", "loadings"), loadings), tmp_path)
    assert "`$.sensor.loadings" in message


@pytest.mark.parametrize("path", [("data",), ("queues",), ("maker_fees_bps",)], ids=dotted)
def test_a_plan_of_replay_is_checked(path, tmp_path):
    table = changed(("replay", *path), [], "replay")
    assert f"`{dotted(('replay', *path))}" in refusal(table, tmp_path)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(
    "path",
    [
        ("governor", "volatility_budget"),
        ("assets", 3, "size_usd"),
        ("venue", "deposit_usd"),
        ("belief", "decay"),
        ("name",),
        ("whatever",),
    ],
    ids=dotted,
)
def test_nothing_may_be_not_finite(path, value, tmp_path):
    message = refusal(changed(path, value), tmp_path)
    assert message.endswith(f"expected a finite number, was {value} - at `{dotted(path)}`")


def test_a_number_too_large_for_a_float_is_not_finite(tmp_path):
    text = (CONFIGS / "paper.toml").read_text().replace("100_000.0", "1e400")
    file = tmp_path / "run.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=r"finite.*`\$\.venue\.deposit_usd`"):
        config.load(file)


# What several keys say together


def test_complaints_that_involve_several_keys_come_all_at_once(tmp_path):
    table = raw()
    table["assets"][4]["name"] = table["assets"][0]["name"]
    table["assets"][5]["name"] = table["assets"][1]["name"]
    table["assets"][7]["size_usd"] = 10.0 * table["venue"]["deposit_usd"] + 1.0
    table["run"] |= {"cycle_s": 50.0, "stale_s": 40.0}
    table["actuary"] = {"latency_s": 60.0}
    table["venue"]["start"] = datetime.fromisoformat("1950-01-01T00:00:00+00:00")
    table["replay"] = raw("replay")["replay"]
    message = refusal(table, tmp_path)
    for part in (
        "`$.assets`: named twice: xyz:TSLA, xyz:XYZ100",
        "`$.assets[7].size_usd`",
        "`$.run.stale_s`",
        "`$.actuary.latency_s`",
        "`$.evaluator.adverse_horizon_s`",
        "`$.venue.start`",
        "`$.replay`",
    ):
        assert part in message


def test_complaints_about_recorded_markets(tmp_path):
    table = raw("replay")
    table["assets"][1]["isolated"] = True
    table["replay"]["queues"] = ["power", "power"]
    table["replay"]["maker_fees_bps"] = [0.0, 1.5, 0.0]
    message = refusal(table, tmp_path)
    for part in ("isolated: ETH", "`$.replay.queues`", "`$.replay.maker_fees_bps`"):
        assert part in message
    del table["replay"]
    assert "`$.replay`" in refusal(table, tmp_path)


@pytest.mark.parametrize("key", ["position_usd", "daily_loss_usd"])
def test_limits_are_required_where_money_is_not_simulated(key, tmp_path):
    table = raw("hip3_local")
    del table["kill"][key]
    assert f"`$.kill.{key}` is required" in refusal(table, tmp_path)


@pytest.mark.parametrize(
    ("venue", "words"),
    [
        ({"url": ""}, "url"),
        ({"url": "ftp://x"}, "`$.venue.url`"),
        ({"key_file": ""}, "key_file"),
        ({"key_env": "KEY"}, "exactly one"),
        ({"account": "0x1"}, "`$.venue.account`"),
        ({"network": "moon"}, "`$.venue.network`"),
        ({"network": "testnet", "url": ""}, "`$.server`"),
    ],
)
def test_what_leaves_the_venue_or_the_key_open_is_refused(venue, words, tmp_path):
    table = raw("hip3_local")
    table["venue"] |= venue
    assert words in refusal(table, tmp_path)


def test_a_deposit_is_checked_where_there_is_one(tmp_path):
    table = raw("hip3_local")
    table["assets"][0]["size_usd"] = 1e6
    assert load(table, tmp_path).assets[0].size_usd == 1e6


def test_data_loss_cannot_come_before_stale_books(tmp_path):
    assert "`$.kill.data_loss_s`" in refusal(changed(("kill", "data_loss_s"), 20.0), tmp_path)


# Files


def test_a_missing_file(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.toml: no such file$"):
        config.load(tmp_path / "none.toml")


def test_a_folder(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        config.load(tmp_path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"name = ", "not TOML"),
        (b"{}", "not TOML"),
        (b"name = 'a'\nname = 'b'", "not TOML"),
        (b"\x00\x01\x02", "not TOML"),
        (b"name = '\xff\xfe'", "cannot be read"),
        (b"\xff\xfen\x00", "cannot be read"),
        (b"", r"missing key - at `\$\.name`"),
        (b"a = " + b"[" * 5000 + b"]" * 5000, "nested too deeply"),
        (b"a." * 5000 + b"b = 1", "nested too deeply"),
    ],
)
def test_a_file_that_is_no_configuration(content, words, tmp_path):
    file = tmp_path / "run.toml"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=words) as caught:
        config.load(file)
    assert "\n" not in str(caught.value)


# Anything else


def places(table: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Every key of a table and what it holds."""
    match table:
        case dict():
            items = list(table.items())
        case list():
            items = list(enumerate(table))
        case _:
            return []
    return [at for key, item in items for at in ((*path, key), *places(item, (*path, key)))]


VALUES = st.recursive(
    st.one_of(
        st.booleans(),
        st.integers(),
        st.integers(-(10**40), 10**40),
        st.floats(),
        st.text(st.characters(codec="ascii", exclude_categories=("C",)), max_size=8),
        st.datetimes(timezones=st.none()),
        st.just(datetime.fromisoformat("1600-01-01T00:00:00+00:00")),
        st.sampled_from(["embedded", "recorded", "power", "xyz:NVDA", 0, -1, 1e-300, 1e300]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["name", "kind", "flow", "x", ""]), inner, max_size=3),
    ),
    max_leaves=6,
)
NAMES = [field.name for field in msgspec.structs.fields(Config)]
KEYS = st.sampled_from([*NAMES, "seed", "loadings", "size_usd", "start", "regimes"])


@st.composite
def mutations(draw: st.DrawFn) -> dict[str, Any]:
    table = copy.deepcopy(TABLES[draw(st.sampled_from(sorted(TABLES)))])
    for _ in range(draw(st.integers(1, 3))):
        *path, last = draw(st.sampled_from(places(table)))
        inner = table
        for key in path:
            inner = inner[key]
        match draw(st.sampled_from(["replace", "delete", "add"])):
            case "replace":
                inner[last] = draw(VALUES)
            case "delete":
                del inner[last]
            case _ if isinstance(inner, dict):
                inner[draw(KEYS)] = draw(VALUES)
            case _:
                inner.append(draw(VALUES))
        if not table:
            break
    return table


TABLES = {path.stem: tomllib.loads(path.read_text()) for path in PRESETS}


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    return tmp_path_factory.mktemp("mutations")


@settings(max_examples=300, deadline=None)
@given(mutations())
def test_whatever_is_written_it_loads_or_is_refused_in_one_line(workshop, table):
    try:
        loaded = load(table, workshop)
    except ConfigError as error:
        complaint = str(error)
    else:
        complaint = "; ".join(config.check(loaded))
        assert complaint == ""
    assert "\n" not in complaint
    assert "not TOML" not in complaint, "the test writes TOML"
