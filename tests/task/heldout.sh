#!/bin/sh
# heldout.sh - what examples/models/README.md claims: the accuracy of the bundled model on the texts
# that it never saw in training, classified by pith.
name=tests/task/heldout.sh
if [ ! -d "$SHARED/data/text" ] || ! command -v "${PYTHON:-python3}" > /dev/null; then
    echo "SKIP heldout: shared/data or python3 is absent"
    echo "$name 0 passed, 0 failed, 1 skipped"
    exit 0
fi
case $BUILD in *san*)
    echo "SKIP heldout: sanitizers change no accuracy and take minutes"
    echo "$name 0 passed, 0 failed, 1 skipped"
    exit 0 ;;
esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" examples/models/heldout.py "$SHARED/data" > "$work/items" &&
    "${PYTHON:-python3}" - "$BUILD/pith" "$work/items" << 'END'
import json, subprocess, sys

pith, items = sys.argv[1:]
tasks = {}
for line in open(items, encoding="utf-8", newline="\n"):
    item = json.loads(line)
    tasks.setdefault(tuple(item["labels"]), []).append(item)
failed = 0
for labels, rows in tasks.items():
    texts = "".join(row["text"].replace("\n", " ") + "\n" for row in rows)
    out = subprocess.run([pith, "classify", "examples/models/pith-tiny.gguf", "--json", "--labels",
                          ",".join(labels)], input=texts.encode(), stdout=subprocess.PIPE, check=True)
    said = [json.loads(line)["label"] for line in out.stdout.decode().split("\n") if line]
    right = sum(a == row["label"] for a, row in zip(said, rows))
    least = 0.97 if "spam" in labels else 0.75
    print(f"{'/'.join(labels)}: {right} of {len(rows)}, {right / len(rows):.1%}")
    failed += len(said) != len(rows) or right / len(rows) < least
print(f"tests/task/heldout.sh {len(tasks) - failed} passed, {failed} failed, 0 skipped")
sys.exit(failed > 0)
END
