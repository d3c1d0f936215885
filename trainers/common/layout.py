"""The folders of a SageMaker training container, below `PERENNIAL_SM_ROOT` (default /opt/ml)."""

import json
import os
from pathlib import Path
from typing import Any

from common.failures import TrainerError


class Layout:
    def __init__(self, root: str | None = None) -> None:
        self.root = Path(root or os.environ.get("PERENNIAL_SM_ROOT") or "/opt/ml")
        self.model = self.root / "model"
        self.checkpoints = self.root / "checkpoints"
        self.failure = self.root / "output" / "failure"

    def hyperparameters(self) -> dict[str, str]:
        """The hyperparameters as SageMaker gives them: every value is text."""
        found = self._read("input/config/hyperparameters.json")
        return {name: value if isinstance(value, str) else json.dumps(value) for name, value in found.items()}

    def config(self) -> dict[str, Any]:
        """What the platform adds: features in order, target, metrics, seed, whether to export."""
        return self._read("input/config/perennial.json")

    def channel(self, name: str) -> Path | None:
        """The Parquet file of a channel, or None when the job has no such channel."""
        if name not in self._read("input/config/inputdataconfig.json"):
            return None
        path = self.root / "input" / "data" / name / "data.parquet"
        if not path.is_file():
            raise TrainerError("data", f"channel {name} is announced in inputdataconfig.json, but {path} is absent")
        return path

    def forget_failure(self) -> None:
        """An earlier attempt in the same folder may have failed."""
        self.failure.unlink(missing_ok=True)

    def fail(self, message: str) -> None:
        self.failure.parent.mkdir(parents=True, exist_ok=True)
        self.failure.write_text(message, encoding="utf-8")

    def _read(self, relative: str) -> dict[str, Any]:
        path = self.root / relative
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise TrainerError("config", f"{path} is absent; PERENNIAL_SM_ROOT names the folder that holds input/") from None
        except ValueError as error:
            raise TrainerError("config", f"{path} is not JSON: {error}") from None
        if not isinstance(found, dict):
            raise TrainerError("config", f"{path}: expected an object, found {type(found).__name__}")
        return found


def write_atomically(path: Path, content: bytes) -> None:
    """A reader sees the old file or the new one, and after a crash too."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with open(temporary, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
