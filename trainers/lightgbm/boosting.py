"""Boosting round by round: progress, scores, checkpoints, and a stop between two rounds."""

import os
import time
from dataclasses import dataclass
from typing import Any, Sequence

import numpy as np

from common.checkpoint import Checkpoint
from common.events import emit, log
from common.failures import Stopped
from common.metrics import measure
from common.program import StopRequest
from common.table import Table
from hyperparameters import LOG_LINK, Hyperparameters

PROGRESS_EVERY_S = 0.5
SCORES_PER_RUN = 20
# Below this, a round takes a millisecond and threads mostly wait for each other: on a busy machine ten times as long.
SMALL_TABLE_CELLS = 500_000
# LightGBM cannot restore its random state. When rounds draw at random, training goes in segments of this many rounds,
# each with a seed of its own, resumed or not; so a resumed run draws what an uninterrupted one draws.
SEGMENT_ROUNDS = 250


@dataclass
class Job:
    """All that one training needs. `validation` is scored, never fitted."""

    settings: Hyperparameters
    seed: int
    train: Table
    validation: Table | None
    features: Sequence[str]
    metrics: Sequence[dict[str, Any]]
    checkpoint: Checkpoint | None
    stop: StopRequest
    threads: int
    checkpoint_every_s: float


def thread_count(asked: int | None, cells: int) -> int:
    """Hyperparameter, then one for a small table, then OMP_NUM_THREADS, then the cores that this process may use."""
    if asked is not None:
        return asked
    if cells < SMALL_TABLE_CELLS:
        return 1
    configured = os.environ.get("OMP_NUM_THREADS", "")
    if configured.isdigit() and int(configured) > 0:
        return int(configured)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def lightgbm_params(job: Job) -> dict[str, Any]:
    # `deterministic` with one way of building histograms: the same bytes whatever the number of threads.
    fixed = {"deterministic": True, "force_row_wise": True, "verbosity": -1, "num_threads": job.threads}
    # Bins come from one sample of the rows, whatever the segment.
    return {**job.settings.params, **fixed, "seed": job.seed, "data_random_seed": job.seed}


def boost(job: Job) -> Any:
    """Trains all rounds, from the checkpoint when it fits, and answers the booster. `Stopped` after a SIGTERM."""
    import lightgbm

    lightgbm.register_logger(_Logger())
    done, model = (job.checkpoint.load() if job.checkpoint else None) or (0, None)
    if model is not None:
        log(f"resuming after round {done} of {job.settings.rounds}")
    booster = lightgbm.Booster(model_str=model) if model is not None else None
    follow = _Follower(job, booster)
    job.stop.deferred = True
    while done < job.settings.rounds:
        length = job.settings.rounds - done
        if job.settings.samples:
            length = min(length, SEGMENT_ROUNDS - done % SEGMENT_ROUNDS)
        booster = lightgbm.train(
            {**lightgbm_params(job), "seed": job.seed + done if job.settings.samples else job.seed},
            lightgbm.Dataset(job.train.features, job.train.target, feature_name=list(job.features), free_raw_data=False),
            num_boost_round=length,
            init_model=booster,
            callbacks=[follow],
        )
        done += length
        follow.may_save(booster, done, at_segment_end=True)
    job.stop.deferred = False
    follow.score(booster, job.settings.rounds)
    return booster


class _Follower:
    """A LightGBM callback: looks between two rounds."""

    before_iteration = False
    order = 0

    def __init__(self, job: Job, booster: Any) -> None:
        self._job = job
        self._began = time.monotonic()
        self._told = self._saved = self._began
        self._every = max(1, job.settings.rounds // SCORES_PER_RUN)
        self._raw = None if job.validation is None else np.zeros(len(job.validation.target))
        self._scored = self._scored_trees = 0
        if booster is not None and job.validation is not None:
            self._add_trees(booster)

    def __call__(self, env: Any) -> None:
        done = env.iteration + 1
        if done % self._every == 0:
            self.score(env.model, done)
        now = time.monotonic()
        last = done == self._job.settings.rounds
        if now - self._told >= PROGRESS_EVERY_S or last or done == 1:
            self._told = now
            emit("progress", round=done, rounds=self._job.settings.rounds, seconds=round(now - self._began, 3))
        if not self._job.settings.samples and not last and (now - self._saved >= self._job.checkpoint_every_s or self._job.stop.requested):
            self._save(env.model, done)
        if self._job.stop.requested:
            raise Stopped(f"after round {done} of {self._job.settings.rounds}; the checkpoint is kept")

    def may_save(self, booster: Any, done: int, at_segment_end: bool) -> None:
        if at_segment_end and done < self._job.settings.rounds:
            self._save(booster, done)

    def score(self, booster: Any, done: int) -> None:
        """Reports the metrics over the validation rows after this round, once a round."""
        if self._raw is None or self._job.validation is None or self._scored == done:
            return
        self._scored = done
        self._add_trees(booster)
        predicted = np.exp(self._raw) if self._job.settings.objective in LOG_LINK else self._raw
        for value in measure(self._job.metrics, self._job.validation.target, predicted):
            emit("metric", name=value["name"], step=done, value=value["value"], count=value["count"])

    def _add_trees(self, booster: Any) -> None:
        trees = booster.num_trees()
        if trees > self._scored_trees and self._job.validation is not None:
            self._raw += booster.predict(
                self._job.validation.features,
                start_iteration=self._scored_trees,
                num_iteration=trees - self._scored_trees,
                raw_score=True,
            )
            self._scored_trees = trees

    def _save(self, booster: Any, done: int) -> None:
        if self._job.checkpoint is not None:
            self._job.checkpoint.save(done, booster.model_to_string(num_iteration=-1))
            # From its end, so that saving never takes most of the time, however large the model grows.
            self._saved = time.monotonic()


class _Logger:
    """LightGBM's own words as events: stdout carries JSON lines alone."""

    def info(self, message: str) -> None:
        log(message.strip())

    def warning(self, message: str) -> None:
        log(message.strip(), level="warning")
