"""The exceptions: one class per status code, each also what Python calls such a failure."""

from __future__ import annotations

from typing import Dict, Type


class PithError(RuntimeError):
    """Why a call failed. ``code`` is the library's status, ``str()`` its text."""

    code = 0

    def __init__(self, text: str, code: int = 0) -> None:
        super().__init__(text)
        if code:
            self.code = code


class ArgumentError(PithError, ValueError):
    """An argument or option is wrong."""

    code = -1


class FileError(PithError, OSError):
    """A file cannot be opened or read."""

    code = -2


class MissingFileError(FileError, FileNotFoundError):
    """There is no such file."""


class FormatError(PithError):
    """A model file is broken or contradicts itself."""

    code = -3


class UnsupportedError(PithError):
    """Valid, but this library cannot do it."""

    code = -4


class OutOfMemory(PithError, MemoryError):
    """The library found no memory."""

    code = -5


class LimitError(PithError):
    """More than a stated limit, such as the context length."""

    code = -6


class Cancelled(PithError):
    """Cancelled by :meth:`pith.Session.cancel`."""

    code = -7


class NumericError(PithError, ArithmeticError):
    """Not-a-number or infinity where a number is needed."""

    code = -8


class StateError(PithError):
    """Called out of order, or on something that is closed."""

    code = -9


_CLASSES: Dict[int, Type[PithError]] = {
    cls.code: cls
    for cls in (ArgumentError, FileError, FormatError, UnsupportedError, OutOfMemory, LimitError,
                Cancelled, NumericError, StateError)
}


def error(code: int, text: str) -> PithError:
    """The exception of a status; a code of a newer library is a plain PithError."""
    return _CLASSES.get(code, PithError)(text or f"status {code}", code)
