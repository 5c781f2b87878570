"""Compute the golden numbers of make_models.py a second time.

    pip install gguf numpy
    python check_models.py [--sensitivity] [FILE.json...]

A plain forward pass in float64 that knows nothing of transformers and reads
only the GGUF file beside each JSON file: what it agrees with is both the
numbers and the way they are stored. Only the unpacking of quantised blocks is
gguf's (float32). Prints, per file, the largest error of logits and
log-probabilities relative to the largest of them, and the smallest gap
between best and second along the greedy chains; fails above TOLERANCE.

--sensitivity then spoils one thing at a time (a bias forgotten, a norm weight
taken as one, RoPE scaling ignored, ...) and prints how far, on the same
scale, the logits move: how well a test against these numbers sees it.
(One thing no test can see: the key third of gpt2's attn_qkv.bias adds the same
to every score of a query, which softmax cancels.)

Letters: n tokens, d width, h heads, k kv heads, c head width, l layer.
"""

import argparse
import glob
import hashlib
import json
import os
import sys

import gguf
import numpy as np

TOLERANCE = 1e-5
NOTICEABLE = 1e-3
HALF_SPLIT = ("qwen2", "qwen3")     # pairs (i, i + c/2); llama (2i, 2i + 1)


def read_gguf(path):
    """(keys, {name: float64 array, rows first})"""
    reader = gguf.GGUFReader(path)
    keys = {name: field.contents() for name, field in reader.fields.items()}
    tensors = {}
    for t in reader.tensors:
        values = gguf.quants.dequantize(t.data, t.tensor_type)
        # The file's dimensions run from the fastest; numpy's to it.
        shape = t.shape[::-1].tolist()
        tensors[t.name] = values.reshape(shape).astype(np.float64)
    return keys, tensors


