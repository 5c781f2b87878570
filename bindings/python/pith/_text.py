"""Text and numbers between Python and C."""

from __future__ import annotations

import ctypes
from typing import Any, Iterable, List, Tuple, Union

from ._library import Int32, Int64

Text = Union[str, bytes]


def encode(text: Text, what: str = "text") -> bytes:
    """UTF-8; bytes go through as they are. Surrogates that stand for bytes become them again."""
    if isinstance(text, bytes):
        return text
    if isinstance(text, str):
        return text.encode("utf-8", "surrogateescape")
    if isinstance(text, (bytearray, memoryview)):
        return bytes(text)
    raise TypeError(f"{what} must be str or bytes, not {type(text).__name__}")


class _PyBuffer(ctypes.Structure):
    """CPython's ``Py_buffer``; ctypes itself gives the address of writable buffers only."""

    _fields_ = [("buf", ctypes.c_void_p), ("obj", ctypes.py_object), ("len", ctypes.c_ssize_t),
                ("itemsize", ctypes.c_ssize_t), ("readonly", ctypes.c_int),
                ("ndim", ctypes.c_int), ("format", ctypes.c_char_p),
                ("shape", ctypes.c_void_p), ("strides", ctypes.c_void_p),
                ("suboffsets", ctypes.c_void_p), ("internal", ctypes.c_void_p)]


class Buffer:
    """The bytes of an object with the buffer protocol, locked in their place while this lives."""

    def __init__(self, of: Any) -> None:
        self._buffer: Any = None
        buffer = _PyBuffer()
        ctypes.pythonapi.PyObject_GetBuffer(ctypes.py_object(of), ctypes.byref(buffer), 0)
        self._buffer = buffer
        self.address, self.size = ctypes.c_void_p(buffer.buf), buffer.len

    def __del__(self) -> None:
        if self._buffer is not None:
            ctypes.pythonapi.PyBuffer_Release(ctypes.byref(self._buffer))


def bytes_at(pointer: ctypes.c_void_p, length: int = -1) -> bytes:
    """The bytes at a pointer; without a length, to the NUL."""
    return ctypes.string_at(pointer.value, length) if pointer.value else b""


def text_at(pointer: ctypes.c_void_p, length: int = -1) -> str:
    """The same as text."""
    return bytes_at(pointer, length).decode("utf-8", "replace")


def ids_array(ids: Iterable[int]) -> Tuple[Any, int]:
    """A C array of token ids, and how many. Refuses what would wrap around."""
    listed = [int(i) for i in ids]
    for i in listed:
        if not -2**31 <= i < 2**31:
            raise OverflowError(f"token id {i} does not fit 32 bits")
    return (Int32 * len(listed))(*listed), len(listed)


def strings_array(items: Iterable[Text], what: str) -> Tuple[bytes, Any, int]:
    """Texts as one buffer, their offsets, and how many (Arrow's string layout)."""
    if isinstance(items, (str, bytes)):
        raise TypeError(f"{what} must be a list of texts, not one text")
    encoded: List[bytes] = [encode(item, what) for item in items]
    offsets = (Int64 * (len(encoded) + 1))()
    total = 0
    for i, item in enumerate(encoded):
        total += len(item)
        offsets[i + 1] = total
    return b"".join(encoded), offsets, len(encoded)


def float_buffer(count: int) -> Tuple[bytearray, Any]:
    """A buffer of `count` float32 and its address for C, which must not outlive it."""
    buffer = bytearray(4 * max(count, 1))
    return buffer, (ctypes.c_char * len(buffer)).from_buffer(buffer)


def float_view(buffer: Union[bytes, bytearray], *shape: int) -> memoryview:
    """The buffer as a memoryview of float32 of that shape: numpy.asarray takes it as it is."""
    view: Any = memoryview(b"" if 0 in shape else buffer)
    floats: memoryview = view.cast("f") if 0 in shape else view.cast("f", shape=list(shape))
    return floats
