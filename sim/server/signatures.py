"""Who signed an action: EIP-712 digests and the recovery of the address behind a signature.

An action of the trading layer is signed through a phantom agent whose `connectionId` is

    keccak( msgpack(action) ‖ nonce ‖ 00 or 01 ‖ vault ‖ [ 00 ‖ expiresAfter ] )

and whose source names the chain; an action on the account itself is signed field by field. A
wrong signature recovers to some other address, so it is the account that turns out to be missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from coincurve import PublicKey
from eth_utils.crypto import keccak

Fields = tuple[tuple[str, str], ...]
"""Names and Solidity types of a signed structure, in order."""

AGENT: Fields = (("source", "string"), ("connectionId", "bytes32"))
L1_CHAIN_ID = 1337


class BadSignature(ValueError):
    """The signature is not one: no address can be recovered."""


def l1_digest(
    action: bytes, nonce: int, vault: str | None, expires_after: int | None, source: str
) -> bytes:
    """Return the digest of an action of the trading layer.

    Parameters
    ----------
    action
        The action as msgpack, keys in the venue's order.
    nonce
        Of the request.
    vault
        Address that is acted for, if it is not the signer's own account.
    expires_after
        Milliseconds after which the action is void, None if never.
    source
        "a" for mainnet, "b" for every other chain.
    """
    data = action + nonce.to_bytes(8, "big")
    data += b"\x00" if vault is None else b"\x01" + bytes.fromhex(vault[2:])
    if expires_after is not None:
        data += b"\x00" + expires_after.to_bytes(8, "big")
    message = {"source": source, "connectionId": keccak(data)}
    return digest("Exchange", L1_CHAIN_ID, "Agent", AGENT, message)


def digest(
    domain: str, chain_id: int, name: str, fields: Fields, message: Mapping[str, object]
) -> bytes:
    """Return the EIP-712 digest of a flat structure."""
    encoded = [_type_hash(name, fields)]
    encoded += [_word(kind, message[field]) for field, kind in fields]
    return keccak(b"\x19\x01" + _domain(domain, chain_id) + keccak(b"".join(encoded)))


def recover(message: bytes, r: str, s: str, v: int) -> str:
    """Return the address, lower case, whose key signed a digest.

    Raises
    ------
    BadSignature
        When there is none.
    """
    try:
        raw = int(r, 16).to_bytes(32, "big") + int(s, 16).to_bytes(32, "big") + bytes([v - 27])
        key = PublicKey.from_signature_and_message(raw, message, hasher=None)
    except (ValueError, OverflowError) as error:
        raise BadSignature(str(error)) from None
    return "0x" + keccak(key.format(compressed=False)[1:])[-20:].hex()


@cache
def _type_hash(name: str, fields: Fields) -> bytes:
    return keccak(text=f"{name}({','.join(f'{kind} {field}' for field, kind in fields)})")


@cache
def _domain(name: str, chain_id: int) -> bytes:
    fields = (
        ("name", "string"),
        ("version", "string"),
        ("chainId", "uint256"),
        ("verifyingContract", "address"),
    )
    values = (name, "1", chain_id, "0x" + "0" * 40)
    words = [_word(kind, value) for (_, kind), value in zip(fields, values, strict=True)]
    return keccak(_type_hash("EIP712Domain", fields) + b"".join(words))


def _word(kind: str, value: object) -> bytes:
    if kind == "string":
        return keccak(text=str(value))
    if kind == "address":
        return bytes.fromhex(str(value)[2:]).rjust(32, b"\x00")
    if isinstance(value, bytes):
        return value
    if not isinstance(value, int):
        raise TypeError(f"{kind} cannot hold {value!r}")
    return value.to_bytes(32, "big")
