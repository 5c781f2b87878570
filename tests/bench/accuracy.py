"""How far logits are from exact arithmetic, per number format and precision.

    pip install numpy gguf
    python accuracy.py [--pith build/pith] [--peer PROGRAM] [--json]

The repository's trained model is written in every format (pith quantize from
a float32 copy) and fed TEXT; the reference computes the same model in float64
with numpy, from weights that gguf-py dequantises. Printed is the mean over
all positions of KL(reference || measured), in nats:

    format   what the format itself costs: float64 with the format's weights
             against float64 with the float32 weights
    exact, fast
             what pith's arithmetic adds: pith against float64, same weights
    peer     the same for PROGRAM, called as PROGRAM MODEL IDS OUT, which
             writes raw float32 logits [positions][vocabulary]
    share    of positions where fast and the reference agree on the best token
"""

import argparse
import json
import pathlib
import subprocess
import tempfile

import gguf
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODEL = ROOT / "examples/models/pith-tiny.gguf"
FORMATS = ("F32", "F16", "BF16", "Q8_0", "Q6_K", "Q5_K", "Q5_1", "Q5_0",
           "Q4_K", "Q4_1", "Q4_0", "IQ4_NL", "Q3_K", "Q2_K")
TEXT = ("Once upon a time there was a little girl who lived near the sea. "
        "Every morning she walked along the beach with her dog and looked for "
        "shells. One day she found a bottle with a letter inside. The film "
        "was wonderful and I enjoyed every minute of it, but the food was "
        "cold and the service rude. ") * 3


def read_model(path):
    reader = gguf.GGUFReader(path)
    weights = {t.name: gguf.quants.dequantize(t.data, t.tensor_type)
               .reshape(tuple(int(n) for n in t.shape[::-1]))
               .astype(np.float64) for t in reader.tensors}
    numbers = {k.split(".", 1)[1]: f.contents()
               for k, f in reader.fields.items() if k.startswith("llama.")}
    return weights, numbers


def write_float32(source, path):
    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(path, "llama")
    for key, field in reader.fields.items():
        if key.startswith("GGUF.") or key == "general.architecture":
            continue
        kind = field.types[0]
        writer.add_key_value(key, field.contents(), kind,
                             field.types[1] if len(field.types) > 1 else None)
    for t in reader.tensors:
        writer.add_tensor(t.name, gguf.quants.dequantize(
            t.data, t.tensor_type).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def norm(x, weight, eps):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + eps) * weight


def rotate(x, theta):
    """Interleaved pairs of x [positions][heads][width]."""
    n, _, c = x.shape
    angle = np.arange(n)[:, None] * theta ** (-np.arange(0, c, 2) / c)
    cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
    even, odd = x[..., 0::2], x[..., 1::2]
    out = np.empty_like(x)
    out[..., 0::2] = even * cos - odd * sin
    out[..., 1::2] = even * sin + odd * cos
    return out


def logits64(weights, numbers, ids):
    heads = numbers["attention.head_count"]
    kv = numbers["attention.head_count_kv"]
    eps = numbers["attention.layer_norm_rms_epsilon"]
    theta = numbers["rope.freq_base"]
    x = weights["token_embd.weight"][ids]
    n = len(ids)
    mask = np.triu(np.full((n, n), -np.inf), 1)
    for layer in range(numbers["block_count"]):
        def w(name):
            return weights[f"blk.{layer}.{name}.weight"]
        h = norm(x, w("attn_norm"), eps)
        q = rotate((h @ w("attn_q").T).reshape(n, heads, -1), theta)
        k = rotate((h @ w("attn_k").T).reshape(n, kv, -1), theta)
        v = (h @ w("attn_v").T).reshape(n, kv, -1)
        k, v = (np.repeat(a, heads // kv, 1) for a in (k, v))
        s = np.einsum("qhc,khc->hqk", q, k) / np.sqrt(q.shape[-1]) + mask
        s = np.exp(s - s.max(-1, keepdims=True))
        s /= s.sum(-1, keepdims=True)
        x = x + np.einsum("hqk,khc->qhc", s, v).reshape(n, -1) \
            @ w("attn_output").T
        h = norm(x, w("ffn_norm"), eps)
        g = h @ w("ffn_gate").T
        x = x + (g / (1 + np.exp(-g)) * (h @ w("ffn_up").T)) @ w("ffn_down").T
    x = norm(x, weights["output_norm.weight"], eps)
    return x @ weights.get("output.weight", weights["token_embd.weight"]).T


def log_softmax(x):
    x = x - x.max(-1, keepdims=True)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def divergence(reference, measured):
    p, q = log_softmax(reference), log_softmax(measured.astype(np.float64))
    return float((np.exp(p) * (p - q)).sum(-1).mean())


def run(command, out, vocab):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    return np.fromfile(out, np.float32).reshape(-1, vocab)


def measure(pith, peer, folder, name, ids, float32_logits):
    base, path = folder / "F32.gguf", folder / f"{name}.gguf"
    if name != "F32":
        subprocess.run([pith, "quantize", base, path, name], check=True,
                       capture_output=True)
    weights, numbers = read_model(path)
    reference = logits64(weights, numbers, ids)
    vocab, out = reference.shape[1], folder / "logits"
    text = ",".join(map(str, ids))
    row = {"format": name, "cost": divergence(float32_logits, reference)
           if float32_logits is not None else 0.0}
    for precision in ("exact", "fast"):
        got = run([pith, "logits", path, "--tokens", text, "-o", out,
                   "--precision", precision], out, vocab)
        row[precision] = divergence(reference, got)
    row["share"] = float((got.argmax(-1) == reference.argmax(-1)).mean())
    if peer:
        row["peer"] = divergence(reference, run([peer, path, text, out], out,
                                                vocab))
    return row, reference


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--pith", default=ROOT / "build/pith")
    parser.add_argument("--peer")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows, float32_logits = [], None
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        write_float32(MODEL, folder / "F32.gguf")
        ids = [int(i) for i in subprocess.run(
            [options.pith, "tokenize", MODEL, TEXT], check=True,
            capture_output=True, text=True).stdout.split()]
        for kind in FORMATS:
            row, reference = measure(options.pith, options.peer, folder, kind,
                                     ids, float32_logits)
            rows.append(row)
            if kind == "F32":
                float32_logits = reference
    if options.json:
        print(json.dumps(rows))
        return
    columns = ["cost", "exact", "fast"] + (["peer"] if options.peer else [])
    print(f"| format | {' | '.join(columns)} | same best token |")
    print("|---" * (len(columns) + 2) + "|")
    for row in rows:
        numbers = " | ".join(f"{row[c]:.1e}" for c in columns)
        print(f"| {row['format']} | {numbers} | {100 * row['share']:.1f} % |")


if __name__ == "__main__":
    main()
