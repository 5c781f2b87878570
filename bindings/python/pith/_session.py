"""Session: one timeline of tokens; and what generation gives."""

from __future__ import annotations

import contextlib
import threading
from ctypes import byref
from typing import (TYPE_CHECKING, Any, Callable, Dict, Iterable, Iterator, List, Mapping,
                    NamedTuple, Optional, Tuple)

from . import _errors, _options
from ._library import Double, Int64, Pointer, lib
from ._options import OptionValue
from ._text import (Text, bytes_at, encode, float_buffer, float_view, ids_array, strings_array,
                    text_at)

if TYPE_CHECKING:
    from ._model import Model

#: enum pith_finish; None while there is more to come.
FINISH = (None, "eos", "stop", "length", "context")


class Event(NamedTuple):
    """One generated token. ``text`` is whole characters and may be empty; ``token`` is -1 in a
    last event that brings none; ``finish`` says in the last one why generation ended: "eos",
    "stop", "length" or "context"."""

    text: str
    token: int
    logprob: float
    finish: Optional[str]


class Session:
    """A timeline of tokens with the model's memory of them.

    Used by one thread at a time: a call while another thread's call runs raises StateError.
    :meth:`cancel` alone may be called from anywhere. Close it, or use ``with``.
    """

    def __init__(self, model: Model, **options: OptionValue) -> None:
        self._handle: Optional[Pointer] = None
        self._life = threading.RLock()  # held while the handle is looked at or let go
        self._busy = threading.Lock()   # held while the library works in the session
        self._cancelled = False         # a cancellation may still wait for its call
        self._begun = 0                 # generations so far
        _options.check_names(options, "Session", ("session", "call"))
        self._options = _options.merged(model._options, options)
        out = Pointer()
        with model._use() as handle, _options.Options(self._options, ("session",)) as chosen:
            self._keep = model._keep
            lib.session_open(byref(out), handle, chosen)
            self._vocabulary: int = lib.model_number(handle, 1)
        self._handle = out

    # -- life --

    def close(self) -> None:
        """Gives the session up. While another thread's call runs, raises StateError."""
        if self._handle is None:
            return
        with self._work() as handle, self._life:
            self._handle = None
            lib.session_release(handle)
            self._keep = None

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()

    def __del__(self) -> None:
        with contextlib.suppress(Exception):  # half made, or the interpreter is going
            self.close()

    def __repr__(self) -> str:
        if self._handle is None:
            return "<pith.Session closed>"
        return f"<pith.Session {self.position} of {self.capacity} tokens>"

    @contextlib.contextmanager
    def _work(self) -> Iterator[Pointer]:
        if not self._busy.acquire(blocking=False):
            raise _errors.StateError("the session is in use by another thread")
        try:
            if self._handle is None:
                raise _errors.StateError("the session is closed")
            yield self._handle
        finally:
            self._busy.release()

    # -- tokens --

    @property
    def position(self) -> int:
        """Tokens held."""
        with self._life:
            return int(lib.session_position(self._handle))

    @property
    def capacity(self) -> int:
        """Tokens that can be held."""
        with self._life:
            return int(lib.session_capacity(self._handle))

    def feed(self, ids: Iterable[int]) -> None:
        """Appends tokens. On failure, cancellation included, none is."""
        array, count = ids_array(ids)
        with self._work() as handle:
            lib.session_feed(handle, array, count)

    def evaluate(self, ids: Iterable[int]) -> memoryview:
        """The same, and gives the logits of every position: float32 [ids][vocabulary]."""
        array, count = ids_array(ids)
        buffer, address = float_buffer(count * self._vocabulary)
        with self._work() as handle:
            lib.session_evaluate(handle, array, count, address)
        del address
        return float_view(buffer, count, self._vocabulary)

    def logits(self) -> memoryview:
        """The logits after the last token, float32 [vocabulary]: a copy, yours to keep."""
        pointer = Pointer()
        with self._work() as handle:
            lib.session_logits(handle, byref(pointer))
            return float_view(bytes_at(pointer, 4 * self._vocabulary), self._vocabulary)

    def rewind(self, position: int = 0) -> None:
        """Forgets all tokens from that position on."""
        with self._work() as handle:
            lib.session_rewind(handle, position)

    def cancel(self) -> None:
        """Makes the call now running, or else the next one, raise Cancelled. From any thread;
        a closed session is left alone."""
        with self._life:
            if self._handle is not None:
                self._cancelled = True
                lib.session_cancel(self._handle)

    # -- tasks --

    def _call_options(self, given: Mapping[str, OptionValue], where: str) -> _options.Options:
        _options.check_names(given, where, ("call",))
        return _options.Options(_options.merged(self._options, given), ("call",))

    def _begin(self, prompt: Text, suffix: Optional[Text],
               options: Mapping[str, OptionValue]) -> int:
        name, what = ("generate", "prompt") if suffix is None else ("infill", "prefix")
        data = encode(prompt, what)
        behind = None if suffix is None else encode(suffix, "suffix")
        with self._call_options(options, name) as chosen, self._work() as handle:
            self._begun += 1
            if behind is None:
                lib.generate(handle, data, len(data), chosen)
            else:
                lib.infill(handle, data, len(data), behind, len(behind), chosen)
            return self._begun

    def _next(self, number: int) -> Optional[Event]:
        event, text, length = Pointer(), Pointer(), Int64()
        with self._work() as handle:
            if number != self._begun:
                raise _errors.StateError("another generation was begun in the session")
            if lib.generate_next(handle, byref(event)) != 0:
                return None
            lib.event_text(event, byref(text), byref(length))
            finish = lib.event_finish(event)
            return Event(text_at(text, length.value), lib.event_token(event),
                         lib.event_logprob(event),
                         FINISH[finish] if finish < len(FINISH) else str(finish))

    def generate(self, prompt: Text = "", **options: OptionValue) -> Generation:
        """Continues a text, or with an empty prompt what the session holds. The prompt is read
        at once; the pieces come as the returned iterator is advanced."""
        return Generation(self.events(prompt, **options))

    def events(self, prompt: Text = "", **options: OptionValue) -> Events:
        """The same, as an iterator over :class:`Event`, one per token."""
        return Events(self, prompt, None, options)

    def infill(self, prefix: Text, suffix: Text, **options: OptionValue) -> Generation:
        """Writes what stands between a prefix and a suffix, as an iterator over its pieces. For
        models that were taught to (code models); others raise UnsupportedError."""
        return Generation(Events(self, prefix, suffix, options))

    def complete(self, prompt: Text = "", *, suffix: Optional[Text] = None,
                 **options: OptionValue) -> str:
        """The whole continuation; with a suffix, all that :meth:`infill` writes before it."""
        return "".join(Generation(Events(self, prompt, suffix, options)))

    def probabilities(self, texts: Iterable[Text], labels: Iterable[Text],
                      **options: OptionValue) -> memoryview:
        """The probability of each label for each text: float32 [texts][labels]. The session is
        empty afterwards."""
        text, text_offsets, n = strings_array(texts, "texts")
        label, label_offsets, m = strings_array(labels, "labels")
        buffer, address = float_buffer(n * m)
        with self._call_options(options, "classify") as chosen, self._work() as handle:
            lib.classify(handle, text, text_offsets, n, label, label_offsets, m, chosen, address)
        del address
        return float_view(buffer, n, m)

    def classify(self, texts: Iterable[Text], labels: Iterable[Text],
                 **options: OptionValue) -> List[Dict[str, float]]:
        """The same as a dict from label to probability for each text; labels must differ."""
        listed = labels if isinstance(labels, (str, bytes)) else list(labels)
        rows: Any = self.probabilities(texts, listed, **options).tolist()
        names = [encode(label).decode("utf-8", "replace") for label in listed]
        if len(set(names)) < len(names):
            raise _errors.ArgumentError("two labels are the same")
        return [dict(zip(names, row)) for row in rows]

    def score(self, prompt: Text, text: Text) -> Tuple[float, int]:
        """The natural log-probability of a text after a prompt, and its number of tokens. The
        session is empty afterwards."""
        before, after = encode(prompt, "prompt"), encode(text)
        logprob, tokens = Double(), Int64()
        with self._work() as handle:
            lib.score(handle, before, len(before), after, len(after), byref(logprob),
                      byref(tokens))
        return logprob.value, tokens.value

    def score_tokens(self, ids: Iterable[int]) -> List[float]:
        """The natural log-probability of each token but the first. The session is empty
        afterwards."""
        array, count = ids_array(ids)
        logprobs = (Double * max(count, 1))()
        with self._work() as handle:
            lib.score_tokens(handle, array, count, logprobs)
        return list(logprobs[:count - 1])


