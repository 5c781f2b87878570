"""Writing a model file in another number format."""

from __future__ import annotations

import ctypes
import os
from ctypes import byref
from dataclasses import dataclass
from typing import Any, Callable, Dict, Optional, Union

from . import _errors, _options
from ._library import Int32, Int64, Pointer, lib
from ._options import OptionValue

Path = Union[str, "os.PathLike[str]"]
_Progress = ctypes.CFUNCTYPE(Int32, Pointer, Int64, Int64)


@dataclass(frozen=True)
class QuantizePlan:
    """What :func:`quantize` would do: tensors in the file, how many change their format, how many
    of them get another one than the type wants, and the bytes of all before and after."""

    tensors: int
    converted: int
    fallbacks: int
    in_bytes: int
    out_bytes: int


def _chosen(options: Dict[str, OptionValue]) -> _options.Options:
    _options.check_names(options, "quantize", ("session",))
    return _options.Options(options, ("session",))


def quantize(source: Path, target: Path, type: str,
             progress: Optional[Callable[[int, int], Any]] = None,
             **options: OptionValue) -> None:
    """Writes a model file in another number format, such as "Q4_K_M" or "Q8_0".

    ``target`` appears when it is complete and not before. ``progress`` is called with the bytes
    done and the bytes of all, on this thread; what it raises ends the work and is raised here.
    """
    raised = []

    def report(_user: Any, done: int, total: int) -> int:
        try:
            if progress is not None:
                progress(done, total)
            return 0
        except BaseException as why:  # KeyboardInterrupt, too, must not be lost in C
            raised.append(why)
            return 1

    before, after = os.fsencode(source), os.fsencode(target)
    callback = _Progress(report)
    try:
        with _chosen(options) as chosen:
            lib.quantize(before, len(before), after, len(after), type.encode(), chosen,
                         ctypes.cast(callback, Pointer), None)
    except _errors.Cancelled:
        if raised:
            raise raised[0] from None
        raise


def quantize_plan(source: Path, type: str, **options: OptionValue) -> QuantizePlan:
    """What :func:`quantize` would do, without doing it."""
    path = os.fsencode(source)
    numbers = [Int64() for _ in range(5)]
    with _chosen(options) as chosen:
        lib.quantize_plan(path, len(path), type.encode(), chosen, *map(byref, numbers))
    return QuantizePlan(*(number.value for number in numbers))
