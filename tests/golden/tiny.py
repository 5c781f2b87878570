"""Make tiny random models of many architectures, and what they must compute.

    pip install torch transformers gguf numpy safetensors
    python tiny.py --peer LLAMA_CPP [NAME...]

tiny/*.py hold MODELS = {name: dict(model_type=..., config={...}, ...)}. For
each, the folder tiny/NAME gets

    config.json, model.safetensors   what save_pretrained writes, in BF16
    model.gguf                       what llama.cpp's converter makes of them
    golden.json                      what transformers computes (CPU, float32,
                                     eager attention) with those weights

LLAMA_CPP is a checkout of llama.cpp, used for its converter alone (which then
needs no vocabulary). The committed files were made with the versions that
each golden.json names. Besides model_type and config a row may have

    adjust(model)    changes weights after they were drawn
    hparams          overrides for the converter's view of config.json
    gguf=False       llama.cpp has no such architecture: no model.gguf
    rewrite(config)  changes config.json after it was saved, to what older
                     versions wrote
    finish           function of the folder that stores it in another form
    seed             another draw
    model            a class of transformers, where the automatic one is wrong
    architecture     the converter's class, where config.json names another
    inner            ... or a class within it
    gguf_arch        converted, before finish, as if it were that architecture
    prepare(model)   changes how it computes
    attention        another implementation than the eager one
    raw              the converter reads config.json as it is stored, without
                     what transformers makes of it

golden.json:
    versions
    cases[]          ids, and the logits of the last position [vocab]; the
                     first also greedy_ids, the 64 most likely next tokens
"""

import argparse
import importlib.metadata
import importlib.util
import json
import pathlib
import platform
import shutil
import sys
import zlib

import numpy as np
import torch
import transformers

HERE = pathlib.Path(__file__).parent / "tiny"
CASE_LENGTHS = (24, 5, 40)
STEPS = 64
MIN_GAP = 1e-3       # best to second, as a share of the largest logit
MIN_DISTINCT = 8
TRIES = 400


def load_rows():
    rows = {}
    for path in sorted(HERE.glob("*.py")):
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        rows.update(module.MODELS)
    return rows


def draw_weights(model, rng):
    """Matrices normal with deviation gain / sqrt(inputs); vectors around what
    the architecture starts them with, so that every one of them matters."""
    for name, parameter in model.named_parameters():
        shape = tuple(parameter.shape)
        noise = torch.from_numpy(
            rng.standard_normal(shape).astype(np.float32))
        with torch.no_grad():
            if parameter.dim() < 2:
                parameter.copy_(parameter.float().mean() + 0.3 * noise
                                if parameter.numel() else parameter)
            else:
                gain = 2.5 if "embed" in name or "lm_head" in name or \
                    name.endswith(("wte.weight", "embed_out.weight")) else 1.4
                parameter.copy_(noise * gain / shape[-1] ** 0.5)


def round_weights(model):
    with torch.no_grad():
        for tensor in [*model.parameters(), *model.buffers()]:
            if tensor.is_floating_point():
                tensor.copy_(tensor.to(torch.bfloat16).to(tensor.dtype))


def class_of(row):
    return getattr(transformers, row.get("model", "AutoModelForCausalLM"))


def make_folder(name, row, folder):
    config = transformers.AutoConfig.for_model(
        row["model_type"], **{"bos_token_id": None, "eos_token_id": None,
                              "pad_token_id": None, **row["config"]})
    seed = row.get("seed", 0) + zlib.crc32(name.encode())
    torch.manual_seed(seed)
    config._attn_implementation = "eager"
    model = class_of(row)
    model = (model(config) if "model" in row else model.from_config(
        config, dtype=torch.float32, attn_implementation="eager")).eval()
    draw_weights(model, np.random.default_rng(seed))
    if "adjust" in row:
        with torch.no_grad():
            row["adjust"](model)
    model.tie_weights()
    round_weights(model)
    shutil.rmtree(folder, ignore_errors=True)
    model.to(torch.bfloat16).save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    if "rewrite" in row:
        path = folder / "config.json"
        config = json.loads(path.read_text())
        row["rewrite"](config)
        path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


# -- llama.cpp's converter ------------------------------------------------

