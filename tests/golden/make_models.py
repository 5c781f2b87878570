"""Make the tiny random models of this folder and what they must compute.

    pip install torch transformers gguf numpy
    python make_models.py [-o DIR] [NAME...]

For every row of MODELS below, NAME.gguf is a model of a few small layers with
seeded random weights and NAME.json holds what transformers computes with it
(CPU, float32, eager attention): the golden numbers for pith. The committed
files were made with Python 3.11.7, torch 2.15.0, transformers 5.23.0,
gguf 0.19.0 and numpy 2.4.6; each JSON file repeats its versions.

A quantised model is computed from its dequantised weights: the numbers are
those of exact arithmetic on the stored weights, not of int8 activations.

NAME.json:
    model, sha256   the file these numbers belong to
    versions, seed  what made it
    cases[]         ids         the input, 5 to 40 token ids
                    logits      of the last position [vocab]
                    rows        of some other positions {position: [vocab]}
                    logprobs    of ids[1:], each given the ids before it
                    greedy_ids  the 32 most likely next tokens, one by one
                    min_gap     smallest best-to-second distance among them

Prompts are drawn until the greedy chain has no near tie (MIN_GAP), holds at
least MIN_DISTINCT different tokens and meets no control token. Numbers have
6 significant digits. check_models.py computes all of it a second time.
"""

import argparse
import dataclasses
import hashlib
import importlib.metadata
import json
import os
import platform
import re

import gguf
import numpy as np
import torch
import transformers

CONTEXT = 256
CASE_LENGTHS = (5, 18, 40)
STEPS = 32
MIN_GAP = 0.05
MIN_DISTINCT = 8
SUPER_BLOCK = 256   # values per block of Q4_K and Q6_K


@dataclasses.dataclass(frozen=True)
class Spec:
    """One model. The epsilons and bases are unusual where that is harmless,
    so that a program that does not read them is found out."""

    arch: str
    seed: int
    width: int
    ff: int
    layers: int
    heads: int
    kv: int
    head: int                  # values per head
    eps: float = 1e-3
    base: float = 10000.0      # of RoPE
    scaling: dict | None = None    # of RoPE, as transformers spells it
    tied: bool = True          # no output.weight
    bias: bool = False         # llama only: attention biases
    type: str = "F32"          # of every matrix; vectors stay F32

    @property
    def quantised(self):
        return self.type not in ("F32", "F16", "BF16")


SMALL = dict(arch="llama", width=32, ff=64, layers=3, heads=2, kv=1, head=16)
HALF = dict(arch="llama", width=64, ff=96, layers=2, heads=4, kv=2, head=16)
BLOCK = dict(arch="llama", width=128, ff=160, layers=2, heads=4, kv=2,
             head=32)
SUPER = dict(arch="llama", width=256, ff=256, layers=1, heads=8, kv=2,
             head=32)
MODELS = {
    "llama": Spec("llama", 101, width=64, ff=88, layers=2, heads=4, kv=2,
                  head=16),
    "gpt2": Spec("gpt2", 102, width=32, ff=128, layers=2, heads=4, kv=4,
                 head=8),
    "qwen2": Spec("qwen2", 103, width=32, ff=64, layers=3, heads=4, kv=2,
                  head=8, base=1e6),
    "qwen3": Spec("qwen3", 104, width=32, ff=48, layers=2, heads=4, kv=2,
                  head=16, base=1e6),
    "llama-rope-llama3": Spec(**SMALL, seed=105, scaling={
        "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
        "high_freq_factor": 4.0, "original_max_position_embeddings": 64}),
    "llama-linear": Spec(**SMALL, seed=106, scaling={
        "rope_type": "linear", "factor": 4.0}),
    "llama-yarn": Spec(**SMALL, seed=107, scaling={
        "rope_type": "yarn", "factor": 4.0,
        "original_max_position_embeddings": 64}),
    "llama-untied": Spec(**SMALL, seed=108, tied=False, bias=True),
    "llama-f16": Spec(**HALF, seed=109, type="F16"),
    "llama-bf16": Spec(**HALF, seed=110, type="BF16"),
    "llama-q8_0": Spec(**BLOCK, seed=111, type="Q8_0"),
    "llama-q4_0": Spec(**BLOCK, seed=112, type="Q4_0"),
    "llama-q4_k": Spec(**SUPER, seed=113, type="Q4_K"),
    "llama-q6_k": Spec(**SUPER, seed=114, type="Q6_K"),
}

