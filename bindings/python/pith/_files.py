"""Writing model files: in another number format, or from a Hugging Face folder."""

from __future__ import annotations

import ctypes
import os
from ctypes import byref
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Mapping, Optional, Union

from . import _errors, _options
from ._library import Int32, Int64, Pointer, lib
from ._options import OptionValue

Path = Union[str, "os.PathLike[str]"]
#: Is told the bytes done and the bytes of all.
Progress = Callable[[int, int], Any]
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


def _chosen(options: Mapping[str, OptionValue], where: str) -> _options.Options:
    _options.check_names(options, where, ("session",))
    return _options.Options(options, ("session",))


def _write(name: str, source: Path, target: Path, type: Optional[str],
           progress: Optional[Progress], options: Dict[str, OptionValue]) -> None:
    """Runs the function of that name; what `progress` raises ends it and is raised here."""
    raised: List[BaseException] = []

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
        with _chosen(options, name) as chosen:
            getattr(lib, name)(before, len(before), after, len(after),
                               None if type is None else type.encode(), chosen,
                               ctypes.cast(callback, Pointer), None)
    except _errors.Cancelled:
        if raised:
            raise raised[0] from None
        raise


def quantize(source: Path, target: Path, type: str, progress: Optional[Progress] = None,
             **options: OptionValue) -> None:
    """Writes a model file in another number format, such as "Q4_K_M" or "Q8_0".

    ``target`` appears when it is complete and not before. ``progress`` is called with the bytes
    done and the bytes of all, on this thread; what it raises ends the work and is raised here.
    """
    _write("quantize", source, target, type, progress, options)


def convert(source: Path, target: Path, type: Optional[str] = None,
            progress: Optional[Progress] = None, **options: OptionValue) -> None:
    """Writes a Hugging Face folder (config.json, safetensors, tokenizer.json) as a GGUF file that
    other programs can use, too; in a number format of :func:`quantize`, or as stored.

    ``target`` and ``progress`` are as in :func:`quantize`. What a GGUF file cannot carry raises
    UnsupportedError, which names it.
    """
    _write("convert", source, target, type, progress, options)


def quantize_plan(source: Path, type: str, **options: OptionValue) -> QuantizePlan:
    """What :func:`quantize` would do, without doing it."""
    path = os.fsencode(source)
    numbers = [Int64() for _ in range(5)]
    with _chosen(options, "quantize_plan") as chosen:
        lib.quantize_plan(path, len(path), type.encode(), chosen, *map(byref, numbers))
    return QuantizePlan(*(number.value for number in numbers))
