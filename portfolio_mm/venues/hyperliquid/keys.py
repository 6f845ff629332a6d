"""Where the key comes from and which network it signs for. Keys are read, used, and never shown."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from portfolio_mm.venues.hyperliquid.signer import Signer
from portfolio_mm.venues.settings import Hyperliquid

URLS = {
    "mainnet": "https://api.hyperliquid.xyz",
    "testnet": "https://api.hyperliquid-testnet.xyz",
}
"""Of the networks that have one of their own."""

OWNER_ONLY = 0o600


class KeyFileError(ValueError):
    """There is no usable key; the text says where it was looked for, never what was found."""


def url(settings: Hyperliquid) -> str:
    """Return where the venue is reached."""
    return settings.url or URLS[settings.network]


def signer(settings: Hyperliquid) -> Signer:
    """Return the signer of the settings' key; a local network's key file is made on first use.

    Raises
    ------
    KeyFileError
        When the key is missing, is none, or its file can be read by others.
    """
    where = f"environment variable {settings.key_env}" if settings.key_env else settings.key_file
    secret = _from_environment(settings) if settings.key_env else _from_file(settings)
    try:
        return Signer(secret, mainnet=settings.network == "mainnet", vault=settings.vault)
    except ValueError:
        raise KeyFileError(f"{where}: not a private key of 32 bytes in hexadecimal") from None


def _from_environment(settings: Hyperliquid) -> str:
    secret = os.environ.get(settings.key_env, "")
    if not secret:
        raise KeyFileError(f"environment variable {settings.key_env}: not set")
    return secret


def _from_file(settings: Hyperliquid) -> str:
    path = Path(settings.key_file).expanduser()
    if settings.network == "local" and not path.exists():
        _make(path)
    try:
        if path.stat().st_mode & 0o077:
            raise KeyFileError(f"{path}: others may read it; allow its owner only (chmod 600)")
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise KeyFileError(f"{path}: cannot be read ({type(error).__name__})") from None


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write("0x" + secrets.token_hex(32) + "\n")
