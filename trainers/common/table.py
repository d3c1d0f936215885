"""Parquet tables as matrices."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Sequence

import numpy as np

from common.failures import TrainerError


@dataclass(frozen=True)
class Table:
    """Features (rows, features) as float32, the target as float64; rows in the order of the file."""

    features: np.ndarray
    target: np.ndarray


def read_table(path: Path, features: Sequence[str], target: str) -> Table:
    """Reads the announced columns. A null feature is NaN; a null or infinite target is refused."""
    import duckdb

    name = f"{path.parent.name} channel"
    with duckdb.connect(config={"threads": 2, "autoinstall_known_extensions": "false"}) as connection:
        source = f"read_parquet('{str(path).replace(chr(39), chr(39) * 2)}')"
        try:
            present = {row[0] for row in connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()}
        except duckdb.Error as error:
            raise TrainerError("data", f"{name}: {path} is not readable Parquet: {error}") from None
        absent = [column for column in (*features, target) if column not in present]
        if absent:
            raise TrainerError("data", f"{name}: expected columns {_listed(absent)}, found {_listed(sorted(present))}")
        columns = ", ".join(f"{_quoted(column)}::FLOAT" for column in features)
        try:
            found = connection.execute(f"SELECT {columns}, {_quoted(target)}::DOUBLE FROM {source}").fetchnumpy()
        except duckdb.Error as error:
            raise TrainerError("data", f"{name}: a column is not a number: {error}") from None
    read = [_dense(values) for values in found.values()]
    labels = read.pop().astype(np.float64)
    if len(labels) == 0:
        raise TrainerError("data", f"{name} has no rows")
    bad = np.flatnonzero(~np.isfinite(labels))
    if len(bad):
        raise TrainerError("data", f"{name}: target {target} is null or not finite in {len(bad)} rows, first in row {bad[0]}")
    matrix = np.empty((len(labels), len(features)), dtype=np.float32)
    for index, values in enumerate(read):
        matrix[:, index] = values
    return Table(matrix, labels)


def _dense(values: Any) -> np.ndarray:
    return values.filled(np.nan) if isinstance(values, np.ma.MaskedArray) else values


def _quoted(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'


def _listed(columns: Sequence[str]) -> str:
    return ", ".join(json.dumps(column) for column in columns)
