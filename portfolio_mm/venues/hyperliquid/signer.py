"""The key that signs actions, and nothing that shows it."""

from __future__ import annotations

from typing import Any, NoReturn

import msgspec
from eth_account import Account
from hyperliquid.utils.signing import sign_l1_action

from portfolio_mm.venues.hyperliquid.actions import Action

KEY_BYTES = 32


class Signer:
    """Sign actions with a private key that never leaves this object.

    Parameters
    ----------
    secret
        Private key, 32 bytes or their hexadecimal text.
    mainnet
        Which chain the signature is for.
    vault
        Address of the sub-account or vault to act for, empty for none.

    Raises
    ------
    ValueError
        When it is no private key; the text does not repeat it.
    """

    __slots__ = ("_account", "_mainnet", "_vault")

    def __init__(self, secret: str | bytes, *, mainnet: bool, vault: str = "") -> None:
        self._account = _account(secret)
        self._mainnet = mainnet
        self._vault = vault.lower() or None

    @property
    def address(self) -> str:
        """Address of the key, lower case."""
        return str(self._account.address).lower()

    @property
    def vault(self) -> str:
        """Address the key acts for, empty where it is none but its own account's."""
        return self._vault or ""

    def post(self, action: Action, nonce: int, expires_after: int | None = None) -> bytes:
        """Return the body of the request that carries out an action.

        Parameters
        ----------
        action
            Built by `actions`.
        nonce
            Milliseconds, never used before.
        expires_after
            Milliseconds UTC after which the venue drops it.
        """
        signature = sign_l1_action(
            self._account, action, self._vault, nonce, expires_after, self._mainnet
        )
        return msgspec.json.encode(
            {
                "action": action,
                "nonce": nonce,
                "signature": signature,
                "vaultAddress": self._vault,
                "expiresAfter": expires_after,
            }
        )

    def __repr__(self) -> str:
        return f"Signer({self.address}, mainnet={self._mainnet}, vault={self.vault!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a signer stays in its process")


def _account(secret: str | bytes) -> Any:
    try:
        key = (
            secret
            if isinstance(secret, bytes)
            else bytes.fromhex(secret.strip().removeprefix("0x"))
        )
        if len(key) != KEY_BYTES:  # a shorter one would be padded to another account's
            raise ValueError
        return Account.from_key(key)
    except Exception:  # noqa: BLE001 - whatever it is, its text may repeat the key
        raise ValueError("not a private key: 64 hexadecimal digits, with or without 0x") from None
