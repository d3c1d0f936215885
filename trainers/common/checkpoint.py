"""A checkpoint that outlives attempts: one file, written whole, read only by the job that it fits."""

import fcntl
import hashlib
import json
from pathlib import Path
from typing import Any, Sequence

from common.events import log
from common.failures import TrainerError
from common.layout import write_atomically


def fingerprint(settings: dict[str, Any], files: Sequence[Path]) -> str:
    """What a checkpoint was made from: settings and the bytes of the tables."""
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for path in files:
        with open(path, "rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


class Checkpoint:
    def __init__(self, folder: Path, made_from: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / "checkpoint.json"
        self._made_from = made_from
        # Held until this process ends, however it ends: two attempts never write one checkpoint.
        self._lock = open(folder / ".lock", "a", encoding="ascii")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise TrainerError("busy", f"another attempt of this job still runs and holds {folder / '.lock'}") from None

    def load(self) -> tuple[int, str] | None:
        """Rounds done and the native model then, or None to begin from nothing."""
        try:
            found = json.loads(self._path.read_text(encoding="utf-8"))
            if found["madeFrom"] != self._made_from:
                log("the checkpoint belongs to other settings or data; training begins from nothing", level="warning")
                return None
            if hashlib.sha256(found["model"].encode()).hexdigest() != found["digest"]:
                log("the checkpoint is damaged; training begins from nothing", level="warning")
                return None
            return int(found["rounds"]), found["model"]
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            log(f"the checkpoint cannot be read ({error}); training begins from nothing", level="warning")
            return None

    def save(self, rounds: int, model: str) -> None:
        digest = hashlib.sha256(model.encode()).hexdigest()
        content = {"madeFrom": self._made_from, "rounds": rounds, "digest": digest, "model": model}
        write_atomically(self._path, json.dumps(content).encode())