# -- Names ----------------------------------------------------------------

LLAMA_NAMES = {
    "embed_tokens": "token_embd",
    "norm": "output_norm",
    "lm_head": "output",
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
GPT2_NAMES = {
    "wte": "token_embd",
    "wpe": "position_embd",
    "ln_f": "output_norm",
    "ln_1": "attn_norm",
    "attn.c_attn": "attn_qkv",
    "attn.c_proj": "attn_output",
    "ln_2": "ffn_norm",
    "mlp.c_fc": "ffn_up",
    "mlp.c_proj": "ffn_down",
}


def gguf_name(arch, name):
    """model.layers.3.mlp.up_proj.weight -> blk.3.ffn_up.weight"""
    name = re.sub(r"^(model|transformer)\.", "", name)
    layer, stem, suffix = re.fullmatch(
        r"(?:(?:layers|h)\.(\d+)\.)?(.+)\.(weight|bias)", name).groups()
    stem = (GPT2_NAMES if arch == "gpt2" else LLAMA_NAMES)[stem]
    return f"{f'blk.{layer}.' if layer else ''}{stem}.{suffix}"


# -- Weights --------------------------------------------------------------

# Matrices are normal with deviation gain / sqrt(inputs). The gains keep the
# logits several units apart, the attention uneven, and the blocks louder
# than the embedding, which under a tied head would else predict itself.
GAIN = {"token_embd": 2.5, "output": 2.5, "position_embd": 1.5,
        "attn_q": 1.4, "attn_k": 1.4, "attn_v": 1.2, "attn_qkv": 1.2,
        "attn_output": 1.5, "ffn_gate": 1.4, "ffn_up": 1.4, "ffn_down": 1.6}


def random_blocks(rng, shape, deviation, kind):
    """Rows of valid Q4_K or Q6_K blocks of about the given deviation.

    gguf cannot quantise to these formats, but any bytes with sane scales are
    a block. Some scales of Q6_K are subnormal, as they are in real files.
    """
    count = shape[0] * shape[1] // SUPER_BLOCK
    spread = rng.uniform(0.5, 1.5, (count, 1))
    if kind == "Q4_K":
        # value = d * scale * nibble - dmin * min, scale and min in 0..63:
        # with dmin = 7.5 d the mean is zero and the deviation 260 d.
        d = (spread * deviation / 260).astype(np.float16)
        head = np.concatenate([d, d * np.float16(7.5)], 1).view(np.uint8)
        body = rng.integers(0, 256, (count, 12 + 128), dtype=np.uint8)
        blocks = np.concatenate([head, body], 1)
    else:
        # value = d * scale * (q - 32), scale in -128..127: deviation 1366 d.
        d = (spread * deviation / 1366).astype(np.float16)
        body = rng.integers(0, 256, (count, 128 + 64 + 16), dtype=np.uint8)
        blocks = np.concatenate([body, d.view(np.uint8)], 1)
    return blocks.reshape(shape[0], -1)


def make_tensor(rng, name, shape, kind):
    """Random stored data (rows are outputs), and its type in the file."""
    stem = name.split(".")[-2]
    if len(shape) == 1:
        center = 1.0 if "norm" in stem and name.endswith("weight") else 0.0
        data = center + 0.3 * rng.standard_normal(shape)
        return data.astype(np.float32), gguf.GGMLQuantizationType.F32
    deviation = GAIN[stem] / np.sqrt(shape[1])
    qtype = gguf.GGMLQuantizationType[kind]
    if kind in ("Q4_K", "Q6_K"):
        return random_blocks(rng, shape, deviation, kind), qtype
    data = (deviation * rng.standard_normal(shape)).astype(np.float32)
    return gguf.quants.quantize(data, qtype), qtype


def interleave(rows, heads):
    """Row order of q and k from half-split RoPE to interleaved RoPE.

    Of each head, row j of the first half becomes 2j and row j of the second
    half 2j+1. Blocks of a row stay whole, so this works on stored data too.
    """
    split = rows.reshape(heads, 2, -1, *rows.shape[1:])
    return split.swapaxes(1, 2).reshape(rows.shape)


def make_weights(spec, model):
    """Fill the model; return {GGUF name: (stored data, type)}."""
    rng = np.random.default_rng(spec.seed)
    stored = {}
    for hf, parameter in model.named_parameters():
        name = gguf_name(spec.arch, hf)
        # GPT-2's Conv1D keeps [in, out].
        turn = (spec.arch == "gpt2" and parameter.dim() == 2
                and name.startswith("blk."))
        shape = tuple(parameter.shape)[::-1 if turn else 1]
        data, qtype = make_tensor(rng, name, shape, spec.type)
        values = gguf.quants.dequantize(data, qtype).reshape(shape)
        values = np.array(values.T if turn else values, dtype=np.float32)
        with torch.no_grad():
            parameter.copy_(torch.from_numpy(values))
        if spec.arch == "llama" and ".attn_q." in name:
            data = interleave(data, spec.heads)
        if spec.arch == "llama" and ".attn_k." in name:
            data = interleave(data, spec.kv)
        stored[name] = data, qtype
    if (spec.scaling or {}).get("rope_type") == "llama3":
        stored["rope_freqs.weight"] = (llama3_divisors(spec),
                                       gguf.GGMLQuantizationType.F32)
    return stored


def llama3_divisors(spec):
    """What each RoPE frequency is divided by: 1 for the fast, factor for the
    slow, between the two in between."""
    s = spec.scaling
    frequency = spec.base ** (-np.arange(0, spec.head, 2) / spec.head)
    turns = s["original_max_position_embeddings"] * frequency / (2 * np.pi)
    low, high = s["low_freq_factor"], s["high_freq_factor"]
    smooth = np.clip((turns - low) / (high - low), 0, 1)
    divisors = 1 / ((1 - smooth) / s["factor"] + smooth)
    return divisors.astype(np.float32)


def make_model(spec, vocab):
    """The transformers model, its weights not yet filled."""
    if spec.arch == "gpt2":
        config = transformers.GPT2Config(
            vocab_size=vocab, n_positions=CONTEXT, n_embd=spec.width,
            n_layer=spec.layers, n_head=spec.heads, n_inner=spec.ff,
            layer_norm_epsilon=spec.eps, activation_function="gelu_new",
            bos_token_id=None, eos_token_id=None)
    else:
        extra = {"attention_bias": spec.bias} if spec.arch == "llama" else {}
        if spec.arch != "qwen2":
            extra["head_dim"] = spec.head
        config = transformers.AutoConfig.for_model(
            spec.arch, vocab_size=vocab, max_position_embeddings=CONTEXT,
            hidden_size=spec.width, intermediate_size=spec.ff,
            num_hidden_layers=spec.layers, num_attention_heads=spec.heads,
            num_key_value_heads=spec.kv, rms_norm_eps=spec.eps,
            hidden_act="silu", tie_word_embeddings=spec.tied,
            rope_parameters={"rope_theta": spec.base,
                             **(spec.scaling or {"rope_type": "default"})},
            bos_token_id=None, eos_token_id=None, **extra)
    model = transformers.AutoModelForCausalLM.from_config(
        config, dtype=torch.float32, attn_implementation="eager")
    return model.eval()


# -- Vocabularies ---------------------------------------------------------

MERGES = ("h e", "i n", "r e", "o n", "e r", "a n", "Ġ t", "Ġ a", "Ġ s",
          "Ġ w", "Ġt he", "an d", "Ġ and", "in g", "o u", "Ġ o", "i s",
          "Ġ in", "Ġt o", "l l")


def byte_characters():
    """GPT-2's 256 characters: printable bytes as themselves, the others from
    U+0100 on."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    return [chr(b) for b in plain] + [chr(256 + i) for i in range(68)]


def make_vocabulary(arch):
    """Tokens, their types, and the ids that no greedy chain may meet."""
    normal, unknown, control = (int(gguf.TokenType[t]) for t in
                                ("NORMAL", "UNKNOWN", "CONTROL"))
    if arch == "llama":
        tokens = ["<unk>", "<s>", "</s>", "\u2581", "\n"]
        tokens += [chr(c) for c in range(33, 127)]
        types = [unknown, control, control]
        types += [normal] * (len(tokens) - 3)
    else:
        tokens = byte_characters() + [m.replace(" ", "") for m in MERGES]
        types = [normal] * len(tokens)
        tokens.append("<|endoftext|>")
        if arch != "gpt2":
            tokens += ["<|im_start|>", "<|im_end|>"]
        types += [control] * (len(tokens) - len(types))
    special = {i for i, t in enumerate(types) if t != normal}
    return tokens, types, special


def write_vocabulary(writer, arch, tokens, types):
    if arch == "llama":
        writer.add_tokenizer_model("llama")
        writer.add_token_list(tokens)
        writer.add_token_scores([0.0] * 3 + [float(-i) for i in
                                             range(len(tokens) - 3)])
        writer.add_token_types(types)
        writer.add_bos_token_id(1)
        writer.add_eos_token_id(2)
        writer.add_unk_token_id(0)
        writer.add_add_bos_token(True)
        writer.add_add_space_prefix(True)
        return
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2" if arch == "gpt2" else "qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges(MERGES)
    writer.add_bos_token_id(tokens.index("<|endoftext|>"))
    writer.add_eos_token_id(tokens.index(
        "<|endoftext|>" if arch == "gpt2" else "<|im_end|>"))
    writer.add_add_bos_token(False)


# -- The file -------------------------------------------------------------

FILE_TYPE = {"F32": "ALL_F32", "F16": "MOSTLY_F16", "BF16": "MOSTLY_BF16",
             "Q8_0": "MOSTLY_Q8_0", "Q4_0": "MOSTLY_Q4_0",
             "Q4_K": "MOSTLY_Q4_K_S", "Q6_K": "MOSTLY_Q6_K"}


def write_gguf(path, name, spec, tokens, types, stored):
    writer = gguf.GGUFWriter(path, spec.arch)
    writer.add_name(f"pith golden {name}")
    writer.add_file_type(gguf.LlamaFileType[FILE_TYPE[spec.type]])
    if spec.quantised:
        writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_vocab_size(len(tokens))
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(spec.width)
    writer.add_block_count(spec.layers)
    writer.add_feed_forward_length(spec.ff)
    writer.add_head_count(spec.heads)
    if spec.arch == "gpt2":
        writer.add_layer_norm_eps(spec.eps)
    else:
        writer.add_head_count_kv(spec.kv)
        writer.add_layer_norm_rms_eps(spec.eps)
        writer.add_rope_freq_base(spec.base)
        if spec.arch == "llama":
            writer.add_rope_dimension_count(spec.head)
        if spec.arch == "qwen3":
            writer.add_key_length(spec.head)
            writer.add_value_length(spec.head)
        write_scaling(writer, spec.scaling)
    write_vocabulary(writer, spec.arch, tokens, types)
    for tensor, (data, qtype) in stored.items():
        writer.add_tensor(tensor, np.ascontiguousarray(data),
                          raw_dtype=qtype)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_scaling(writer, scaling):
    """llama3 has no keys: it is all in rope_freqs.weight."""
    if scaling is None or scaling["rope_type"] == "llama3":
        return
    writer.add_rope_scaling_type(
        gguf.RopeScalingType(scaling["rope_type"]))
    writer.add_rope_scaling_factor(scaling["factor"])
    if scaling["rope_type"] == "yarn":
        writer.add_rope_scaling_orig_ctx_len(
            scaling["original_max_position_embeddings"])


# -- The golden numbers ---------------------------------------------------

def compute(model, ids):
    return model(torch.tensor([ids]), use_cache=False).logits[0]


def greedy(model, ids, special):
    """The chain and its smallest gap, or None where a rule above fails."""
    chain, gaps = list(ids), []
    for _ in range(STEPS):
        best = compute(model, chain)[-1].topk(2)
        gaps.append(float(best.values[0] - best.values[1]))
        chain.append(int(best.indices[0]))
        if gaps[-1] < MIN_GAP or chain[-1] in special:
            return None
    chain = chain[len(ids):]
    return (chain, min(gaps)) if len(set(chain)) >= MIN_DISTINCT else None


def digits(values):
    return [float(f"{v:.6g}") for v in values.tolist()]


def make_case(rng, spec, model, vocab, special, length):
    ordinary = [i for i in range(vocab) if i not in special]
    found = None
    while found is None:
        ids = rng.choice(ordinary, length).tolist()
        if spec.arch == "llama":
            ids[0] = 1      # <s>
        found = greedy(model, ids, special)
    logits = compute(model, ids)
    logprobs = logits[:-1].log_softmax(-1)
    target = torch.tensor(ids[1:])[:, None]
    return {"ids": ids,
            "logits": digits(logits[-1]),
            "rows": {str(p): digits(logits[p]) for p in (0, length // 2)},
            "logprobs": digits(logprobs.gather(1, target)[:, 0]),
            "greedy_ids": found[0],
            "min_gap": float(f"{found[1]:.3g}")}


def write_json(path, golden):
    """One line per value, so that a change shows as one line."""
    def lines(items, indent):
        pad = " " * indent
        return ",\n".join(f"{pad}{json.dumps(k)}: {json.dumps(v)}"
                          for k, v in items)
    cases = golden.pop("cases")
    with open(path, "w") as f:
        f.write("{\n" + lines(golden.items(), 1) + ',\n "cases": [\n')
        f.write(",\n".join("  {\n" + lines(c.items(), 3) + "\n  }"
                           for c in cases))
        f.write("\n ]\n}\n")


def make(name, out):
    spec = MODELS[name]
    tokens, types, special = make_vocabulary(spec.arch)
    model = make_model(spec, len(tokens))
    stored = make_weights(spec, model)
    path = os.path.join(out, name + ".gguf")
    write_gguf(path, name, spec, tokens, types, stored)
    with open(path, "rb") as f:
        digest = hashlib.sha256(f.read()).hexdigest()
    rng = np.random.default_rng([spec.seed, 1])
    golden = {
        "model": name + ".gguf",
        "sha256": digest,
        "versions": {"python": platform.python_version(),
                     **{p: importlib.metadata.version(p) for p in
                        ("torch", "transformers", "gguf", "numpy")}},
        "seed": spec.seed,
        "cases": [make_case(rng, spec, model, len(tokens), special, n)
                  for n in CASE_LENGTHS],
    }
    gaps = [c["min_gap"] for c in golden["cases"]]
    write_json(os.path.join(out, name + ".json"), golden)
    print(f"{name:18} seed {spec.seed} {os.path.getsize(path):7} bytes  "
          f"smallest gap {min(gaps):.3f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("-o", default=os.path.dirname(
        os.path.abspath(__file__)), metavar="DIR", help="where to write")
    parser.add_argument("names", nargs="*", metavar="NAME",
                        help="default: all of " + ", ".join(MODELS))
    args = parser.parse_args()
    torch.set_num_threads(1)
    with torch.inference_mode():
        for name in args.names or MODELS:
            make(name, args.o)


if __name__ == "__main__":
    main()