def convert(folder, row, peer):
    sys.path[:0] = [str(peer), str(peer / "gguf-py")]
    import conversion
    import gguf

    load = conversion.ModelBase.load_hparams
    if row.get("raw"):
        conversion.ModelBase.load_hparams = staticmethod(
            lambda *_, **__: json.loads((folder / "config.json").read_text()))
    hparams = conversion.ModelBase.load_hparams(folder, False)
    hparams.update(row.get("hparams", {}))
    arch = row.get("architecture") or conversion.get_model_architecture(
        hparams, conversion.ModelType.TEXT)
    cls = conversion.get_model_class(arch)
    cls = getattr(cls, row.get("inner", ""), cls)
    Converter = type("Converter", (cls,), {
        "model_arch": gguf.MODEL_ARCH[row["gguf_arch"]]
        if "gguf_arch" in row else cls.model_arch, "set_vocab": lambda self: None,
        "no_mtp": True})
    words = folder / "tokenizer.json"  # whose length some converters ask for
    size = hparams.get("vocab_size", 0)
    words.write_text(json.dumps({"added_tokens": [], "model": {
        "vocab": {str(i): i for i in range(size)}}}))
    with torch.inference_mode():
        job = Converter(folder, gguf.LlamaFileType.MOSTLY_BF16,
                        folder / "model.gguf", eager=True, hparams=hparams,
                        model_name=folder.name)
        add = job.gguf_writer.add_vocab_size
        job.gguf_writer.add_vocab_size = lambda n: None
        set_parameters = job.set_gguf_parameters

        def with_vocabulary():
            set_parameters()
            add(hparams.get("vocab_size")
                or hparams.get("text_config", {}).get("vocab_size"))

        job.set_gguf_parameters = with_vocabulary
        job.write()
    conversion.ModelBase.load_hparams = staticmethod(load)
    words.unlink()


# -- The golden numbers ---------------------------------------------------

def compute(model, ids):
    with torch.inference_mode():
        return model(input_ids=torch.tensor([ids]), use_cache=False).logits[0]


def greedy(model, ids):
    """The chain, or None where two tokens are nearly as likely."""
    chain = list(ids)
    for _ in range(STEPS):
        last = compute(model, chain)[-1]
        best = last.topk(2)
        gap = float(best.values[0] - best.values[1])
        if gap < MIN_GAP * float(last.abs().max()):
            return None
        chain.append(int(best.indices[0]))
    return chain[len(ids):]


def find_chain(model, vocab, rng):
    best = None
    for _ in range(TRIES):
        ids = rng.integers(0, vocab, CASE_LENGTHS[0]).tolist()
        chain = greedy(model, ids)
        if chain and (best is None or len(set(chain)) > len(set(best[1]))):
            best = ids, chain
        if best and len(set(best[1])) >= MIN_DISTINCT:
            break
    if best is None:
        raise SystemExit("no chain without near ties: try another seed")
    return best


def digits(values):
    return [float(f"{v:.7g}") for v in values.tolist()]


def make_golden(name, row, folder):
    model = class_of(row).from_pretrained(
        folder, dtype=torch.float32,
        attn_implementation=row.get("attention", "eager")).eval()
    if "prepare" in row:
        row["prepare"](model)
    vocab = model.config.get_text_config().vocab_size
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    ids, chain = find_chain(model, vocab, rng)
    cases = [{"ids": ids, "logits": digits(compute(model, ids)[-1]),
              "greedy_ids": chain}]
    for length in CASE_LENGTHS[1:]:
        ids = rng.integers(0, vocab, length).tolist()
        cases.append({"ids": ids, "logits": digits(compute(model, ids)[-1])})
    versions = {"python": platform.python_version(),
                **{m: importlib.metadata.version(m)
                   for m in ("torch", "transformers", "numpy")}}
    text = json.dumps({"versions": versions, "cases": cases},
                      separators=(", ", ": "))
    (folder / "golden.json").write_text(text.replace("{\"ids", "\n{\"ids")
                                        + "\n")
    print(f"{name}: {len(set(chain))} different tokens in {STEPS}, "
          f"{sum(f.stat().st_size for f in folder.iterdir()) // 1024} KiB")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--peer", type=pathlib.Path, required=True)
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    rows = load_rows()
    torch.set_num_threads(1)
    for name in options.names or rows:
        row, folder = rows[name], HERE / name
        make_folder(name, row, folder)
        make_golden(name, row, folder)
        if "gguf_arch" in row:
            convert(folder, row, options.peer)
        if "finish" in row:
            row["finish"](folder)
        if row.get("gguf", "gguf_arch" not in row):
            convert(folder, row, options.peer)


if __name__ == "__main__":
    main()
