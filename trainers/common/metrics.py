"""The metrics of a definition, by the rules of domain/metric-computation.ts."""

from typing import Any, Sequence

import numpy as np


def measure(definitions: Sequence[dict[str, Any]], actual: np.ndarray, predicted: np.ndarray) -> list[dict[str, Any]]:
    """One value a definition: `value` is None when nothing was measured or a prediction is not finite."""
    return [_measure_one(definition, actual, predicted) for definition in definitions]


def _measure_one(definition: dict[str, Any], actual: np.ndarray, predicted: np.ndarray) -> dict[str, Any]:
    kind = definition["kind"]
    within = (actual >= definition["floor"]) & (actual != 0) if kind == "mape" else np.ones(len(actual), dtype=bool)
    finite = np.isfinite(predicted)
    counted = within & finite
    measured: dict[str, Any] = {
        "name": definition["name"],
        "kind": kind,
        "value": None,
        "count": int(counted.sum()),
        "excluded": int(len(actual) - counted.sum()),
    }
    if "floor" in definition:
        measured["floor"] = definition["floor"]
    if counted.any() and not (within & ~finite).any():
        value = _formula(kind, actual[counted], predicted[counted])
        measured["value"] = value if np.isfinite(value) else None
    return measured


def _formula(kind: str, actual: np.ndarray, predicted: np.ndarray) -> float:
    error = predicted - actual
    with np.errstate(divide="ignore", invalid="ignore"):
        if kind == "mape":
            return float(np.mean(np.abs(error) / np.abs(actual)))
        if kind == "wape":
            return float(np.abs(error).sum() / np.abs(actual).sum())
        if kind == "rmse":
            return float(np.sqrt(np.mean(error**2)))
        if kind == "mae":
            return float(np.mean(np.abs(error)))
        return float(np.mean(error))
