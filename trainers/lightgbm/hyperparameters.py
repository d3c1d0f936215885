"""Hyperparameters of the LightGBM trainer: read from text, checked, named as LightGBM names them."""

import json
import math
from dataclasses import dataclass
from typing import Any

from common.failures import TrainerError

# All are exported to ONNX with the right transformation of the raw score.
OBJECTIVES = ("poisson", "regression", "regression_l1", "huber", "quantile", "gamma", "tweedie")
LOG_LINK = ("poisson", "gamma", "tweedie")

WHOLE, REAL = "a whole number", "a number"

# name -> kind, lowest, highest (inclusive)
RANGES: dict[str, tuple[str, float, float]] = {
    "n_estimators": (WHOLE, 1, 100_000),
    "num_leaves": (WHOLE, 2, 131_072),
    "max_depth": (WHOLE, -1, 1_000),
    "max_bin": (WHOLE, 2, 65_535),
    "min_data_in_leaf": (WHOLE, 0, 10_000_000),
    "min_sum_hessian_in_leaf": (REAL, 0, 1e12),
    "min_gain_to_split": (REAL, 0, 1e12),
    "learning_rate": (REAL, 1e-6, 10),
    "lambda_l1": (REAL, 0, 1e9),
    "lambda_l2": (REAL, 0, 1e9),
    "feature_fraction": (REAL, 1e-3, 1),
    "bagging_fraction": (REAL, 1e-3, 1),
    "bagging_freq": (WHOLE, 0, 100_000),
    "path_smooth": (REAL, 0, 1e9),
    "poisson_max_delta_step": (REAL, 1e-6, 1e3),
    "tweedie_variance_power": (REAL, 1, 2),
    "alpha": (REAL, 1e-6, 1e6),
    "num_threads": (WHOLE, 1, 1_024),
}

ALIASES = {
    "num_iterations": "n_estimators",
    "min_child_samples": "min_data_in_leaf",
    "min_child_weight": "min_sum_hessian_in_leaf",
    "min_split_gain": "min_gain_to_split",
    "reg_alpha": "lambda_l1",
    "reg_lambda": "lambda_l2",
    "colsample_bytree": "feature_fraction",
    "subsample": "bagging_fraction",
    "subsample_freq": "bagging_freq",
}


@dataclass(frozen=True)
class Hyperparameters:
    rounds: int
    objective: str
    params: dict[str, Any]
    """By LightGBM's names, without rounds and threads: what decides the result."""
    threads: int | None

    @property
    def samples(self) -> bool:
        """Whether rounds draw rows or features at random."""
        bags = self.params.get("bagging_freq", 0) > 0 and self.params.get("bagging_fraction", 1) < 1
        return bags or self.params.get("feature_fraction", 1) < 1


def read_hyperparameters(given: dict[str, str]) -> Hyperparameters:
    """Every complaint at once: name, what was expected, what was found."""
    complaints: list[str] = []
    params: dict[str, Any] = {}
    objective = given.get("objective", "regression")
    if objective not in OBJECTIVES:
        complaints.append(f"objective: expected one of {', '.join(OBJECTIVES)}, found {json.dumps(objective)}")
    for name, text in given.items():
        if name == "objective":
            continue
        known = ALIASES.get(name, name)
        if known not in RANGES:
            allowed = ", ".join(sorted(["objective", *RANGES, *ALIASES]))
            complaints.append(f"{name}: not a hyperparameter of the LightGBM trainer; it knows {allowed}")
        elif known in params:
            complaints.append(f"{name}: given twice, it is another name of {known}")
        else:
            _read_one(name, text, params, complaints)
    if complaints:
        raise TrainerError("hyperparameters", "hyperparameters refused: " + "; ".join(complaints))
    rounds, threads = params.pop("n_estimators", 100), params.pop("num_threads", None)
    return Hyperparameters(rounds=rounds, objective=objective, params={"objective": objective, **params}, threads=threads)


def _read_one(name: str, text: str, params: dict[str, Any], complaints: list[str]) -> None:
    known = ALIASES.get(name, name)
    kind, low, high = RANGES[known]
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    whole_wanted = kind == WHOLE
    if not low <= value <= high or (whole_wanted and value != int(value)):
        complaints.append(f"{name}: expected {kind} from {low:g} to {high:g}, found {json.dumps(text)}")
    else:
        params[known] = int(value) if whole_wanted else value
