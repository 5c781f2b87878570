"""Make pith-tiny.json: what examples/models/pith-tiny.gguf must compute.

    python pith-tiny.py MODEL.gguf DATA_DIR OUT.json

Everything is computed by the PyTorch model in examples/models, in float32
from the dequantised weights, and by SentencePiece. DATA_DIR is needed for the
held-out accuracy.
"""

import hashlib
import importlib.metadata
import json
import os
import platform
import sys

import torch

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "..", "examples", "models"))

import data  # noqa: E402
from model import load_gguf, load_tokenizer  # noqa: E402
from train import correct, label_scores  # noqa: E402

STEPS = 64
# Prompts after which no two tokens come close for long: see "margin".
STORIES = (
    "Once upon a time, there was a little girl named Lily.",
    "Once upon a time, there was a boy named Tim. Tim had a red",
    "The wind was strong and the tree",
)
REVIEWS = (
    "The soup was delicious and the waiter was very friendly.",
    "This charger stopped working after two days, a waste of money.",
    "I loved every minute of this film, the acting is wonderful.",
    "Boring plot, terrible actors; I would not recommend it.",
)
MESSAGES = (
    "WINNER!! Claim your free prize now, call 09061234567. Cost 150p/min",
    "Running ten minutes late, can you order me a coffee please?",
    "URGENT! Your mobile number has won a 2000 pound award. Text WIN to 80086",
    "ok see you at home tonight, mum is making dinner :)",
)


def story(model, sp, prompt):
    ids = [sp.bos_id()] + sp.encode(prompt)
    last = model.logits(torch.tensor([ids]))[0, -1]
    out, margin = list(ids), float("inf")
    for _ in range(STEPS):
        best = model.logits(torch.tensor([out]))[0, -1].topk(2)
        margin = min(margin, float(best.values[0] - best.values[1]))
        out.append(int(best.indices[0]))
    return {"prompt": prompt, "prompt_ids": ids,
            "greedy_ids": out[len(ids):],
            # The tail of the whole, so that a leading space survives.
            "greedy_text": sp.decode(out[1:])[len(prompt):],
            # Smallest lead of a chosen token: how far rounding may go.
            "margin": round(margin, 5),
            "last_logits": [round(x, 5) for x in last.tolist()]}


def classify(model, sp, text, labels):
    score = label_scores(model, sp, [text], labels)[0]
    free = label_scores(model, sp, [data.CONTENT_FREE], labels)[0]
    return {"text": text, "labels": list(labels),
            "logprobs": [round(x, 5) for x in score.tolist()],
            "content_free": [round(x, 5) for x in free.tolist()],
            "probabilities": [round(x, 6) for x in
                              (score - free).softmax(0).tolist()]}


def dump(golden):
    """JSON with one case a line."""
    lines = []
    for name, value in golden.items():
        text = json.dumps(value)
        if isinstance(value, list):
            text = "[\n  " + ",\n  ".join(map(json.dumps, value)) + "]"
        lines.append(f" {json.dumps(name)}: {text}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


@torch.inference_mode()
def main():
    path, data_dir, out = sys.argv[1:4]
    model, sp = load_gguf(path), load_tokenizer(path)
    heldout = {}
    for name, items, labels in (
            ("sentiment", data.read_sentiment(data_dir), data.SENTIMENT),
            ("spam", data.read_spam(data_dir), data.SPAM)):
        items = data.select(items, "heldout")
        right = sum(correct(model, sp, items, labels))
        heldout[name] = {"correct": right, "count": len(items),
                         "accuracy": round(right / len(items), 5)}
    golden = {
        "model": os.path.basename(path),
        "sha256": hashlib.sha256(open(path, "rb").read()).hexdigest(),
        "vocab": model.config.vocab,
        "made_with": {"python": platform.python_version(),
                      **{name: importlib.metadata.version(name)
                         for name in ("torch", "sentencepiece", "gguf")}},
        "cases": [story(model, sp, prompt) for prompt in STORIES],
        "classify": [classify(model, sp, text, labels)
                     for texts, labels in ((REVIEWS, data.SENTIMENT),
                                           (MESSAGES, data.SPAM))
                     for text in texts],
        "heldout": heldout,
    }
    with open(out, "w") as f:
        f.write(dump(golden))


if __name__ == "__main__":
    main()
