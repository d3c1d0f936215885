"""Files that others exported from PyTorch, TensorFlow and PaddlePaddle, with what was recorded or Python's ONNX Runtime answers.

Writes a folder for each into the folder that it is called with: model.onnx, request.json, answer.json, asks.jsonl.
"""

import importlib.util
import json
import os
import shutil
import sys
from glob import glob
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper, version_converter
from onnxconverter_common import float16
from onnxruntime.quantization import quantize_dynamic

target = sys.argv[1]
sys.path.insert(0, target)
from oip import tensor  # noqa: E402

onnxruntime.set_default_logger_severity(4)
random = np.random.default_rng(1)


def write(name, model, asks):
    """`model` is a path or a message; `asks` are pairs of what is asked and what is answered, by name."""
    folder = os.path.join(target, name)
    os.makedirs(folder)
    if isinstance(model, str):
        shutil.copyfile(model, os.path.join(folder, "model.onnx"))
    else:
        onnx.save_model(model, os.path.join(folder, "model.onnx"))
    written = []
    for inputs, outputs in asks:
        asked = {"inputs": [tensor(key, values) for key, values in inputs.items()]}
        written.append((asked, {"outputs": [tensor(key, values) for key, values in outputs.items()]}))
    for file, content in zip(("request.json", "answer.json"), written[0], strict=True):
        with open(os.path.join(folder, file), "w") as stream:
            json.dump(content, stream)
    with open(os.path.join(folder, "asks.jsonl"), "w") as stream:
        for request, answer in written:
            stream.write(json.dumps({"request": request, "answer": answer}) + "\n")


def answering(model):
    """Asks Python's ONNX Runtime."""
    session = onnxruntime.InferenceSession(model)
    names = [output.name for output in session.get_outputs()]
    return lambda inputs: dict(zip(names, session.run(None, inputs), strict=True))


def packaged(module, path):
    return os.path.join(os.path.dirname(importlib.util.find_spec(module).origin), path)


def silero():
    """Speech in a stream of sound: each request hands on the state that the one before was answered."""
    path = packaged("silero_vad", "data/silero_vad.onnx")
    answer = answering(path)
    time = np.arange(576 * 200, dtype=np.float32) / 16_000
    sound = np.sin(2 * np.pi * 140 * time) * np.sin(2 * np.pi * 3 * time) ** 2 + random.normal(0, 0.05, time.shape)
    state = np.zeros((2, 1, 128), dtype=np.float32)
    for window in sound.astype(np.float32).reshape(200, 1, 576):
        inputs = {"input": window, "state": state, "sr": np.array(16_000, dtype=np.int64)}
        outputs = answer(inputs)
        yield inputs, outputs
        state = outputs["stateN"]


def magika(model, rows_a_request=32):
    """The kinds of files: the first and the last bytes of Python's own modules, as magika reads them."""
    answer = answering(model)
    absent = 256
    rows = []
    for path in sorted(glob(os.path.join(os.path.dirname(os.__file__), "*.py")))[:160]:
        with open(path, "rb") as file:
            content = file.read().strip()
        row = np.full(2048, absent, dtype=np.int32)
        first, last = content[:1024], content[-1024:]
        row[: len(first)] = np.frombuffer(first, dtype=np.uint8)
        row[2048 - len(last) :] = np.frombuffer(last, dtype=np.uint8)
        rows.append(row)
    for start in range(0, len(rows), rows_a_request):
        inputs = {"bytes": np.stack(rows[start : start + rows_a_request])}
        yield inputs, answer(inputs)


def images(model, *shapes):
    answer = answering(model)
    for shape in shapes:
        inputs = {"x": random.normal(0, 1, shape).astype(np.float32)}
        yield inputs, answer(inputs)


def recorded(folder):
    """Inputs and outputs that were recorded when PyTorch exported the file."""
    model = onnx.load(os.path.join(folder, "model.onnx"))
    weights = {weight.name for weight in model.graph.initializer}

    def read(kind, values):
        files = sorted(glob(os.path.join(folder, "test_data_set_0", f"{kind}_*.pb")))
        return {value.name: numpy_helper.to_array(onnx.load_tensor(file)) for value, file in zip(values, files, strict=True)}

    return model, [(read("input", [i for i in model.graph.input if i.name not in weights]), read("output", model.graph.output))]


def runs(model):
    try:
        onnxruntime.InferenceSession(model.SerializeToString())
        return True
    except Exception:
        return False


def pytorch_layers():
    data = os.path.join(os.path.dirname(onnx.__file__), "backend/test/data")
    for folder in sorted(glob(os.path.join(data, "pytorch-*/test_*"))):
        name = os.path.basename(folder).removeprefix("test_").replace("_", "-").lower()
        model, [(inputs, outputs)] = recorded(folder)
        asks = [(inputs, {key: np.nan_to_num(values) for key, values in outputs.items()})]
        if not all(np.isfinite(values).all() for values in outputs.values()):
            write(f"not-finite/{name}", model if runs(model) else version_converter.convert_version(model, 13), asks)
        elif runs(model):
            write(f"pytorch/{name}", model, asks)
        else:
            write(f"too-old/{name}", model, asks)
            # For PReLU with a slope a channel the converter itself writes a graph that no runtime runs.
            if not (name.startswith("prelu") and name.endswith("multiparam")):
                write(f"brought-up/{name}", version_converter.convert_version(model, 13), asks)


turned, found, read = (glob(os.path.join(packaged("rapidocr", "models"), f"*_{kind}_*.onnx"))[0] for kind in ("cls", "det", "rec"))
write("files/silero-vad", packaged("silero_vad", "data/silero_vad.onnx"), silero())
whole = packaged("magika", "models/standard_v3_3/model.onnx")
write("files/magika", whole, magika(whole))
with TemporaryDirectory() as folder:
    small = os.path.join(folder, "int8.onnx")
    quantize_dynamic(whole, small)
    # Its scales are those of all rows together, so that a row is answered by what else is asked with it.
    write("dependent/magika-int8", small, magika(small))
    alone = onnx.load(small)
    for value in (*alone.graph.input, *alone.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 1
    write("files/magika-int8-row-by-row", alone, magika(alone.SerializeToString(), rows_a_request=1))
write("files/ocr-orientation", turned, images(turned, *[(4, 3, 48, 192)] * 5))
half = float16.convert_float_to_float16(onnx.load(turned), keep_io_types=True)
write("files/ocr-orientation-fp16", half, images(half.SerializeToString(), *[(4, 3, 48, 192)] * 5))
write("files/ocr-detection", found, images(found, (1, 3, 64, 96), (1, 3, 96, 64)))
write("files/ocr-recognition", read, images(read, (1, 3, 48, 64), (2, 3, 48, 96)))
pytorch_layers()
