"""Options: the library's own table, read when the package is imported."""

from __future__ import annotations

import difflib
import operator
from ctypes import byref
from dataclasses import dataclass
from typing import Any, Dict, Iterable, List, Mapping, Sequence, Union

from . import _errors
from ._library import Double, Int32, Pointer, lib
from ._text import encode, text_at

#: What an option takes. A sequence sets one that may repeat; None is as if it were not given.
OptionValue = Union[int, float, str, bytes, Sequence[Union[str, bytes]], None]

MODEL, SESSION, CALL = 1, 2, 3
_SCOPES = {MODEL: "model", SESSION: "session", CALL: "call"}
_TYPES = {1: int, 2: float, 3: str}


@dataclass(frozen=True)
class OptionInfo:
    """A row of the option table. ``scope`` is "model", "session" or "call"."""

    name: str
    key: int
    type: type
    scope: str
    minimum: float
    maximum: float
    default: float
    text: str


def _read_table() -> Dict[str, OptionInfo]:
    table = {}
    for i in range(lib.option_count()):
        key, kind, scope = Int32(), Int32(), Int32()
        name, text = Pointer(), Pointer()
        least, most, default = Double(), Double(), Double()
        lib.option_info(i, byref(key), byref(name), byref(kind), byref(scope), byref(least),
                        byref(most), byref(default), byref(text))
        info = OptionInfo(text_at(name), key.value, _TYPES.get(kind.value, str),
                          _SCOPES.get(scope.value, "call"), least.value, most.value,
                          default.value, text_at(text))
        table[info.name] = info
    return table


#: Every option by its name.
TABLE: Dict[str, OptionInfo] = _read_table()


def options() -> List[OptionInfo]:
    """Every option that this library knows, with its range, default and explanation."""
    return list(TABLE.values())


def check_names(given: Iterable[str], where: str, scopes: Sequence[str]) -> None:
    """Raises TypeError, as for any wrong keyword, if an option is unknown or of another scope."""
    for name in given:
        info = TABLE.get(name)
        if info is None:
            near = difflib.get_close_matches(name, TABLE, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise TypeError(f"{where} has no option {name!r}{hint}")
        if info.scope not in scopes:
            raise TypeError(f"{name!r} is an option of a {info.scope}, not of {where}")


def merged(defaults: Mapping[str, OptionValue],
           given: Mapping[str, OptionValue]) -> Dict[str, OptionValue]:
    """The defaults, and over them what was given; None is as if it were not."""
    return {**defaults, **{name: value for name, value in given.items() if value is not None}}


class Options:
    """A ``pith_options``, alive inside a ``with`` block. Ignores what does not fit ``scopes``."""

    def __init__(self, values: Mapping[str, OptionValue], scopes: Sequence[str]) -> None:
        self._values = {name: value for name, value in values.items()
                        if value is not None and TABLE[name].scope in scopes}
        self._handle = Pointer()

    def __enter__(self) -> Any:
        if not self._values:
            return None
        lib.options_create(byref(self._handle))
        try:
            for name, value in self._values.items():
                self._set(TABLE[name], value)
        except BaseException:
            self.__exit__()
            raise
        return self._handle

    def __exit__(self, *exception: Any) -> None:
        lib.options_release(self._handle)
        self._handle = Pointer()

    def _set(self, info: OptionInfo, value: Any) -> None:
        if info.type is str:
            for text in [value] if isinstance(value, (str, bytes)) else value:
                data = encode(text, f"option {info.name}")
                lib.options_set_str(self._handle, info.key, data, len(data))
        elif isinstance(value, str):
            lib.options_set(self._handle, info.name.encode(), encode(value, info.name))
        elif info.type is float and not hasattr(value, "__index__"):
            lib.options_set_f64(self._handle, info.key, float(value))
        else:
            try:
                number = operator.index(value)
            except TypeError:
                raise _errors.ArgumentError(
                    f"option {info.name} takes an integer, not {value!r}") from None
            if not -2**63 <= number < 2**63:  # ctypes would wrap it around
                raise _errors.ArgumentError(f"option {info.name} is {number}; {info.minimum:g} "
                                            f"to {info.maximum:g} is possible")
            lib.options_set_i64(self._handle, info.key, number)
