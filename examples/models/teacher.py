"""A bag-of-words judge of reviews: the teacher of the sentiment task.

Logistic regression on words, word pairs and negated words, scaled by their
naive Bayes log ratios (Wang and Manning, 2012). It sees the training part
only. Its soft labels let the language model learn from many more texts than
the few thousand that people labelled.
"""

import re
from collections import Counter

import torch

NEGATION = re.compile(r"(not|no|never|nor|cannot|without|hardly|\w+n't)$")


def features(text):
    words = re.findall(r"[a-z']+|[!?]|[0-9]+", text.lower())
    found = set(words)
    found.update(zip(words, words[1:]))
    reach = 0  # how far the last negation still acts
    for word in words:
        if reach:
            found.add("not " + word)
            reach -= 1
        if NEGATION.match(word):
            reach = 3
    return found


class Teacher:
    def __init__(self, items, positive, smooth=0.5, decay=1e-3, steps=150):
        sets = [features(text) for text, _ in items]
        y = torch.tensor([float(label == positive) for _, label in items])
        counts = Counter(f for found in sets for f in found)
        names = [f for f, n in counts.items() if n >= 2]
        self.index = {f: i for i, f in enumerate(names)}
        x = torch.stack([self.vector(found) for found in sets])
        p = (x * y[:, None]).sum(0) + smooth
        q = (x * (1 - y[:, None])).sum(0) + smooth
        self.ratio = (p / p.sum()).log() - (q / q.sum()).log()
        x = x * self.ratio
        w = torch.zeros(len(names), requires_grad=True)
        b = torch.zeros(1, requires_grad=True)
        solver = torch.optim.LBFGS([w, b], max_iter=steps)

        def loss():
            solver.zero_grad()
            z = x @ w + b
            total = torch.nn.functional.binary_cross_entropy_with_logits(z, y)
            total = total + decay * w.pow(2).sum()
            total.backward()
            return total

        solver.step(loss)
        self.w, self.b = (w.detach() * self.ratio), float(b.detach())

    def vector(self, found):
        x = torch.zeros(len(self.index))
        x[[self.index[f] for f in found if f in self.index]] = 1.0
        return x

    def score(self, text):
        """Log odds that the text is positive."""
        return self.b + sum(float(self.w[self.index[f]])
                            for f in features(text) if f in self.index)
