"""Train pith-tiny from scratch.

    python train.py DATA_DIR WORK_DIR STORIES.jsonl... --out pith-tiny.gguf

The stories come from stories.py. WORK_DIR keeps the tokenizer's training
text, the tokenizer and the last checkpoint.
"""

import argparse
import json
import math
import os
import random
import re
import time

import numpy as np
import sentencepiece
import torch
import torch.nn.functional as F

import data
from model import Config, Llama, save_gguf
from teacher import Teacher

VOCAB = 3072
CONTEXT = 512
WIDTHS = (32, 48, 64, 96, 128, 192, 256, 320, 384, 512)
BOS, EOS = 1, 2
IGNORE = -100
LABELS = ("positive", "negative", "spam", "ham")
GIRLS = ("Lily", "Mia", "Anna", "Sara", "Lucy", "Emma", "Ella", "Sue", "Amy",
         "Jane", "Molly", "Rosie")
BOYS = ("Tim", "Timmy", "Tom", "Max", "Ben", "Sam", "Jack", "Bob", "Billy",
        "Joe", "Leo", "Fred")
LABEL_WEIGHT = 16.0   # of the label's loss; a story token counts 1
PROMPT_WEIGHT = 0.1  # the few prompts are soon known by heart


# --- Corpus ---------------------------------------------------------------

def loops(text):
    """Small models at times repeat themselves; such stories teach no good."""
    words = re.findall(r"[\w']+|[.!?]", text.lower())
    if any(a == b == c for a, b, c in zip(words, words[1:], words[2:])):
        return True
    fives = list(zip(*(words[i:] for i in range(5))))
    return len(set(fives)) < 0.93 * len(fives)


def rename(text):
    """Exchange the names; the teacher calls nearly every child Lily."""
    other = {}
    for names in (GIRLS, BOYS):
        other.update(zip(names, random.sample(names, len(names))))
    return re.sub(r"\w+", lambda m: other.get(m[0], m[0]), text)


def load_stories(paths):
    """Sampled stories as (text, complete) pairs, without repetitions."""
    seen, stories = set(), []
    for path in paths:
        for line in open(path):
            s = json.loads(line)
            text = s["text"]
            if text not in seen and len(text) > 200 and not loops(text):
                seen.add(text)
                stories.append((rename(text), s["end"]))
    return stories


def train_tokenizer(work, stories, other, labelled):
    path = os.path.join(work, "tokenizer")
    if not os.path.exists(path + ".model"):
        lines = [text for text, _ in stories[:1000]] + other
        # Reviews and messages have the wider vocabulary, so they count more;
        # and each label must occur often enough to become one piece.
        lines += [data.prompt(text) + " " + random.choice(LABELS)
                  for text, _ in labelled] * 3
        with open(path + ".txt", "w") as f:
            f.write("\n".join(lines))
        sentencepiece.SentencePieceTrainer.Train(
            input=path + ".txt", model_prefix=path, model_type="bpe",
            vocab_size=VOCAB, byte_fallback=True, split_digits=True,
            character_coverage=0.9995, normalization_rule_name="identity",
            remove_extra_whitespaces=False, max_sentence_length=16384,
            num_threads=2, minloglevel=1)
    return sentencepiece.SentencePieceProcessor(model_file=path + ".model")


def make_batches(rows, budget):
    """Shuffled (rows, width) batches of about budget tokens.

    Widths come from a short list because every new shape of a matrix product
    costs the CPU library a compilation.
    """
    groups = {width: [] for width in WIDTHS}
    for row in rows:
        width = next(w for w in WIDTHS if len(row) <= w + 1)
        groups[width].append(row)
    batches = []
    for width, group in groups.items():
        count = budget // width
        random.shuffle(group)
        # What does not fill a batch waits for the next round.
        for i in range(0, len(group) - count + 1, count):
            batches.append((group[i:i + count], width))
    random.shuffle(batches)
    return batches


