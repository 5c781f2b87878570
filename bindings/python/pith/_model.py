"""Model: an open model file, shared by any number of threads."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import mmap
import os
import threading
from ctypes import byref
from dataclasses import dataclass
from typing import Any, Dict, Iterable, Iterator, List, Optional, Tuple

from . import _errors, _options
from ._library import Int32, Int64, Pointer, lib
from ._options import OptionValue
from ._session import Event, Events, Generation, Session
from ._text import Buffer, Text, encode, ids_array, text_at

_ADD_SPECIAL, _SPECIAL = 1, 2


@dataclass(frozen=True)
class ModelInfo:
    """Numbers of a model; 0 where it has none, and -1 for a token that it has not."""

    arch: str
    vocabulary: int
    context: int
    width: int
    layers: int
    parameters: int
    bytes: int
    tensors: int
    bos: int
    eos: int
    tiers: int
    exact: int
    token_bytes: int
    token_operations: int
    output_bytes: int
    output_operations: int
    state_bytes: int


#: enum pith_model_number, from 1 on.
_NUMBERS = ("vocabulary", "context", "width", "layers", "parameters", "bytes", "tensors", "bos",
            "eos", "tiers", "exact", "token_bytes", "token_operations", "output_bytes",
            "output_operations", "state_bytes")


@dataclass(frozen=True)
class TensorInfo:
    """A tensor of the file; the shape's outermost dimension stands first."""

    name: str
    type: str
    shape: Tuple[int, ...]


