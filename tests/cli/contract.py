"""What scripts may rely on: data on stdout, timings on stderr, JSON, exit codes.

    python contract.py build/pith
"""

import json
import math
import pathlib
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import traceback

PITH = sys.argv[1]
MODEL = "examples/models/pith-tiny.gguf"
FOLDER = "tests/golden/tiny/llama3"
SHORT = ("-p", "Once upon a time", "-n", "8")


def pith(*args, stdin=b"", status=0):
    done = subprocess.run([PITH, *args], input=stdin, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=300)
    assert done.returncode == status, \
        f"{args}: status {done.returncode}, {done.stderr.decode()}"
    return done.stdout, done.stderr.decode()


def answer(*args, **more):
    return json.loads(pith(*args, "--json", **more)[0])


def generate_streams_the_continuation():
    text, timings = pith("generate", MODEL, *SHORT)
    assert text and "Once upon" not in text.decode() and "tokens/s" in timings
    assert pith("generate", MODEL, *SHORT, "-q") == (text, "")
    echoed = pith("generate", MODEL, *SHORT, "-q", "--echo")[0]
    assert echoed == b"Once upon a time" + text
    said = answer("generate", MODEL, *SHORT)
    assert said["text"] in text.decode() and said["prompt"] == SHORT[1]
    assert pith("generate", MODEL, "-p", "-", "-n", "8", "-q",
                stdin=SHORT[1].encode())[0] == text


def a_seed_repeats_itself():
    warm = ("generate", MODEL, *SHORT, "-q", "--temp", "1.5", "--seed")
    assert pith(*warm, "1") == pith(*warm, "1")
    assert len({pith(*warm, str(seed)) for seed in range(4)}) > 1


def a_value_may_follow_an_equals_sign():
    apart = pith("generate", MODEL, "-p", "One", "--max-tokens", "5",
                 "--stop", "a=b", "-q")
    joined = pith("generate", MODEL, "--prompt=One", "--max-tokens=5",
                  "--stop=a=b", "-q")
    assert apart == joined
    assert "no option" in pith("info", MODEL, "--nothing=1", status=2)[1]


def switches_take_no_value():
    long = ("generate", MODEL, "-p", "Text: good\nLabel:", "-n", "40")
    assert answer(*long)["tokens"] <= answer(*long, "--ignore-eos")["tokens"]
    assert answer(*long, "--ignore-eos")["tokens"] == 40
    assert answer(*long, "--ignore-eos=0")["tokens"] == \
        answer(*long)["tokens"]
    assert "0 to 1" in pith(*long, "--special=2", status=2)[1]


def classify_reads_arguments_and_lines():
    labels = ("--labels", "positive,negative")
    rows = [json.loads(line) for line in pith(
        "classify", MODEL, *labels, "--json",
        stdin=b"a wonderful film\nit was awful\n")[0].splitlines()]
    assert [row["label"] for row in rows] == ["positive", "negative"]
    for row in rows:
        assert math.isclose(sum(row["probabilities"].values()), 1,
                            abs_tol=1e-5)
    one = pith("classify", MODEL, *labels, "a wonderful film", "-q")[0]
    assert one.startswith(b"positive")


def blanks_around_labels_do_not_count():
    assert answer("classify", MODEL, "--labels", "yes, no", "text") == \
        answer("classify", MODEL, "--labels", "yes,no", "text")


def score_is_a_log_probability():
    rows = [json.loads(line) for line in pith(
        "score", MODEL, "-p", "Once upon", " a time", " zebra", "--json"
    )[0].splitlines()]
    assert len(rows) == 2


def tokenize_prints_ids_on_one_line():
    ids = pith("tokenize", MODEL, "Once upon a time")[0].decode()
    assert ids.count("\n") == 1 and all(map(str.isdigit, ids.split()))
    assert pith("tokenize", MODEL, "-", stdin=b"Once upon a time")[0] \
        .decode() == ids
    without = pith("tokenize", MODEL, "Once upon a time", "--no-bos")[0]
    assert ids.split()[-len(without.split()):] == without.decode().split()


def logits_are_raw_floats():
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "logits"
        pith("logits", MODEL, "--tokens", "1,2,3", "-o", str(out))
        n = answer("info", MODEL)["vocabulary"]
        data = out.read_bytes()
        assert len(data) == 3 * n * 4
        assert all(map(math.isfinite, struct.unpack(f"<{3 * n}f", data)))
        assert pith("logits", MODEL, "--tokens", "1,2,3", "-o", "-")[0] == data


def perplexity_is_at_least_one():
    said = answer("perplexity", MODEL, "-f", "-",
                  stdin=b"Once upon a time there was a little girl.")
    assert 1 < said["perplexity"] < 1e4


def info_explain_and_verify_speak_json():
    for model in (MODEL, FOLDER):
        assert answer("info", model)["layers"] > 0
        assert answer("explain", model)
        assert answer("verify", model)


def bench_names_the_ceilings():
    said = answer("bench", MODEL, "-p", "16", "-n", "4")
    for key in ("prefill_tps", "decode_tps", "open_ms", "first_token_ms",
                "peak_rss_mib", "stream_gbs", "decode_fraction",
                "gemm_peak_tflops", "prefill_fraction"):
        assert said[key] > 0, key


def quantize_writes_a_model():
    with tempfile.TemporaryDirectory() as folder:
        out = str(pathlib.Path(folder) / "out.gguf")
        said = answer("quantize", "tests/golden/llama.gguf", out, "Q4_0")
        assert said["out_bytes"] < said["in_bytes"]
        assert answer("info", out)["bytes"] == said["out_bytes"]
        assert pith("quantize", MODEL, out, "Q9_Z", status=2)[0] == b""


