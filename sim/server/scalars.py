"""The plain values of requests: addresses, ids, numbers and names, with their limits."""

from __future__ import annotations

import re
from typing import Annotated

from msgspec import Meta, UnsetType

Address = Annotated[str, Meta(pattern=r"\A0x[0-9a-fA-F]{40}\Z")]
ClientId = Annotated[str, Meta(pattern=r"\A0x[0-9a-fA-F]{32}\Z")]
Natural = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Hex = Annotated[str, Meta(pattern=r"\A0x[0-9a-fA-F]{1,64}\Z")]
Name = Annotated[str, Meta(max_length=200)]
Flag = bool | UnsetType

_DECIMAL = re.compile(r"\A-?[0-9]{1,20}(\.[0-9]{1,20})?\Z")


def canonical(text: str) -> str:
    """Return a decimal without trailing zeros, as the venue hashes it.

    Raises
    ------
    ValueError
        When the text is no decimal.
    """
    if not _DECIMAL.match(text):
        raise ValueError(f"invalid decimal {text[:40]!r}")
    return text.rstrip("0").rstrip(".") if "." in text else text