def pad(rows, width):
    """Inputs and next-token targets of width positions."""
    ids = torch.full((len(rows), width + 1), EOS)
    target = torch.full((len(rows), width + 1), IGNORE)
    for i, row in enumerate(rows):
        row = torch.as_tensor(row, dtype=torch.int64)
        ids[i, :len(row)] = target[i, :len(row)] = row
    return ids[:, :-1], target[:, 1:]


class Prose:
    """Stories and other running text, in rows of similar length."""

    def __init__(self, sp, stories, other, budget):
        rows = [(sp.encode(text), end) for text, end in stories]
        rows += [(sp.encode(text), True) for text in other]
        self.rows = []
        for ids, end in rows:
            ids = [BOS] + ids + ([EOS] if end else [])
            self.rows.append(np.array(ids[:CONTEXT + 1], dtype=np.int16))
        self.tokens = sum(map(len, self.rows))
        self.budget = budget
        self.queue = []

    def refill(self):
        rows = list(self.rows)
        random.shuffle(rows)
        # One row in eight continues into the next one, so that positions
        # beyond the length of one story are trained too.
        joined = []
        while rows:
            row = rows.pop()
            if rows and random.random() < 0.125:
                row = np.concatenate([row, rows.pop()])[:CONTEXT + 1]
            joined.append(row)
        self.queue = make_batches(joined, self.budget)

    def next(self):
        if not self.queue:
            self.refill()
        rows, width = self.queue.pop()
        ids, target = pad(rows, width)
        return ids, target, torch.ones(target.shape)


# --- Classification -------------------------------------------------------

