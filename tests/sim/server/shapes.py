"""Same keys, same types: what the venue was recorded to answer against what the server answers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

_DECIMAL = re.compile(r"\A-?\d+\.\d+\Z")
_HEX = re.compile(r"\A0x[0-9a-f]+\Z")


def kind(value: Any) -> str:
    """Name the type of a leaf; text is told apart by what it holds."""
    if isinstance(value, str):
        if _DECIMAL.match(value):
            return "decimal"
        return "hex" if _HEX.match(value) else "text"
    return type(value).__name__


def differences(
    ours: list[Any], recorded: list[Any], optional: frozenset[str], path: str = "$"
) -> Iterator[str]:
    """Yield how our samples of a value differ from the recorded samples of it.

    Keys named in `optional` may be missing, or be ours alone; a value may be null where either
    side has it so at a key of `optional`.
    """
    tables = [[v for v in side if isinstance(v, dict)] for side in (ours, recorded)]
    lists = [[v for v in side if isinstance(v, list)] for side in (ours, recorded)]
    leaves = [
        {kind(v) for v in side if not isinstance(v, dict | list)} for side in (ours, recorded)
    ]
    if tables[0] and not tables[1]:
        yield f"{path}: an object, and none was recorded"
    if lists[0] and not lists[1]:
        yield f"{path}: an array, and none was recorded"
    if leaves[0] - leaves[1]:
        yield f"{path}: {leaves[0]} where {leaves[1]} was recorded"
    if all(tables):
        yield from _keys(tables[0], tables[1], optional, path)
    items = [[item for value in side for item in value] for side in lists]
    if all(items):
        yield from differences(items[0], items[1], optional, f"{path}[]")


def _keys(
    ours: list[dict[str, Any]], recorded: list[dict[str, Any]], optional: frozenset[str], path: str
) -> Iterator[str]:
    seen = [{key for table in side for key in table} for side in (ours, recorded)]
    always = [set.intersection(*(set(table) for table in side)) for side in (ours, recorded)]
    for key in sorted((seen[0] - seen[1]) - optional):
        yield f"{path}.{key}: was not recorded"
    for key in sorted((always[1] - always[0]) - optional):
        yield f"{path}.{key}: is missing"
    for key in sorted(seen[0] & seen[1]):
        values = [[table[key] for table in side if key in table] for side in (ours, recorded)]
        if key in optional:
            values = [[v for v in side if v is not None] for side in values]
        if all(values):
            yield from differences(values[0], values[1], optional, f"{path}.{key}")
