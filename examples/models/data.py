"""The labelled texts, the split rule, and the form in which a text is asked.

Every labelled text has a key: its words in lower case, with every run of
digits read as "0". A text is held out when the SHA-1 of its key is divisible
by five. Texts with equal keys are one item (the first one met), so no
held-out text, nor a copy that differs in case, spacing, punctuation or
numbers, is ever trained on.
"""

import hashlib
import os
import re

REVIEWS = ("amazon_cells", "imdb", "yelp")
SENTIMENT = ("negative", "positive")
SPAM = ("ham", "spam")
CONTENT_FREE = "N/A"


def prompt(text):
    return f"Text: {text}\nLabel:"


def key(text):
    return " ".join(re.sub(r"\d+", "0", w)
                    for w in re.findall(r"\w+", text.lower()))


def part(text):
    """"heldout", "valid" (for choices made while training) or "train"."""
    number = int(hashlib.sha1(key(text).encode()).hexdigest(), 16)
    if number % 5 == 0:
        return "heldout"
    return "valid" if number // 5 % 12 == 0 else "train"


def unique(items):
    seen = {}
    for text, label in items:
        seen.setdefault(key(text), (text, label))
    return list(seen.values())


def read_reviews(data_dir, name):
    path = os.path.join(data_dir, "text", "uci_sentiment",
                        name + "_labelled.txt")
    items = []
    # Split at "\n" only: some sentences contain other line separators.
    for line in open(path, encoding="utf-8").read().split("\n"):
        text, tab, label = line.rpartition("\t")
        if tab:
            items.append((text.strip(), SENTIMENT[int(label)]))
    return items


def read_sentiment(data_dir):
    return unique(item for name in REVIEWS
                  for item in read_reviews(data_dir, name))


def read_spam(data_dir):
    path = os.path.join(data_dir, "text", "sms_spam", "SMSSpamCollection")
    items = []
    for line in open(path, encoding="utf-8").read().split("\n"):
        label, tab, text = line.partition("\t")
        if tab and label in SPAM:
            items.append((text.strip(), label))
    return unique(items)


def read_soda(data_dir):
    """The dialogues and stories of soda_chat_val.txt, as two lists."""
    path = os.path.join(data_dir, "text", "soda_chat_val.txt")
    blocks = open(path, encoding="utf-8").read().split("\n\n")
    dialogues, stories = [], []
    for block in blocks:
        block = block.replace("<|endoftext|>", "").strip()
        head, found, story = block.partition("Story:")
        if found:
            stories.append(story.strip())
        elif block.startswith("User:"):
            dialogues.append(block)
    return dialogues, stories


def select(items, name):
    return [item for item in items if part(item[0]) == name]