class Model:
    """An open model, from a path (str or os.PathLike), from bytes or another buffer such as
    an ``mmap``, or from an open binary file (anything with ``fileno()``; then ``offset`` and
    ``size`` choose a part).

    Keyword options of every scope are accepted (:func:`pith.options` lists them); those of
    sessions and calls become the defaults of everything that the model makes.

    A model may be used by any number of threads at once. Close it, or use ``with``; what is
    still running keeps what it needs.
    """

    def __init__(self, source: Any, *, offset: int = 0, size: int = 0,
                 **options: OptionValue) -> None:
        self._handle: Optional[Pointer] = None
        self._life = threading.RLock()
        self._idle: List[Session] = []
        self._path: Optional[str] = None
        self._keep: Any = None  # the buffer that the library reads
        _options.check_names(options, "Model", ("model", "session", "call"))
        self._options = options
        out = Pointer()
        with _options.Options(options, ("model",)) as chosen:
            self._open(out, source, offset, size, chosen)
        self._handle = out

    def _open(self, out: Pointer, source: Any, offset: int, size: int, chosen: Any) -> None:
        if isinstance(source, (str, os.PathLike)):
            if offset or size:
                raise TypeError("offset and size are for open files")
            self._path = os.fsdecode(source)
            path = os.fsencode(source)
            try:
                lib.model_open(byref(out), path, len(path), chosen)
            except _errors.FileError as why:
                if os.path.exists(path):
                    raise
                missing = _errors.MissingFileError(str(why))
                missing.errno, missing.filename = errno.ENOENT, self._path
                missing.strerror = os.strerror(errno.ENOENT)
                raise missing from None
        elif hasattr(source, "fileno") and not isinstance(source, mmap.mmap):
            lib.model_open_fd(byref(out), source.fileno(), offset, size, chosen)
        else:
            self._keep = Buffer(source)
            lib.model_open_memory(byref(out), self._keep.address, self._keep.size, chosen)

    # -- life --

    def close(self) -> None:
        """Gives the model up. Sessions and generations that exist go on."""
        with self._life:
            handle, self._handle = self._handle, None
            idle, self._idle = self._idle, []
            keep, self._keep = self._keep, None
        for session in idle:
            session.close()
        if handle is not None:
            lib.model_release(handle)
        del keep  # not before the library has let go; sessions have references of their own

    def __enter__(self) -> Model:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()

    def __del__(self) -> None:
        with contextlib.suppress(Exception):  # half made, or the interpreter is going
            self.close()

    def __repr__(self) -> str:
        if self._handle is None:
            return "<pith.Model closed>"
        where = f" {self._path!r}" if self._path else ""
        return f"<pith.Model{where} {self.info.arch} {self.info.parameters} parameters>"

    def __reduce__(self) -> Tuple[Any, ...]:
        if self._path is None:
            raise TypeError("only a model that was opened by its path can be pickled")
        return _reopen, (self._path, self._options)

    @contextlib.contextmanager
    def _use(self) -> Iterator[Pointer]:
        """The handle, kept alive even if another thread closes the model meanwhile."""
        with self._life:
            handle = self._handle
            if handle is None:
                raise _errors.StateError("the model is closed")
            lib.model_retain(handle)
        try:
            yield handle
        finally:
            lib.model_release(handle)

    # -- facts --

    @property
    def info(self) -> ModelInfo:
        """What the model is."""
        with self._use() as handle:
            numbers = {name: lib.model_number(handle, key + 1)
                       for key, name in enumerate(_NUMBERS)}
            return ModelInfo(lib.model_arch(handle).decode("utf-8", "replace"), **numbers)

    @property
    def metadata(self) -> Dict[str, str]:
        """The file's metadata as text; arrays are abbreviated and long values cut."""
        found = {}
        value = ctypes.create_string_buffer(4096)
        with self._use() as handle:
            for i in range(lib.model_meta_count(handle)):
                key, length = Pointer(), Int64()
                lib.model_meta(handle, i, byref(key), byref(length), value, len(value))
                found[text_at(key, length.value)] = value.value.decode("utf-8", "replace")
        return found

    @property
    def tensors(self) -> List[TensorInfo]:
        """The file's tensors."""
        found = []
        with self._use() as handle:
            for i in range(self.info.tensors):
                name, kind, length, dims = Pointer(), Pointer(), Int64(), Int32()
                shape = (Int64 * 4)()
                lib.model_tensor(handle, i, byref(name), byref(length), byref(kind), shape,
                                 byref(dims))
                found.append(TensorInfo(text_at(name, length.value), text_at(kind),
                                        tuple(shape[:dims.value])))
        return found

    def explain(self) -> str:
        """The program that the model runs, one step a line."""
        length = Int64()
        with self._use() as handle:
            lib.model_explain(handle, None, 0, byref(length))
            text = ctypes.create_string_buffer(length.value + 1)
            lib.model_explain(handle, text, len(text), byref(length))
        return text.value.decode("utf-8", "replace")

    def verify(self) -> None:
        """Reads every weight; raises NumericError naming the first tensor that is broken."""
        with self._use() as handle:
            lib.model_verify(handle)

    # -- tokens --

    def tokenize(self, text: Text, *, bos: bool = True, special: bool = False) -> List[int]:
        """The ids of a text. ``bos`` adds the special tokens that the model expects around a
        text; with ``special``, text that spells a control token becomes it."""
        data = encode(text)
        flags = (_ADD_SPECIAL if bos else 0) | (_SPECIAL if special else 0)
        count, capacity = Int64(), len(data) + 4
        with self._use() as handle:
            while True:
                ids = (Int32 * capacity)()
                lib.tokenize(handle, data, len(data), flags, ids, capacity, byref(count))
                if count.value <= capacity:
                    return ids[:count.value]
                capacity = count.value

    def detokenize_bytes(self, ids: Iterable[int], *, special: bool = False) -> bytes:
        """The bytes of ids, which may end inside a character. Control tokens give nothing unless
        ``special``."""
        array, count = ids_array(ids)
        flags, length = _SPECIAL if special else 0, Int64()
        with self._use() as handle:
            lib.detokenize(handle, array, count, flags, None, 0, byref(length))
            text = ctypes.create_string_buffer(length.value + 1)
            lib.detokenize(handle, array, count, flags, text, length.value, byref(length))
        return text.raw[:length.value]

    def detokenize(self, ids: Iterable[int], *, special: bool = False) -> str:
        """The text of ids; what is no UTF-8 becomes U+FFFD."""
        return self.detokenize_bytes(ids, special=special).decode("utf-8", "replace")

    def piece(self, token: int) -> str:
        """A token as the vocabulary spells it."""
        text, length = Pointer(), Int64()
        with self._use() as handle:
            lib.token_piece(handle, token, byref(text), byref(length))
            return text_at(text, length.value)

    # -- tasks, each in a session of its own --

    def session(self, **options: OptionValue) -> Session:
        """A new session; the same as ``pith.Session(model, **options)``."""
        return Session(self, **options)

    def _borrow(self) -> Session:
        """An empty session: an idle one, or a new one."""
        with self._life:
            if self._handle is None:
                raise _errors.StateError("the model is closed")
            if self._idle:
                return self._idle.pop()
        return Session(self)

    def _give_back(self, session: Session) -> None:
        try:
            session.rewind()
        except _errors.StateError:
            return  # closed, or still busy in another thread, which then drops it
        with self._life:
            if self._handle is not None and not session._cancelled:
                self._idle.append(session)
                return
        session.close()

    @contextlib.contextmanager
    def _borrowed(self) -> Iterator[Session]:
        session = self._borrow()
        try:
            yield session
        finally:
            self._give_back(session)

    def generate(self, prompt: Text, **options: OptionValue) -> Generation:
        """Continues a text: an iterator over pieces of it. See :meth:`Session.generate`."""
        return Generation(self._start(prompt, None, options))

    def events(self, prompt: Text, **options: OptionValue) -> Events:
        """The same, as an iterator over :class:`Event`, one per token."""
        return self._start(prompt, None, options)

    def _start(self, prompt: Text, suffix: Optional[Text],
               options: Dict[str, OptionValue]) -> Events:
        session = self._borrow()
        try:
            return Events(session, prompt, suffix, options, self._give_back)
        except BaseException:
            self._give_back(session)
            raise

    def infill(self, prefix: Text, suffix: Text, **options: OptionValue) -> Generation:
        """Writes what stands between a prefix and a suffix. See :meth:`Session.infill`."""
        return Generation(self._start(prefix, suffix, options))

    def complete(self, prompt: Text, *, suffix: Optional[Text] = None,
                 **options: OptionValue) -> str:
        """The whole continuation of a text; with a suffix, all that :meth:`infill` writes before
        it."""
        with Generation(self._start(prompt, suffix, options)) as pieces:
            return "".join(pieces)

    def classify(self, texts: Iterable[Text], labels: Iterable[Text],
                 **options: OptionValue) -> List[Dict[str, float]]:
        """The probability of each label for each text. See :meth:`Session.classify`."""
        with self._borrowed() as session:
            return session.classify(texts, labels, **options)

    def probabilities(self, texts: Iterable[Text], labels: Iterable[Text],
                      **options: OptionValue) -> memoryview:
        """The same as a float32 array [texts][labels]; ``numpy.asarray`` takes it as it is."""
        with self._borrowed() as session:
            return session.probabilities(texts, labels, **options)

    def score(self, prompt: Text, text: Text) -> Tuple[float, int]:
        """The natural log-probability of a text after a prompt, and its number of tokens."""
        with self._borrowed() as session:
            return session.score(prompt, text)

    def score_tokens(self, ids: Iterable[int]) -> List[float]:
        """The natural log-probability of each token but the first."""
        with self._borrowed() as session:
            return session.score_tokens(ids)


def _reopen(path: str, options: Dict[str, OptionValue]) -> Model:
    return Model(path, **options)  # type: ignore[arg-type]  # options never name offset or size


__all__ = ["Event", "Model", "ModelInfo", "TensorInfo"]