class Events(Iterator[Event]):
    """An iterator over events. It lets its session go when it ends, is closed or is forgotten;
    what was generated stays in the session. KeyboardInterrupt comes between two tokens; the
    session and this iterator can go on afterwards, at most the piece in hand is lost."""

    def __init__(self, session: Session, prompt: Text, suffix: Optional[Text],
                 options: Mapping[str, OptionValue],
                 release: Optional[Callable[[Session], None]] = None) -> None:
        self._session: Optional[Session] = None
        self._release = release
        self.finish: Optional[str] = None  # why it ended
        self._number = session._begin(prompt, suffix, options)
        self._session = session

    def __next__(self) -> Event:
        if self._session is None:
            raise StopIteration
        event = self._session._next(self._number)
        if event is None:
            self.close()
            raise StopIteration
        self.finish = event.finish
        return event

    def cancel(self) -> None:
        """From any thread: the step that runs, or else the next, raises Cancelled."""
        session = self._session
        if session is not None:
            session.cancel()

    def close(self) -> None:
        """Ends the iteration."""
        session, self._session = self._session, None
        if session is not None and self._release is not None:
            self._release(session)

    def __enter__(self) -> Events:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()

    def __del__(self) -> None:
        with contextlib.suppress(Exception):
            self.close()


class Generation(Iterator[str]):
    """An iterator over the pieces of a text, none of them empty. See :class:`Events`."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self.tokens: List[int] = []
        self.logprobs: List[float] = []

    @property
    def finish(self) -> Optional[str]:
        """Why it ended: "eos", "stop", "length" or "context"; None before."""
        return self._events.finish

    def __next__(self) -> str:
        while True:
            event = next(self._events)
            if event.token >= 0:
                self.tokens.append(event.token)
                self.logprobs.append(event.logprob)
            if event.text:
                return event.text

    def cancel(self) -> None:
        """From any thread: the step that runs, or else the next, raises Cancelled."""
        self._events.cancel()

    def close(self) -> None:
        """Ends the iteration."""
        self._events.close()

    def __enter__(self) -> Generation:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()


__all__ = ["Event", "Events", "Generation", "Session"]
