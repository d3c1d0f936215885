"""Makes the models of bench:gateway in the folder given: champion.onnx and challenger.onnx (LightGBM, 300 trees of 31 leaves
over 20 floats) and slow.onnx (about 20 ms a call on this machine, one core)."""

import sys
import time
from pathlib import Path

import lightgbm
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxmltools.convert import convert_lightgbm
from onnxmltools.convert.common.data_types import FloatTensorType

WIDTH = 20
SLOW_MS = 20.0


def forest(path: Path, seed: int) -> None:
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(20_000, WIDTH)).astype(np.float32)
    y = x[:, 0] * 2 + np.sin(x[:, 1] * 3) + x[:, 2] * x[:, 3] + generator.normal(size=len(x)) * 0.1
    settings = {"objective": "regression", "num_leaves": 31, "learning_rate": 0.05, "verbosity": -1, "seed": seed}
    booster = lightgbm.train(settings, lightgbm.Dataset(x, y), num_boost_round=300)
    model = convert_lightgbm(booster, initial_types=[("features", FloatTensorType([None, WIDTH]))], target_opset=15)
    path.write_bytes(model.SerializeToString())


def slow(path: Path, size: int) -> None:
    """Matrix products that depend on the input, so that nothing is folded at load; the answer is the sum of the features."""
    node = helper.make_node
    nodes = [
        node("ReduceSum", ["features", "one"], ["variable"], keepdims=1),
        node("ReduceSum", ["features"], ["total"], keepdims=0),
        node("Mul", ["total", "zero"], ["nothing"]),
        node("Add", ["nothing", "small"], ["fill"]),
        node("Expand", ["fill", "square"], ["a"]),
        node("MatMul", ["a", "a"], ["b"]),
        node("ReduceMean", ["b"], ["mean"], keepdims=0),
        node("Mul", ["mean", "zero"], ["none"]),
        node("Add", ["variable", "none"], ["prediction"]),
    ]
    constants = {
        "one": np.array([1], np.int64),
        "zero": np.float32(0),
        "small": np.float32(1e-4),
        "square": np.array([size, size], np.int64),
    }
    graph = helper.make_graph(
        nodes,
        "slow",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["rows", WIDTH])],
        [helper.make_tensor_value_info("prediction", TensorProto.FLOAT, ["rows", 1])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def run_ms(path: Path) -> float:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    row = {"features": np.zeros((1, WIDTH), np.float32)}
    times = []
    for _ in range(9):
        start = time.perf_counter()
        session.run(None, row)
        times.append(time.perf_counter() - start)
    return sorted(times)[len(times) // 2] * 1000


folder = Path(sys.argv[1])
forest(folder / "champion.onnx", 1)
forest(folder / "challenger.onnx", 2)
side = 600
for _ in range(4):
    slow(folder / "slow.onnx", side)
    # The time grows with the third power of the side.
    side = max(64, int(side * (SLOW_MS / run_ms(folder / "slow.onnx")) ** (1 / 3)))
