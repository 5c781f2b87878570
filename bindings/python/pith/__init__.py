"""pith: generates, classifies and scores text inside your process.

    import pith

    with pith.Model("pith-tiny.gguf") as model:
        for piece in model.generate("Once upon a time", max_tokens=64):
            print(piece, end="", flush=True)
        print(model.classify(["what a day!"], ["good", "bad"]))

A model is shared by any number of threads; a session is one timeline of tokens, used by one
thread at a time. ``pith.options()`` lists every option; they are keyword arguments everywhere.
"""

from __future__ import annotations

from ._errors import (ArgumentError, Cancelled, FileError, FormatError, LimitError,
                      MissingFileError, NumericError, OutOfMemory, PithError, StateError,
                      UnsupportedError)
from ._files import QuantizePlan, convert, quantize, quantize_plan
from ._library import lib as _lib
from ._model import Model, ModelInfo, TensorInfo
from ._options import OptionInfo, OptionValue, options
from ._session import Event, Events, Generation, Session

__version__ = "0.1.0"

#: The version of the library that runs, as text.
library_version: str = _lib.version_string().decode()

#: The file that it was loaded from.
library_path: str = _lib.dll._name

__all__ = [
    "ArgumentError", "Cancelled", "Event", "Events", "FileError", "FormatError", "Generation",
    "LimitError", "MissingFileError", "Model", "ModelInfo", "NumericError", "OptionInfo",
    "OptionValue", "OutOfMemory", "PithError", "QuantizePlan", "Session", "StateError",
    "TensorInfo", "UnsupportedError", "convert", "library_path", "library_version", "options",
    "quantize", "quantize_plan",
]
