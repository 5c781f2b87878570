"""Sessions and generation: feeding, logits, events, cancellation, interruption."""

import math
import signal
import threading
import time
import unittest

import pith

from .support import ENDS, LLAMA, MARKS, QWEN, tokens_of, with_marks


class WithModel(unittest.TestCase):
    path = LLAMA

    def setUp(self):
        self.model = pith.Model(self.path, threads=1)
        self.addCleanup(self.model.close)
        self.session = self.model.session()
        self.addCleanup(self.session.close)


class Feeding(WithModel):
    def test_logits(self):
        ids = self.model.tokenize("Once upon")
        self.session.feed(ids)
        self.assertEqual(self.session.position, len(ids))
        logits = self.session.logits()
        self.assertEqual((logits.shape, logits.format), ((99,), "f"))
        self.session.rewind()
        rows = self.session.evaluate(ids)
        self.assertEqual(rows.shape, (len(ids), 99))
        for a, b in zip(rows.tolist()[-1], logits.tolist()):
            self.assertAlmostEqual(a, b, 4)
        self.session.feed([5])
        self.assertNotEqual(self.session.logits(), logits)

    def test_generator_of_ids(self):
        self.session.feed(i for i in (1, 2, 3))
        self.assertEqual(self.session.position, 3)
        self.session.feed([])
        self.assertEqual(len(self.session.evaluate([])), 0)
        self.assertEqual(self.session.position, 3)

    def test_errors(self):
        with self.assertRaises(pith.StateError):
            self.session.logits()
        with self.assertRaises(pith.ArgumentError):
            self.session.feed([99])
        with self.assertRaises(pith.ArgumentError):
            self.session.feed([-1])
        with self.assertRaises(pith.LimitError) as caught:
            self.session.feed([1] * 257)
        self.assertIn("257", str(caught.exception))
        with self.assertRaises(pith.ArgumentError):
            self.session.rewind(1)
        with self.assertRaises(TypeError):
            self.session.feed(["a"] and [None])
        self.assertEqual(self.session.position, 0)

    def test_scores(self):
        ids = self.model.tokenize("Once upon")
        logprobs = self.session.score_tokens(ids)
        self.assertEqual(len(logprobs), len(ids) - 1)
        prompt = len(self.model.tokenize("Once"))
        logprob, tokens = self.session.score("Once", " upon")
        self.assertEqual(tokens, len(ids) - prompt)
        self.assertAlmostEqual(logprob, sum(logprobs[prompt - 1:]), 9)
        self.assertEqual(self.model.score("Once", " upon"), (logprob, tokens))
        self.assertEqual(self.model.score_tokens(ids), logprobs)
        self.assertEqual(self.session.score("", ""), (0, 0))
        for short in ([], [1]):
            with self.assertRaises(pith.ArgumentError):
                self.session.score_tokens(short)


