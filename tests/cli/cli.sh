#!/bin/sh
# cli.sh - the contract of the command line (contract.py).
if ! command -v "${PYTHON:-python3}" > /dev/null; then
    echo "SKIP cli: there is no python3"
    echo "tests/cli/cli.sh 0 passed, 0 failed, 1 skipped"
    exit 0
fi
exec "${PYTHON:-python3}" tests/cli/contract.py "$BUILD/pith"
