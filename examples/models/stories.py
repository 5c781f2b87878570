"""Write many stories with stories260K, the teacher of the story task.

    python stories.py stories260K.gguf OUT.jsonl MINUTES TEMPERATURE SEED

The work is many tiny products, so it runs on one thread: start one process
per core, each with a seed of its own. A line of OUT.jsonl is {"text": ...,
"end": true if the story is complete}.
"""

import json
import sys
import time

import torch

from model import load_gguf, load_vocabulary

BATCH = 128
STEPS = 512       # the teacher was trained on 512 tokens
MIN_P = 0.05      # drop tokens less likely than this share of the best one
BOS, EOS = 1, 2


def write_batch(model, temperature, steps):
    """Sample BATCH sequences; a 2-D tensor of ids, BOS first."""
    model.config.context = steps  # size of the cache
    cache = model.new_cache(BATCH)
    ids = torch.full((BATCH, steps + 1), BOS)
    done = torch.zeros(BATCH, dtype=torch.bool)
    for t in range(steps):
        logits = model.logits(ids[:, t:t + 1], cache, t)[:, 0]
        p = (logits / temperature).softmax(1)
        p *= p >= MIN_P * p.amax(1, keepdim=True)
        upto = p.cumsum(1)
        ids[:, t + 1] = (upto <= torch.rand(BATCH, 1) * upto[:, -1:]).sum(1)
        done |= ids[:, t + 1] <= EOS
        if done.float().mean() > 0.98:
            return ids[:, :t + 2]
    return ids


def detokenize(ids, pieces):
    data = b""
    for i in ids:
        piece = pieces[i]
        if len(piece) == 6 and piece.startswith("<0x"):
            data += bytes([int(piece[3:5], 16)])
        else:
            data += piece.replace("\u2581", " ").encode()
    return data.decode(errors="replace").strip()


@torch.inference_mode()
def main():
    path, out = sys.argv[1:3]
    minutes, temperature, seed = map(float, sys.argv[3:6])
    torch.set_num_threads(1)
    torch.manual_seed(int(seed))
    model, pieces = load_gguf(path), load_vocabulary(path)
    began, tokens = time.time(), 0
    with open(out, "w") as f:
        while time.time() - began < 60 * minutes:
            for row in write_batch(model, temperature, STEPS).tolist():
                row = row[1:]
                stop = next((i for i, x in enumerate(row) if x <= EOS), None)
                text = detokenize(row[:stop], pieces)
                story = {"text": text, "end": stop is not None}
                f.write(json.dumps(story) + "\n")
                tokens += len(row[:stop])
            f.flush()
            print(f"{tokens / 1e6:.1f}M tokens, "
                  f"{tokens / (time.time() - began):.0f}/s", flush=True)


if __name__ == "__main__":
    main()