class Generating(WithModel):
    def test_pieces(self):
        pieces = self.session.generate("Once", max_tokens=8, ignore_eos=1)
        self.assertIsNone(pieces.finish)
        text = "".join(pieces)
        self.assertEqual(len(pieces.tokens), 8)
        self.assertEqual(pieces.finish, "length")
        self.assertEqual(self.model.detokenize([1] + self.model.tokenize("a", bos=False) +
                                               pieces.tokens), "a" + text)
        self.assertEqual(len(pieces.logprobs), 8)
        self.assertTrue(all(p <= 0 for p in pieces.logprobs))
        self.assertEqual(list(pieces), [])

    def test_events(self):
        events = list(self.model.events("Once", max_tokens=3, ignore_eos=1))
        self.assertEqual([e.finish for e in events], [None, None, "length"])
        best = self.session
        best.feed(self.model.tokenize("Once"))
        logits = best.logits().tolist()
        token = max(range(99), key=logits.__getitem__)
        self.assertEqual(events[0].token, token)
        self.assertAlmostEqual(events[0].logprob, -math.log(
            sum(math.exp(x - logits[token]) for x in logits)), 4)

    def test_finish(self):
        with pith.Model(ENDS, threads=1) as ends:
            pieces = ends.generate("Once upon")
            for _ in pieces:
                pass
            self.assertEqual(pieces.finish, "eos")
        pieces = self.session.generate("Once", max_tokens=1000, ignore_eos=1)
        for _ in pieces:
            pass
        self.assertEqual(pieces.finish, "context")

    def test_stop(self):
        text = self.model.complete("Once", max_tokens=12, ignore_eos=1)
        for stop in (text[4:6], [text[4:6]], ["never", text[4:6].encode()]):
            pieces = self.model.generate("Once", stop=stop, ignore_eos=1)
            self.assertEqual("".join(pieces), text[:text.index(text[4:6])])
            self.assertEqual(pieces.finish, "stop")

    def test_seeds(self):
        texts = {self.model.complete("Once", temperature=1.5, seed=i, max_tokens=20)
                 for i in (1, 2, 3, 1, 2, 3)}
        self.assertEqual(len(texts), 3)

    def test_goes_on(self):
        whole = self.model.complete("Once", max_tokens=10, ignore_eos=1)
        parts = [self.session.complete(prompt, max_tokens=5, ignore_eos=1)
                 for prompt in ("Once", "")]
        self.assertEqual("".join(parts), whole)

    def test_left_early_and_taken_up(self):
        whole = self.model.complete("Once", max_tokens=10, ignore_eos=1)
        pieces = self.session.generate("Once", max_tokens=10, ignore_eos=1)
        text = next(pieces) + next(pieces)
        self.assertEqual(text + "".join(pieces), whole)

    def test_one_generation_at_a_time(self):
        first = self.session.generate("Once")
        next(first)
        second = self.session.generate(" more")
        with self.assertRaises(pith.StateError):
            next(first)
        next(second)

    def test_closing(self):
        with self.session.generate("Once") as pieces:
            next(pieces)
        self.assertEqual(list(pieces), [])
        self.session.close()
        self.session.close()
        with self.assertRaises(pith.StateError):
            self.session.generate("Once")
        self.assertEqual(self.session.position, 0)
        self.session.cancel()
        self.assertIn("closed", repr(self.session))

    def test_text_is_text(self):
        with pith.Model(QWEN, threads=1) as model:
            for seed in range(5):
                for event in model.events(b"h\xc3\xa9\xff", temperature=5, seed=seed,
                                          max_tokens=60):
                    event.text.encode("utf-8")

    def test_errors(self):
        with self.assertRaises(pith.LimitError):
            self.session.generate("a" * 1000)
        with self.assertRaises(pith.ArgumentError):
            self.session.generate("a", stop="")
        with self.assertRaises(TypeError):
            self.session.generate(5)
        self.assertEqual(self.session.position, 0)


class Infilling(WithModel):
    path = with_marks(QWEN)
    prefix, suffix = "def f(", b"return 1"

    def test_the_same_as_its_tokens(self):
        before, behind, middle = MARKS
        self.session.feed([before, *self.model.tokenize(self.prefix, bos=False),
                           behind, *self.model.tokenize(self.suffix, bos=False), middle])
        position = self.session.position
        expected = self.session.generate("", max_tokens=12, ignore_eos=1)
        text = "".join(expected)
        self.session.rewind()
        pieces = self.session.infill(self.prefix, self.suffix, max_tokens=12, ignore_eos=1)
        self.assertEqual(self.session.position, position)
        self.assertEqual("".join(pieces), text)
        self.assertEqual((pieces.tokens, pieces.finish), (expected.tokens, "length"))
        self.assertEqual(len(pieces.tokens), 12)

    def test_all_forms(self):
        texts = ["".join(source.infill(self.prefix, self.suffix, max_tokens=12, ignore_eos=1))
                 for source in (self.model, self.session)]
        self.session.rewind()
        texts += [source.complete(self.prefix, suffix=self.suffix, max_tokens=12, ignore_eos=1)
                  for source in (self.model, self.session)]
        self.assertEqual(len(set(texts)), 1)
        self.assertNotEqual(texts[0], self.model.complete(self.prefix, max_tokens=12,
                                                          ignore_eos=1))
        self.assertEqual(len(self.model._idle), 1)

    def test_errors(self):
        with pith.Model(QWEN) as plain:
            with self.assertRaisesRegex(pith.UnsupportedError, "qwen2: its 279 tokens have none"):
                plain.infill(self.prefix, self.suffix)
            with self.assertRaises(pith.UnsupportedError):
                plain.complete(self.prefix, suffix="")
            self.assertEqual(len(plain._idle), 1)
        with self.assertRaisesRegex(TypeError, "prefix"):
            self.session.infill(5, "")
        with self.assertRaisesRegex(TypeError, "suffix"):
            self.session.infill("", 5)
        with self.assertRaisesRegex(TypeError, "infill has no option"):
            self.session.infill("", "", temprature=1)
        with self.assertRaises(pith.LimitError):
            self.session.infill("a" * 300, "")
        self.assertEqual(self.session.position, 0)


