"""Runs a snippet of docs/importing-models.md in this folder, and writes what its native model answers to all of its rows."""

import json
import runpy
import sys

sys.path.insert(0, ".")
made = runpy.run_path(sys.argv[1])
from oip import tensor  # noqa: E402

ROWS_A_REQUEST = 128

with open("asks.jsonl", "w") as asks:
    for start in range(0, len(made["X"]), ROWS_A_REQUEST):
        inputs, outputs = made["native"](made["X"][start : start + ROWS_A_REQUEST])
        ask = {
            "request": {"inputs": [tensor(name, values) for name, values in inputs.items()]},
            "answer": {"outputs": [tensor(name, values) for name, values in outputs.items()]},
        }
        asks.write(json.dumps(ask) + "\n")
