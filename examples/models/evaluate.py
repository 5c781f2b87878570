"""Held-out accuracy of a model file, per data set and per task.

    python evaluate.py pith-tiny.gguf DATA_DIR

Each label is scored as the continuation of the prompt, minus the same for
the content-free text; the best label counts.
"""

import sys

import data
from model import load_gguf, load_tokenizer
from train import correct


def main():
    model, sp = load_gguf(sys.argv[1]), load_tokenizer(sys.argv[1])
    reviews = data.select(data.read_sentiment(sys.argv[2]), "heldout")
    messages = data.select(data.read_spam(sys.argv[2]), "heldout")
    sets = [("sentiment", reviews, data.SENTIMENT),
            ("spam", messages, data.SPAM)]
    for name in data.REVIEWS:
        keys = {data.key(t) for t, _ in data.read_reviews(sys.argv[2], name)}
        some = [item for item in reviews if data.key(item[0]) in keys]
        sets.append((name, some, data.SENTIMENT))
    for label in data.SPAM:
        some = [item for item in messages if item[1] == label]
        sets.append((label, some, data.SPAM))
    for name, items, labels in sets:
        right, count = sum(correct(model, sp, items, labels)), len(items)
        print(f"{name:14} {right:4} of {count:4}  {100 * right / count:.1f} %")


if __name__ == "__main__":
    main()
