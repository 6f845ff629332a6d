"""Journal bodies: msgpack of the typed interfaces, arrays as raw bytes behind dtype and shape."""

from __future__ import annotations

import math
import struct
from typing import Any, TypeVar

import msgspec
import numpy as np

T = TypeVar("T")

_ARRAY = 1
_HEADER = struct.Struct("<3sB")


def encode(record: object) -> bytes:
    """Return the bytes of a record; equal records give equal bytes."""
    return _ENCODER.encode(record)


def decode(body: bytes, kind: type[T]) -> T:
    """Return the record of type `kind` in `body`.

    Raises
    ------
    msgspec.MsgspecError
        When `body` is not such a record.
    """
    return msgspec.msgpack.decode(body, type=kind, dec_hook=_as_is, ext_hook=_decode_array)


def _encode_numpy(value: object) -> object:
    match value:
        case np.ndarray():
            header = _HEADER.pack(value.dtype.str.encode(), value.ndim)
            shape = struct.pack(f"<{value.ndim}q", *value.shape)
            return msgspec.msgpack.Ext(_ARRAY, header + shape + value.tobytes())
        case np.generic():
            return value.item()
        case _:
            raise TypeError(f"{type(value).__name__} cannot be journalled")


def _decode_array(code: int, data: memoryview) -> np.ndarray[Any, Any]:
    if code != _ARRAY:
        raise ValueError(f"unknown extension {code}")
    raw = bytes(data)
    dtype, rank = _HEADER.unpack_from(raw)
    shape = struct.unpack_from(f"<{rank}q", raw, _HEADER.size)
    start = _HEADER.size + 8 * rank
    return np.frombuffer(raw, dtype.decode(), math.prod(shape), start).reshape(shape)


def _as_is(kind: type, value: Any) -> Any:
    return value


_ENCODER = msgspec.msgpack.Encoder(enc_hook=_encode_numpy)