class Questions:
    """An endless stream of prompts with labels, varied at every visit."""

    def __init__(self, sp, reviews, messages, prose, budget):
        self.sp = sp
        self.budget = budget
        self.queue = []
        self.reviews = reviews
        self.by_label = {name: [t for t, label in reviews + messages
                                if label == name] for name in LABELS}
        self.prose = prose
        self.words = [t.split() for t, _ in reviews]
        self.teacher = Teacher(reviews, "positive")

    def drop_words(self, words, share):
        kept = [w for w in words if random.random() >= share]
        return kept or words

    def recase(self, text):
        r = random.random()
        if r < 0.06:
            return text.lower()
        if r < 0.08:
            return text.upper()
        return text.rstrip(".!") if r < 0.16 else text

    def judged(self, text):
        """The teacher's opinion as a label drawn with its probability."""
        p = 1 / (1 + math.exp(-self.teacher.score(text)))
        return "positive" if random.random() < p else "negative"

    def review(self):
        r = random.random()
        if r < 0.25:  # as people wrote and labelled it
            text, label = random.choice(self.reviews)
            return self.recase(text), label
        if r < 0.5:  # a mixture of two reviews, cut and with words missing
            words = []
            for _ in range(random.choice((1, 2, 2))):
                w = random.choice(self.words)
                start = random.choice((0, random.randrange(len(w))))
                words += w[start:start + random.randrange(3, 20)]
            words = self.drop_words(words, 0.1)
        elif r < 0.9:  # a review with words of other reviews
            words = list(random.choice(self.words))
            share = random.choice((0.15, 0.3, 0.6))
            for i in range(len(words)):
                if random.random() < share:
                    other = random.choice(self.words)
                    j = random.randrange(len(other))
                    # One or two words, so that word pairs occur too.
                    words[i:i + 1] = other[j:j + random.choice((1, 2))]
            words = words[:60]
        else:
            words = self.snippet().split()
        text = self.recase(" ".join(words))
        return text, self.judged(text)

    def snippet(self):
        """A few words of other text, so that odd prompts are met too."""
        text = random.choice((random.choice(self.by_label["ham"]),
                              random.choice(self.prose)))
        words = text.split()
        start = random.randrange(max(1, len(words) - 4))
        return " ".join(words[start:start + random.randrange(3, 25)])

    def message(self):
        label = random.choice(data.SPAM)
        text = random.choice(self.by_label[label])
        words = text.split()
        r = random.random()
        if r < 0.4:
            words = self.drop_words(words, random.choice((0.1, 0.3)))
        elif r < 0.5 and len(words) > 8:
            # A piece of a message keeps its label if it is long.
            start = random.randrange(len(words) // 2)
            words = words[start:start + random.randrange(6, 30)]
        elif r < 0.6 and label == "ham":  # anything else is ham as well
            if random.random() < 0.5:
                return self.snippet(), label
            return random.choice(self.reviews)[0], label
        return self.recase(" ".join(words)), label

    def row(self):
        r = random.random()
        if r < 0.04:
            text, label = data.CONTENT_FREE, random.choice(LABELS)
        elif r < 0.60:
            text, label = self.review()
        else:
            text, label = self.message()
        ids = self.sp.encode(data.prompt(text) + " " + label)
        return [BOS] + ids[-CONTEXT + 2:] + [EOS]

    def next(self):
        if not self.queue:
            rows = [self.row() for _ in range(4096)]
            self.queue = make_batches(rows, self.budget)
        rows, width = self.queue.pop()
        ids, target = pad(rows, width)
        weight = torch.full(target.shape, PROMPT_WEIGHT)
        for i, row in enumerate(rows):
            weight[i, len(row) - 3] = LABEL_WEIGHT  # targets start at 1
            weight[i, len(row) - 2] = 0.5
        return ids, target, weight


# --- Evaluation -----------------------------------------------------------

@torch.inference_mode()
def label_scores(model, sp, texts, labels):
    """Summed log probability of each label after each text's prompt."""
    scores = []
    for text in texts:
        prompt = data.prompt(text)
        start = len(sp.encode(prompt))
        row = []
        for label in labels:
            ids = torch.tensor([[BOS] + sp.encode(prompt + " " + label)])
            logp = model.logits(ids[:, :-1]).log_softmax(-1)[0, start:]
            row.append(logp.gather(1, ids[0, start + 1:, None]).sum().item())
        scores.append(row)
    return torch.tensor(scores)


def correct(model, sp, items, labels):
    """For each (text, label): does the best calibrated label match?"""
    free = label_scores(model, sp, [data.CONTENT_FREE], labels)
    scores = label_scores(model, sp, [text for text, _ in items], labels)
    guess = (scores - free).argmax(1).tolist()
    return [labels[g] == label for g, (_, label) in zip(guess, items)]


def accuracy(model, sp, items, labels):
    return sum(correct(model, sp, items, labels)) / len(items)


@torch.inference_mode()
def story_loss(model, sp, stories):
    total = count = 0
    for text, _ in stories:
        ids = torch.tensor([[BOS] + sp.encode(text)])[:, :CONTEXT + 1]
        logits = model.logits(ids[:, :-1])[0]
        total += F.cross_entropy(logits, ids[0, 1:], reduction="sum").item()
        count += ids.shape[1] - 1
    return total / count


def report(model, sp, reviews, messages, stories):
    print("valid: sentiment {:.3f} spam {:.3f} story loss {:.3f}".format(
        accuracy(model, sp, reviews, data.SENTIMENT),
        accuracy(model, sp, messages, data.SPAM),
        story_loss(model, sp, stories)), flush=True)


# --- Training -------------------------------------------------------------

def weighted_loss(model, batch, dropout):
    ids, target, weight = batch
    model.drop.p = dropout
    with torch.autocast("cpu", torch.bfloat16):
        hidden = model(ids)
        logits = model.head(hidden)
    loss = F.cross_entropy(logits.flatten(0, 1).float(), target.flatten(),
                           ignore_index=IGNORE, reduction="none")
    return (loss * weight.flatten()).sum()


def optimizers(model, rate):
    """Muon for the matrices of the blocks, AdamW for the rest."""
    matrices = [p for p in model.blocks.parameters() if p.dim() == 2]
    norms = [p for p in model.parameters() if p.dim() == 1]
    return (torch.optim.Muon(matrices, lr=rate, weight_decay=0.1,
                             adjust_lr_fn="match_rms_adamw"),
            torch.optim.AdamW(norms + [model.embed.weight], lr=rate,
                              betas=(0.9, 0.98), weight_decay=0.0,
                              fused=True))


def rate_at(step, done, decay):
    """Warm up, stay, and come down to nothing over the last part."""
    return min(1.0, (step + 1) / 50, (1 - done) / decay)


def main():
    args = argparse.ArgumentParser()
    args.add_argument("data_dir")
    args.add_argument("work_dir")
    args.add_argument("stories", nargs="+")
    args.add_argument("--out", required=True)
    args.add_argument("--minutes", type=float, default=50,
                      help="the schedule follows the clock")
    args.add_argument("--decay", type=float, default=0.4,
                      help="share of the time in which the rate comes down")
    args.add_argument("--init", help="checkpoint to start from")
    args.add_argument("--dim", type=int, default=256)
    args.add_argument("--layers", type=int, default=5)
    args.add_argument("--ffn", type=int, default=640)
    args.add_argument("--rate", type=float, default=2e-3)
    args.add_argument("--prose-tokens", type=int, default=6144)
    args.add_argument("--question-tokens", type=int, default=3584)
    args.add_argument("--seed", type=int, default=0)
    args = args.parse_args()
    random.seed(args.seed)
    torch.manual_seed(args.seed)
    torch.set_num_threads(2)

    reviews = data.read_sentiment(args.data_dir)
    messages = data.read_spam(args.data_dir)
    train_reviews = data.select(reviews, "train")
    train_messages = data.select(messages, "train")
    dialogues, soda_stories = data.read_soda(args.data_dir)
    sampled = load_stories(args.stories)
    valid_stories, sampled = sampled[:40], sampled[40:]

    sp = train_tokenizer(args.work_dir, sampled, dialogues + soda_stories,
                         train_reviews + train_messages)
    # The few stories of people's making are seen more often.
    prose = Prose(sp, sampled, soda_stories * 4 + dialogues * 2,
                  args.prose_tokens)
    questions = Questions(sp, train_reviews, train_messages,
                          [text for text, _ in sampled[:2000]] + dialogues,
                          args.question_tokens)
    print(f"{prose.tokens / 1e6:.1f}M tokens of prose", flush=True)

    model = Llama(Config(vocab=VOCAB, dim=args.dim, layers=args.layers,
                         heads=args.dim // 64, kv_heads=args.dim // 128,
                         ffn=args.ffn, context=CONTEXT))
    if args.init:
        model.load_state_dict(torch.load(args.init))
    size = sum(p.numel() for p in model.parameters())
    print(f"{size / 1e6:.2f}M parameters", flush=True)
    solvers = optimizers(model, args.rate)
    began, seen, step, done = time.time(), 0, 0, 0.0
    while done < 1:
        model.train()
        for solver in solvers:
            for group in solver.param_groups:
                group["lr"] = args.rate * rate_at(
                    step, done, args.decay)
        losses = []
        for source, dropout in ((prose, 0.0), (questions, 0.1)):
            batch = source.next()
            loss = weighted_loss(model, batch, dropout)
            (loss / args.prose_tokens).backward()
            losses.append(loss.item() / float(batch[2].sum()))
            seen += batch[0].numel()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for solver in solvers:
            solver.step()
            solver.zero_grad()
        step += 1
        done = (time.time() - began) / (60 * args.minutes)
        if step % 50 == 0:
            print(f"step {step} ({100 * done:.1f} %) "
                  f"loss {losses[0]:.3f} {losses[1]:.3f} "
                  f"{seen / (time.time() - began):.0f} tokens/s", flush=True)
        if step % 500 == 0 or done >= 1:
            model.eval()
            report(model, sp, data.select(reviews, "valid"),
                   data.select(messages, "valid"), valid_stories)
            torch.save(model.state_dict(),
                       os.path.join(args.work_dir, "last.pt"))
    model.eval()
    save_gguf(args.out, model, sp, "pith-tiny",
              "Short stories, review sentiment and SMS spam")


if __name__ == "__main__":
    main()
