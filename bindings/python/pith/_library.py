"""Finds and loads libpith, declares its functions, and turns failures into exceptions."""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import sys
from ctypes import (POINTER, Structure, byref, c_char, c_char_p, c_double, c_int32, c_int64,
                    c_void_p)
from pathlib import Path
from typing import Any, Dict, Iterator, List, Tuple

from . import _errors

#: The version of pith.h that this package is written against, as PITH_VERSION packs it.
HEADER_VERSION = 100


class ErrorStruct(Structure):
    """``pith_error``: 256 bytes for ever."""

    _fields_ = [("code", c_int32), ("text", c_char * 252)]


_out = c_void_p  # the address of a pointer or an array that the library fills
_FUNCTIONS: Dict[str, Tuple[Any, List[Any]]] = {
    # name: (result, arguments); a result of None is nothing, `int` a status to check
    "version": (c_int32, []),
    "version_string": (c_char_p, []),
    "status_name": (c_char_p, [c_int32]),
    "status_meaning": (c_char_p, [c_int32]),
    "abi_check": (int, [c_int32, c_int64]),
    "options_create": (int, [_out]),
    "options_release": (None, [c_void_p]),
    "options_set_i64": (int, [c_void_p, c_int32, c_int64]),
    "options_set_f64": (int, [c_void_p, c_int32, c_double]),
    "options_set_str": (int, [c_void_p, c_int32, c_char_p, c_int64]),
    "options_set": (int, [c_void_p, c_char_p, c_char_p]),
    "option_count": (c_int32, []),
    "option_info": (int, [c_int32, _out, _out, _out, _out, _out, _out, _out, _out]),
    "options_set_allocator": (int, [c_void_p, c_void_p, c_void_p, c_void_p]),
    "model_open": (int, [_out, c_char_p, c_int64, c_void_p]),
    "model_open_memory": (int, [_out, c_void_p, c_int64, c_void_p]),
    "model_open_fd": (int, [_out, c_int32, c_int64, c_int64, c_void_p]),
    "model_retain": (None, [c_void_p]),
    "model_release": (None, [c_void_p]),
    "model_number": (c_int64, [c_void_p, c_int32]),
    "model_arch": (c_char_p, [c_void_p]),
    "model_meta_count": (c_int64, [c_void_p]),
    "model_meta": (int, [c_void_p, c_int64, _out, _out, _out, c_int64]),
    "model_tensor": (int, [c_void_p, c_int64, _out, _out, _out, _out, _out]),
    "model_explain": (int, [c_void_p, _out, c_int64, _out]),
    "model_verify": (int, [c_void_p]),
    "tokenize": (int, [c_void_p, c_char_p, c_int64, c_int32, _out, c_int64, _out]),
    "detokenize": (int, [c_void_p, _out, c_int64, c_int32, _out, c_int64, _out]),
    "token_piece": (int, [c_void_p, c_int32, _out, _out]),
    "session_open": (int, [_out, c_void_p, c_void_p]),
    "session_release": (None, [c_void_p]),
    "session_position": (c_int64, [c_void_p]),
    "session_capacity": (c_int64, [c_void_p]),
    "session_feed": (int, [c_void_p, _out, c_int64]),
    "session_evaluate": (int, [c_void_p, _out, c_int64, _out]),
    "session_logits": (int, [c_void_p, _out]),
    "session_rewind": (int, [c_void_p, c_int64]),
    "session_cancel": (None, [c_void_p]),
    "generate": (int, [c_void_p, c_char_p, c_int64, c_void_p]),
    "infill": (int, [c_void_p, c_char_p, c_int64, c_char_p, c_int64, c_void_p]),
    "generate_next": (int, [c_void_p, _out]),
    "event_text": (None, [c_void_p, _out, _out]),
    "event_token": (c_int32, [c_void_p]),
    "event_logprob": (c_double, [c_void_p]),
    "event_finish": (c_int32, [c_void_p]),
    "classify": (int, [c_void_p, c_char_p, _out, c_int64, c_char_p, _out, c_int64, c_void_p,
                       _out]),
    "score": (int, [c_void_p, c_char_p, c_int64, c_char_p, c_int64, _out, _out]),
    "score_tokens": (int, [c_void_p, _out, c_int64, _out]),
    "quantize": (int, [c_char_p, c_int64, c_char_p, c_int64, c_char_p, c_void_p, c_void_p,
                       c_void_p]),
    "convert": (int, [c_char_p, c_int64, c_char_p, c_int64, c_char_p, c_void_p, c_void_p,
                      c_void_p]),
    "quantize_plan": (int, [c_char_p, c_int64, c_char_p, c_void_p, _out, _out, _out, _out, _out]),
    "machine_measure": (int, [c_void_p, c_int32, c_int64, _out, _out]),
}


def _candidates() -> Iterator[str]:
    """Where the library may be, the most explicit place first."""
    here = Path(__file__).resolve()
    names = {"darwin": ["libpith.dylib"], "win32": ["pith.dll", "libpith.dll"]}.get(
        sys.platform, ["libpith.so", "libpith.so.0"])
    chosen = os.environ.get("PITH_LIBRARY")
    if chosen:
        yield chosen
        return  # what was asked for by name must not be replaced silently
    for name in names:
        yield str(here.parent / name)
    if len(here.parents) > 3 and (here.parents[3] / "include" / "pith.h").exists():
        for name in names:
            yield str(here.parents[3] / "build" / name)
    found = ctypes.util.find_library("pith")
    if found:
        yield found


def _load() -> ctypes.CDLL:
    tried: List[str] = []
    for path in _candidates():
        if os.sep in path and not os.path.exists(path):
            tried.append(f"{path}: no such file")
            continue
        try:
            return ctypes.CDLL(path)
        except OSError as why:
            tried.append(str(why))
    raise ImportError("libpith was not found; set PITH_LIBRARY to its path, or run `make` in a "
                      "checkout of pith. Tried: " + ("; ".join(tried) or "nothing"))


class Library:
    """The functions of libpith without their prefix. Those that return a status take no error
    argument here: they raise, and return PITH_OK or PITH_END."""

    def __init__(self) -> None:
        self.dll = _load()
        for name, (result, arguments) in _FUNCTIONS.items():
            try:
                function = getattr(self.dll, "pith_" + name)
            except AttributeError:
                setattr(self, name, self._missing(name))
                continue
            fails = result is int
            function.argtypes = arguments + [POINTER(ErrorStruct)] if fails else arguments
            function.restype = c_int32 if fails else result
            setattr(self, name, self._checked(function) if fails else function)
        if not hasattr(self.dll, "pith_abi_check"):
            raise ImportError(f"{self.dll._name} is not libpith")
        try:
            self.abi_check(HEADER_VERSION, ctypes.sizeof(ErrorStruct))
        except _errors.UnsupportedError as why:
            raise ImportError(f"{self.dll._name} does not fit this package: {why}") from why

    @staticmethod
    def _missing(name: str) -> Any:
        """In the place of a function that a build of the library leaves out."""
        def call(*arguments: Any) -> int:
            raise _errors.UnsupportedError(f"this libpith has no pith_{name}")

        return call

    @staticmethod
    def _checked(function: Any) -> Any:
        def call(*arguments: Any) -> int:
            error = ErrorStruct()
            status: int = function(*arguments, byref(error))
            if status < 0:
                raise _errors.error(status, error.text.decode("utf-8", "replace"))
            return status

        return call

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)  # all names are set above; this tells type checkers so


lib = Library()

Int32 = c_int32
Int64 = c_int64
Double = c_double
Pointer = c_void_p
