"""The same model as a person would train it by hand: `plain_training.py <table.parquet> <settings.json> <folder>`.

Reads the table, holds out the last fifth, fits, exports ONNX, evaluates the ONNX file on the held-out rows.
"""

import json
import sys
from pathlib import Path

import duckdb
import lightgbm
import numpy as np
import onnxruntime
from onnxmltools import convert_lightgbm
from onnxmltools.convert.common.data_types import FloatTensorType

table, settings, folder = sys.argv[1], json.loads(Path(sys.argv[2]).read_text()), Path(sys.argv[3])
names = settings["features"]
columns = duckdb.sql(f"SELECT {', '.join(names)}, y FROM read_parquet('{table}') ORDER BY time").fetchnumpy()
target = columns["y"]
features = np.column_stack([columns[name] for name in names]).astype(np.float32)
cut = int(len(target) * 0.8)

booster = lightgbm.train(
    settings["params"],
    lightgbm.Dataset(features[:cut], target[:cut], feature_name=names),
    num_boost_round=settings["rounds"],
)
model = convert_lightgbm(booster, initial_types=[("features", FloatTensorType([None, len(names)]))], target_opset=15)
(folder / "model.onnx").write_bytes(model.SerializeToString())
booster.save_model(folder / "model.txt")

session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
predicted = session.run(None, {"features": features[cut:]})[0].reshape(-1)
actual = target[cut:]
error = np.abs(predicted - actual)
report = {
    "wape": float(error.sum() / np.abs(actual).sum()),
    "rmse": float(np.sqrt(np.mean((predicted - actual) ** 2))),
    "rows": len(actual),
}
(folder / "report.json").write_text(json.dumps(report))
