"""Print the held-out items, one JSON object a line.

    python heldout.py DATA_DIR

DATA_DIR contains text/uci_sentiment and text/sms_spam. Each line has the
text, its label, and the labels to choose from.
"""

import json
import sys

from data import SENTIMENT, SPAM, read_sentiment, read_spam, select


def main():
    for items, labels in ((read_sentiment(sys.argv[1]), SENTIMENT),
                          (read_spam(sys.argv[1]), SPAM)):
        for text, label in select(items, "heldout"):
            print(json.dumps({"text": text, "label": label,
                              "labels": labels}))


if __name__ == "__main__":
    main()
