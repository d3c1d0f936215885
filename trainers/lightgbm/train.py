"""LightGBM in the SageMaker container layout. Says JSON lines; leaves model.onnx, model.txt and manifest.json."""

import json
import os
import platform
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

# Appended, not put first: this folder is called lightgbm too, and the package must win.
sys.path += [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parent)]
# LightGBM imports scikit-learn when it is there, which takes a second that every trial would pay, and is not used here.
sys.modules.setdefault("sklearn", None)  # type: ignore[arg-type]
# Threads that wait must not spin: the gateway may share these cores. Read once, when OpenMP is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from common.checkpoint import Checkpoint, fingerprint  # noqa: E402
from common.events import emit, log  # noqa: E402
from common.failures import TrainerError  # noqa: E402
from common.layout import Layout, write_atomically  # noqa: E402
from common.metrics import measure  # noqa: E402
from common.program import StopRequest, run  # noqa: E402
from common.table import Table, read_table  # noqa: E402

PACKAGES = ("lightgbm", "numpy", "scipy", "duckdb", "onnx", "onnxmltools", "onnxconverter-common", "onnxruntime")
POSITIVE = ("gamma",)
NOT_NEGATIVE = ("poisson", "tweedie")


def main(layout: Layout, stop: StopRequest) -> None:
    from boosting import Job, boost, thread_count
    from hyperparameters import read_hyperparameters

    began = time.monotonic()
    settings = read_hyperparameters(layout.hyperparameters())
    config = read_config(layout.config())
    train_path, validation_path = layout.channel("train"), layout.channel("validation")
    if train_path is None:
        raise TrainerError("config", "expected a channel named train in inputdataconfig.json")
    train = read_table(train_path, config["features"], config["target"])
    validation = None if validation_path is None else read_table(validation_path, config["features"], config["target"])
    check_target(train, settings.objective, config["target"])
    log(f"{len(train.target)} rows, {len(config['features'])} features, {settings.rounds} rounds, objective {settings.objective}")
    checkpoint = None
    if config["checkpoint"]:
        made_from = {"params": settings.params, "rounds": settings.rounds, "seed": config["seed"], "features": config["features"]}
        checkpoint = Checkpoint(layout.checkpoints, fingerprint(made_from, [train_path]))
    job = Job(
        settings, config["seed"], train, validation, config["features"], config["metrics"], checkpoint, stop,
        threads=thread_count(settings.threads, train.features.size), checkpoint_every_s=config["checkpointEverySeconds"],
    )  # fmt: skip
    booster = boost(job)
    metrics = [] if validation is None else measure(config["metrics"], validation.target, booster.predict(validation.features))
    layout.model.mkdir(parents=True, exist_ok=True)
    manifest = describe(job, booster, metrics)
    if config["export"]:
        manifest.update(leave_model(layout, booster, job))
    manifest["seconds"] = round(time.monotonic() - began, 3)
    write_atomically(layout.model / "manifest.json", json.dumps(manifest, indent=2, allow_nan=False).encode())
    emit("result", metrics=metrics, rounds=manifest["rounds"], seconds=manifest["seconds"])


def read_config(given: dict[str, Any]) -> dict[str, Any]:
    features, target = given.get("features"), given.get("target")
    if not isinstance(features, list) or not features or not all(isinstance(name, str) for name in features):
        raise TrainerError("config", "perennial.json: features: expected a list of column names, not empty")
    if not isinstance(target, str) or target in features:
        raise TrainerError("config", f"perennial.json: target: expected the name of a column that is no feature, found {target!r}")
    if not isinstance(given.get("seed"), int) or not 0 <= given["seed"] <= 2**31 - 100_001:
        raise TrainerError("config", f"perennial.json: seed: expected a whole number from 0, found {given.get('seed')!r}")
    return {"metrics": [], "export": True, "checkpoint": True, "checkpointEverySeconds": 2, **given}


def check_target(table: Table, objective: str, target: str) -> None:
    low = float(table.target.min())
    if objective in NOT_NEGATIVE and low < 0 or objective in POSITIVE and low <= 0:
        raise TrainerError("data", f"objective {objective} cannot be fitted to {target}: its least value is {low:g}; choose regression")
    if objective == "poisson" and not table.target.any():
        raise TrainerError("data", f"objective poisson cannot be fitted to {target}: all values are 0")


def leave_model(layout: Layout, booster: Any, job: Any) -> dict[str, Any]:
    from export import export

    log("exporting to ONNX")
    exported = export(booster, job.train.features, name="lightgbm")
    if not exported.agrees:
        found, limit = exported.parity["maxRelativeDifference"], exported.parity["tolerance"]
        raise TrainerError("export", f"model.onnx answers otherwise than the trained model: {found:g} of the answer, at most {limit:g} is allowed")
    write_atomically(layout.model / "model.txt", exported.native.encode())
    write_atomically(layout.model / "model.onnx", exported.onnx)
    files = {"onnx": "model.onnx", "native": "model.txt"}
    return {"files": files, "onnx": {"input": "features", "parity": exported.parity}, "sample": exported.sample}


def describe(job: Any, booster: Any, metrics: list[dict[str, Any]]) -> dict[str, Any]:
    from boosting import lightgbm_params

    return {
        "trainer": "lightgbm",
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
        "machine": {"system": platform.platform(), "processor": platform.machine(), "threads": job.threads},
        "seed": job.seed,
        "params": lightgbm_params(job),
        "rounds": booster.num_trees(),
        "features": list(job.features),
        "rows": {"train": len(job.train.target), "validation": 0 if job.validation is None else len(job.validation.target)},
        "metrics": metrics,
    }


if __name__ == "__main__":
    run(main)
