"""From a booster to ONNX, and proof that both answer alike."""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

OPSET = 15
# Each row goes through every tree: 42,000 rows took 3 s of CPU after a training (500 rounds) of 11 s.
PARITY_ROWS = 10_000
NAN_ROWS = 64
SAMPLE_ROWS = 16
# ONNX sums leaves as float32, LightGBM as float64: hundreds of leaves differ by some 1e-6 of the answer.
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Exported:
    onnx: bytes
    native: str
    parity: dict[str, Any]
    sample: dict[str, Any]

    @property
    def agrees(self) -> bool:
        return bool(self.parity["maxRelativeDifference"] <= TOLERANCE)


def export(booster: Any, features: np.ndarray, name: str) -> Exported:
    """Converts, and compares both over the training rows and over rows with absent features."""
    import lightgbm
    from onnxmltools import convert_lightgbm
    from onnxmltools.convert.common.data_types import FloatTensorType

    native = with_float32_thresholds(booster.model_to_string(num_iteration=-1))
    # A resumed run asked LightGBM for the remaining rounds only; the file says what the model has.
    native = re.sub(r"^\[num_iterations: \d+\]$", f"[num_iterations: {booster.num_trees()}]", native, flags=re.MULTILINE)
    rounded = lightgbm.Booster(model_str=native)
    columns = features.shape[1]
    model = convert_lightgbm(rounded, name=name, initial_types=[("features", FloatTensorType([None, columns]))], target_opset=OPSET)
    # The converter goes through sets of names, whose order changes from process to process; the same model is the same file.
    imports = sorted(model.opset_import, key=lambda entry: entry.domain)
    del model.opset_import[:]
    model.opset_import.extend(imports)
    content = model.SerializeToString(deterministic=True)
    every = max(1, -(-len(features) // PARITY_ROWS))
    rows = np.vstack([features[::every], _with_absent(features)])
    answers, absent_from = _run(content, rows), len(rows) - len(_with_absent(features))
    expected = rounded.predict(rows)
    difference = np.abs(answers - expected)
    relative = difference / np.maximum(1.0, np.abs(expected))
    # A NaN on either side is a difference without measure.
    relative[~np.isfinite(relative)] = np.inf
    parity = {
        "rows": len(rows),
        "rowsWithAbsentFeatures": len(rows) - absent_from,
        "maxDifference": float(difference.max()),
        "maxRelativeDifference": float(relative.max()),
        "maxRelativeDifferenceAbsent": float(relative[absent_from:].max()),
        "tolerance": TOLERANCE,
        "nativeOriginalMaxDifference": float(np.abs(booster.predict(rows) - expected).max()),
    }
    picked = np.unique(np.linspace(0, absent_from - 1, min(SAMPLE_ROWS, absent_from)).astype(int))
    sample = {
        # JSON has no NaN: an absent feature is null.
        "inputs": [[float(value) if np.isfinite(value) else None for value in row] for row in rows[picked]],
        "outputs": [float(value) for value in answers[picked]],
        "tolerance": TOLERANCE,
    }
    return Exported(content, native, parity, sample)


def with_float32_thresholds(model: str) -> str:
    """Each threshold t becomes the greatest float32 that is not above it.

    Features are float32, so `x <= t` holds for exactly the same x before and after; and ONNX, which keeps thresholds as
    float32, rounds them no further. (Rounded to nearest, as the converter does, t can pass over a feature's value.)
    """
    lines = []
    for line in model.split("\n"):
        if line.startswith("threshold="):
            values = [float(text) for text in line[len("threshold=") :].split()]
            line = "threshold=" + " ".join(repr(float(value)) for value in _rounded_down(np.array(values)))
        # Sizes of the trees in bytes, now wrong; without it LightGBM reads tree by tree.
        if not line.startswith("tree_sizes="):
            lines.append(line)
    return "\n".join(lines)


def _rounded_down(values: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        nearest = values.astype(np.float32)
    return np.where(nearest > values, np.nextafter(nearest, np.float32(-np.inf)), nearest)


def _with_absent(features: np.ndarray) -> np.ndarray:
    """A few rows, once for each feature with this feature absent, and once with all absent."""
    few = features[:: max(1, len(features) // NAN_ROWS)][:NAN_ROWS]
    blocks = []
    for column in range(features.shape[1]):
        block = few.copy()
        block[:, column] = np.nan
        blocks.append(block)
    blocks.append(np.full((1, features.shape[1]), np.nan, dtype=np.float32))
    return np.vstack(blocks)


def _run(content: bytes, rows: np.ndarray) -> np.ndarray:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return session.run(None, {"features": rows})[0].reshape(-1).astype(np.float64)
