"""What a trainer says: one JSON object a line on stdout."""

import json
import math
import sys
import time
from typing import Any


def emit(kind: str, **fields: Any) -> None:
    """Writes one event: kind `progress`, `metric`, `log` or `result`; `at` is epoch milliseconds."""
    event = {"kind": kind, "at": int(time.time() * 1000), **fields}
    # JSON has no NaN: what could not be measured is null.
    line = json.dumps({name: clean(value) for name, value in event.items()}, allow_nan=False)
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def log(message: str, level: str = "info") -> None:
    emit("log", level=level, message=message)


def clean(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {name: clean(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [clean(item) for item in value]
    return value