def convert_refuses_what_does_not_open():
    with tempfile.TemporaryDirectory() as name:
        folder, out = pathlib.Path(name, "folder"), pathlib.Path(name, "out")
        shutil.copytree("tests/golden/tiny/glm4", folder)
        assert answer("convert", str(folder), str(out))["out_bytes"] > 0
        out.unlink()
        config = json.loads((folder / "config.json").read_text())
        config["rope_scaling"] = {"rope_type": "linear", "factor": 0}
        (folder / "config.json").write_text(json.dumps(config))
        for args in (("info", str(folder)),
                     ("convert", str(folder), str(out))):
            done = subprocess.run([PITH, *args], stderr=subprocess.PIPE)
            assert done.returncode > 0 and b"factor 0" in done.stderr, args
        assert [path.name for path in pathlib.Path(name).iterdir()] == \
            ["folder"]


def convert_writes_a_model():
    with tempfile.TemporaryDirectory() as folder:
        out = str(pathlib.Path(folder) / "out.gguf")
        said = answer("convert", FOLDER, out)
        model = answer("info", out)
        assert said["out"] == out and said["fallbacks"] == 0
        assert said["tensors"] == len(model["tensors"])
        assert said["out_bytes"] == pathlib.Path(out).stat().st_size
        assert answer("convert", FOLDER, out, "Q4_K_M")["fallbacks"] > 0
        assert out in pith("convert", FOLDER, out, "Q8_0")[0].decode()


def errors_name_the_file():
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for path in pathlib.Path(FOLDER).glob("[cm]*[ns]"):
            (folder / path.name).write_bytes(path.read_bytes())
        (folder / "tokenizer.json").write_text('{"model": {}}')
        out = folder / "out.gguf"
        saids = [pith("info", str(folder), status=3)[1],
                 pith("convert", str(folder), str(out), status=3)[1]]
        assert saids[0] == saids[1] == \
            f"pith: {folder}: tokenizer.json: model.vocab is missing\n", saids
        out.write_text("mine")
        said = pith("convert", FOLDER, str(out), status=2)[1]
        assert said.startswith(f"pith: {out}: "), said
        said = pith("quantize", FOLDER, str(out), "Q8_0", status=4)[1]
        assert said.startswith(f"pith: {FOLDER}: "), said


def help_lists_every_verb_and_option():
    text = pith("--help")[0].decode()
    for word in ("generate", "--threads", "--kv-type", "(256)", "Exit:"):
        assert word in text, word
    assert max(map(len, text.split("Everywhere")[1].splitlines())) <= 100
    assert "usage: pith bench MODEL" in pith("bench", "--help")[0].decode()
    assert pith("--version")[0].startswith(b"pith ")


def misuse_is_2_and_says_what():
    for args, what in (
            ((), "generate"), (("paint", MODEL), "no verb paint"),
            (("generate",), "usage"), (("generate", MODEL), "-p TEXT"),
            (("generate", MODEL, "-p"), "-p needs a value"),
            (("generate", MODEL, "-p", "a", "--temp", "warm"), "temp"),
            (("generate", MODEL, "-p", "a", "--top-p", "2"), "0 to 1"),
            (("generate", MODEL, "-p", "a", "-z", "2"), "no flag -z"),
            (("generate", MODEL, "-p", "a", "--precision=best"), "best"),
            (("bench", MODEL, "-p", "-3"), "not a count"),
            (("info", MODEL, "more"), 'no use for "more"'),
            (("info", MODEL, "--json=1"), "takes no value"),
            (("classify", MODEL, "--labels", "a", "x"), "two labels"),
            (("complete", MODEL), "--prefix")):
        out, said = pith(*args, status=2)
        assert out == b"" and what in said, (args, said)


def failures_have_their_codes():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "bad.gguf").write_bytes(b"GGUF\3\0\0\0" + bytes([255]) * 99)
        (folder / "text").write_bytes(b"not a model at all, by any means")
        (folder / "config.json").write_text('{"model_type": "pony"}')
        assert "bad.gguf" in pith("info", name + "/bad.gguf", status=3)[1]
        pith("info", name + "/text", status=3)
        assert "none" in pith("info", name + "/none", status=6)[1]
        pith("generate", MODEL, "-f", name + "/none", status=6)
    with open("/dev/full", "wb") as full:
        assert subprocess.run([PITH, "tokenize", MODEL, "a"], stdout=full,
                              stderr=subprocess.PIPE).returncode == 6


def an_interrupt_ends_with_130():
    with tempfile.TemporaryDirectory() as folder:
        texts = pathlib.Path(folder) / "texts"
        texts.write_text("a long text about the sea\n" * 50000)
        child = subprocess.Popen(
            [PITH, "classify", MODEL, "--labels", "yes,no", "-f", str(texts)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(2)
        child.send_signal(signal.SIGINT)
        child.communicate(timeout=60)
    assert child.returncode == 130, child.returncode


TESTS = [value for name, value in list(globals().items())
         if callable(value) and getattr(value, "__module__", "") == "__main__"
         and name not in ("pith", "answer")]


def main():
    failed = 0
    for test in TESTS:
        try:
            test()
        except Exception:
            traceback.print_exc(file=sys.stdout)
            print(f"FAIL {test.__name__}")
            failed += 1
    print(f"tests/cli/contract.py {len(TESTS) - failed} passed, "
          f"{failed} failed, 0 skipped")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