class Cancelling(WithModel):
    def test_before(self):
        self.session.cancel()
        with self.assertRaises(pith.Cancelled):
            self.session.generate("Once")
        self.session.generate("Once")

    def test_in_between(self):
        whole = self.model.complete("Once", max_tokens=10, ignore_eos=1)
        pieces = self.session.generate("Once", max_tokens=10, ignore_eos=1)
        text = next(pieces)
        pieces.cancel()
        with self.assertRaises(pith.Cancelled):
            next(pieces)
        self.assertEqual(text + "".join(pieces), whole)

    def test_from_another_thread(self):
        timer = threading.Timer(0.05, self.session.cancel)
        timer.start()
        with self.assertRaises(pith.Cancelled):
            self.session.classify(["some text"] * 100000, ["yes", "no"])
        timer.join()
        self.assertEqual(tokens_of(self.session, "Once", max_tokens=5), 5)

    def test_a_cancelled_session_is_not_lent_again(self):
        pieces = self.model.generate("Once")
        next(pieces)
        pieces.cancel()
        pieces.close()
        self.assertTrue(self.model.complete("Once", max_tokens=5))

    def test_in_use_by_another_thread(self):
        refused = []

        def other():
            while not self.session._busy.locked():
                time.sleep(0.001)
            for call in (lambda: self.session.feed([1]), self.session.close):
                try:
                    call()
                except pith.StateError as why:
                    refused.append(str(why))
            self.session.cancel()

        thread = threading.Thread(target=other)
        thread.start()
        with self.assertRaises(pith.Cancelled):
            self.session.classify(["some text"] * 100000, ["yes", "no"])
        thread.join()
        self.assertEqual(len(refused), 2)
        self.assertIn("another thread", refused[0])

    def test_keyboard_interrupt(self):
        handler = signal.signal(signal.SIGINT, signal.default_int_handler)  # jobs behind & ignore it
        self.addCleanup(signal.signal, signal.SIGINT, handler)
        whole = self.model.complete("Once", max_tokens=200, ignore_eos=1)
        pieces = self.session.generate("Once", max_tokens=200, ignore_eos=1)
        text = ""
        with self.assertRaises(KeyboardInterrupt):
            for piece in pieces:
                text += piece
                if len(text) == 20:
                    signal.raise_signal(signal.SIGINT)
        self.assertEqual(text + "".join(pieces), whole)
        self.session.rewind()
        self.assertEqual(self.session.complete("Once", max_tokens=200, ignore_eos=1), whole)


class Classifying(WithModel):
    texts = ["a good day", "a bad film", ""]
    labels = ["yes", "no", "perhaps"]

    def test_probabilities(self):
        rows = self.model.classify(self.texts, self.labels)
        self.assertEqual([list(row) for row in rows], [self.labels] * 3)
        for row in rows:
            self.assertAlmostEqual(sum(row.values()), 1, 5)
        array = self.model.probabilities(self.texts, self.labels)
        self.assertEqual((array.shape, array.format, array.itemsize), ((3, 3), "f", 4))
        self.assertEqual(array.tolist(), [list(row.values()) for row in rows])
        self.assertEqual(self.session.classify(iter(self.texts), tuple(self.labels)), rows)

    def test_options(self):
        plain = self.model.classify(self.texts, self.labels)
        shots = {"example_text": ["one", "two"], "example_label": ["yes", "no"]}
        self.assertNotEqual(self.model.classify(self.texts, self.labels, **shots), plain)
        self.assertNotEqual(self.model.classify(self.texts, self.labels, content_free=""), plain)

    def test_errors(self):
        for texts, labels, what in (("text", ["a"], TypeError), (["text"], "ab", TypeError),
                                    (["text"], b"ab", TypeError), ([5], ["a"], TypeError),
                                    ([], ["a"], ValueError), (["text"], [], ValueError),
                                    (["text"], ["a", ""], pith.ArgumentError),
                                    (["text"], ["a", "a"], pith.ArgumentError),
                                    (["a" * 1000], ["a"], pith.LimitError)):
            with self.assertRaises(what):
                self.model.classify(texts, labels)
        with self.assertRaises(pith.ArgumentError):
            self.model.classify(["a"], ["b"], template="no marks")


if __name__ == "__main__":
    unittest.main()