class Model:
    def __init__(self, keys, tensors):
        self.arch = keys["general.architecture"]
        self.keys = keys
        self.tensors = tensors
        self.half_split = self.arch in HALF_SPLIT
        self.h = self.key("attention.head_count")
        self.k = self.key("attention.head_count_kv", self.h)
        self.c = self.key("attention.key_length",
                          self.key("embedding_length") // self.h)

    def key(self, name, default=None):
        value = self.keys.get(f"{self.arch}.{name}", default)
        if value is None:
            raise KeyError(name)
        return value

    def norm(self, x, name):
        weight = self.tensors[name + ".weight"]
        if self.arch == "gpt2":
            x = x - x.mean(-1, keepdims=True)
            eps = self.key("attention.layer_norm_epsilon")
        else:
            eps = self.key("attention.layer_norm_rms_epsilon")
        x = x / np.sqrt((x * x).mean(-1, keepdims=True) + eps)
        return x * weight + self.tensors.get(name + ".bias", 0.0)

    def linear(self, x, name):
        return (x @ self.tensors[name + ".weight"].T
                + self.tensors.get(name + ".bias", 0.0))

    def frequencies(self):
        """Radians per position of each RoPE pair [c/2], and the factor on
        cosine and sine."""
        base = self.key("rope.freq_base", 10000.0)
        pair = np.arange(self.c // 2)
        frequency = base ** (-2.0 * pair / self.c)
        if "rope_freqs.weight" in self.tensors:
            frequency = frequency / self.tensors["rope_freqs.weight"]
        kind = self.key("rope.scaling.type", "none")
        if kind == "none":
            return frequency, 1.0
        factor = self.key("rope.scaling.factor")
        if kind == "linear":
            return frequency / factor, 1.0
        assert kind == "yarn"
        # Pairs that turn more than 32 times in the original context stay,
        # those that turn less than once are stretched, a ramp in between.
        context = self.key("rope.scaling.original_context_length")

        def pair_turning(times):
            return (self.c * np.log(context / (times * 2 * np.pi))
                    / (2 * np.log(base)))
        low = max(np.floor(pair_turning(32)), 0)
        high = min(np.ceil(pair_turning(1)), self.c - 1)
        stretch = np.clip((pair - low) / max(0.001, high - low), 0, 1)
        frequency = (frequency / factor * stretch
                     + frequency * (1 - stretch))
        return frequency, 0.1 * np.log(factor) + 1

    def rope(self, x):
        """x [n][heads][c]"""
        frequency, scale = self.frequencies()
        angle = np.arange(len(x))[:, None, None] * frequency
        cos, sin = scale * np.cos(angle), scale * np.sin(angle)
        out = np.empty_like(x)
        middle = self.c // 2
        if self.half_split:
            first, second = slice(0, middle), slice(middle, None)
        else:
            first, second = slice(0, None, 2), slice(1, None, 2)
        out[..., first] = x[..., first] * cos - x[..., second] * sin
        out[..., second] = x[..., second] * cos + x[..., first] * sin
        return out

    def attention(self, x, at):
        n, h, k, c = len(x), self.h, self.k, self.c
        if at + "attn_qkv.weight" in self.tensors:
            q, key, value = np.split(self.linear(x, at + "attn_qkv"), 3, -1)
        else:
            q, key, value = (self.linear(x, at + "attn_" + which)
                             for which in "qkv")
        q, key, value = (a.reshape(n, -1, c) for a in (q, key, value))
        if at + "attn_q_norm.weight" in self.tensors:
            q = self.norm(q, at + "attn_q_norm")
            key = self.norm(key, at + "attn_k_norm")
        if self.arch != "gpt2":
            q, key = self.rope(q), self.rope(key)
        out = np.empty((n, h, c))
        future = np.triu(np.ones((n, n), dtype=bool), 1)
        for head in range(h):
            shared = head // (h // k)
            score = q[:, head] @ key[:, shared].T / np.sqrt(c)
            score[future] = -np.inf
            score = np.exp(score - score.max(-1, keepdims=True))
            score /= score.sum(-1, keepdims=True)
            out[:, head] = score @ value[:, shared]
        return self.linear(out.reshape(n, h * c), at + "attn_output")

    def feed_forward(self, x, at):
        up = self.linear(x, at + "ffn_up")
        if at + "ffn_gate.weight" in self.tensors:
            gate = self.linear(x, at + "ffn_gate")
            up = up * gate / (1 + np.exp(-gate))
        else:
            cubic = np.sqrt(2 / np.pi) * (up + 0.044715 * up ** 3)
            up = 0.5 * up * (1 + np.tanh(cubic))
        return self.linear(up, at + "ffn_down")

    def logits(self, ids):
        """[n][vocabulary]"""
        x = self.tensors["token_embd.weight"][ids]
        if "position_embd.weight" in self.tensors:
            x = x + self.tensors["position_embd.weight"][:len(ids)]
        for layer in range(self.key("block_count")):
            at = f"blk.{layer}."
            x = x + self.attention(self.norm(x, at + "attn_norm"), at)
            x = x + self.feed_forward(self.norm(x, at + "ffn_norm"), at)
        x = self.norm(x, "output_norm")
        head = "output" if "output.weight" in self.tensors else "token_embd"
        return self.linear(x, head)


def log_softmax(x):
    x = x - x.max(-1, keepdims=True)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def distance(a, b):
    return np.abs(np.asarray(a) - b).max() / np.abs(b).max()


def check_case(case, model):
    """(largest error, smallest gap); raises where the chain differs."""
    ids, chain = case["ids"], case["greedy_ids"]
    n = len(ids)
    out = model.logits(ids + chain)
    given = log_softmax(out[np.arange(n - 1)])[np.arange(n - 1), ids[1:]]
    errors = [distance(case["logits"], out[n - 1]),
              distance(case["logprobs"], given)]
    errors += [distance(row, out[int(p)]) for p, row in case["rows"].items()]
    steps = out[n - 1:-1]
    if steps.argmax(-1).tolist() != chain:
        raise ValueError("the greedy chain differs")
    best = np.sort(steps, -1)
    return max(errors), (best[:, -1] - best[:, -2]).min()


def check_file(path):
    with open(path) as f:
        golden = json.load(f)
    model_path = os.path.join(os.path.dirname(path), golden["model"])
    with open(model_path, "rb") as f:
        if hashlib.sha256(f.read()).hexdigest() != golden["sha256"]:
            raise ValueError(golden["model"] + " is another file")
    keys, tensors = read_gguf(model_path)
    model = Model(keys, tensors)
    results = [check_case(case, model) for case in golden["cases"]]
    error = max(r[0] for r in results)
    spread = np.std(golden["cases"][0]["logits"])
    print(f"{golden['model']:24} error {error:.1e}  "
          f"smallest gap {min(r[1] for r in results):.3f}  "
          f"deviation of logits {spread:.2f}", flush=True)
    return error <= TOLERANCE, keys, tensors, golden["cases"][-1]["ids"]


def spoiled(keys, tensors):
    """Yield (what is wrong, model) for one mistake after another."""
    for name, value in tensors.items():
        if value.ndim == 1:
            neutral = np.zeros if name.endswith("bias") else np.ones
            yield (name + " ignored", Model(
                keys, {**tensors, name: neutral(value.shape)}))
    if "position_embd.weight" in tensors:
        yield "position_embd.weight ignored", Model(
            keys, {n: v for n, v in tensors.items()
                   if n != "position_embd.weight"})
    for name in keys:
        if name.endswith("epsilon"):
            yield name + " = 1e-5", Model({**keys, name: 1e-5}, tensors)
        if name.endswith("freq_base"):
            yield name + " doubled", Model(
                {**keys, name: 2 * keys[name]}, tensors)
        if name.endswith("scaling.type"):
            for other in ("none", "linear"):
                if other != keys[name]:
                    yield f"{name} = {other}", Model(
                        {**keys, name: other}, tensors)
    model = Model(keys, tensors)
    if model.arch != "gpt2":
        model.half_split = not model.half_split
        yield "the other RoPE pairs", model


def print_sensitivity(keys, tensors, ids):
    right = Model(keys, tensors).logits(ids)
    for what, model in spoiled(keys, tensors):
        moved = distance(model.logits(ids), right)
        note = "" if moved > NOTICEABLE else "  <- not noticeable"
        print(f"    {moved:.1e}  {what}{note}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sensitivity", action="store_true")
    parser.add_argument("files", nargs="*", metavar="FILE.json")
    args = parser.parse_args()
    here = os.path.dirname(os.path.abspath(__file__))
    files = args.files or [
        f[:-5] + ".json" for f in sorted(glob.glob(here + "/*.gguf"))]
    failed = 0
    for path in files:
        right, *rest = check_file(path)
        failed += not right
        if args.sensitivity:
            print_sensitivity(*rest)
    print(f"{len(files) - failed} passed, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
