"""Makes the models that stock clients and their examples expect beside this file: python make-models.py (onnx 1.17, numpy 1.26)."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HERE = Path(__file__).parent
INT8, INT32, INT64 = TensorProto.INT8, TensorProto.INT32, TensorProto.INT64
FLOAT, FLOAT16, STRING = TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.STRING
node = helper.make_node


def save(name, nodes, inputs, outputs, constants=()):
    graph = helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info(n, t, s) for n, t, s in inputs],
        [helper.make_tensor_value_info(n, t, s) for n, t, s in outputs],
        [numpy_helper.from_array(np.asarray(value), key) for key, value in dict(constants).items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, HERE / f"{name}.onnx")


def sum_and_difference(name, datatype):
    """OUTPUT0 = INPUT0 + INPUT1, OUTPUT1 = INPUT0 - INPUT1, sixteen a row; computed as INT32 whatever the datatype."""
    pair = [("INPUT0", datatype, ["batch", 16]), ("INPUT1", datatype, ["batch", 16])]
    save(
        name,
        [
            node("Cast", ["INPUT0"], ["a"], to=INT32),
            node("Cast", ["INPUT1"], ["b"], to=INT32),
            node("Add", ["a", "b"], ["sum"]),
            node("Sub", ["a", "b"], ["difference"]),
            node("Cast", ["sum"], ["OUTPUT0"], to=datatype),
            node("Cast", ["difference"], ["OUTPUT1"], to=datatype),
        ],
        pair,
        [("OUTPUT0", datatype, ["batch", 16]), ("OUTPUT1", datatype, ["batch", 16])],
    )


def identity(name, tensors):
    save(
        name,
        [node("Identity", [i], [o]) for i, o, _, _ in tensors],
        [(i, t, s) for i, _, t, s in tensors],
        [(o, t, s) for _, o, t, s in tensors],
    )


# Triton's example models.
sum_and_difference("simple", INT32)
sum_and_difference("simple_int8", INT8)
sum_and_difference("simple_string", STRING)
identity("simple_identity", [("INPUT0", "OUTPUT0", STRING, ["batch", "size"])])
identity("simple_fp32", [("INPUT0", "OUTPUT0", FLOAT, ["batch", 16])])

# KServe's test model, alone and beside an FP16 tensor; MLServer's sum.
identity("dummy", [("input-0", "output-0", INT32, ["batch", "size"])])
identity(
    "dummy_fp16",
    [("input-0", "output-0", INT32, ["batch", "size"]), ("fp16_data", "fp16_out", FLOAT16, ["batch", "size"])],
)
save(
    "sum-model",
    [node("Cast", ["input-0"], ["wide"], to=INT64), node("ReduceSum", ["wide", "axis"], ["total"], keepdims=1)],
    [("input-0", INT32, ["batch", 3])],
    [("total", INT64, ["batch", 1])],
    {"axis": np.array([1], np.int64)},
)

# What a flower is: three logits of four measures.
save(
    "iris",
    [node("MatMul", ["measures", "weights"], ["logits"])],
    [("measures", FLOAT, ["batch", 4])],
    [("logits", FLOAT, ["batch", 3])],
    {"weights": np.arange(12, dtype=np.float32).reshape(4, 3) / 10},
)
# The same with 100 more, to tell versions apart.
save(
    "iris-plus-100",
    [node("MatMul", ["measures", "weights"], ["product"]), node("Add", ["product", "hundred"], ["logits"])],
    [("measures", FLOAT, ["batch", 4])],
    [("logits", FLOAT, ["batch", 3])],
    {"weights": np.arange(12, dtype=np.float32).reshape(4, 3) / 10, "hundred": np.float32(100)},
)
