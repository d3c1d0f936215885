"""Ports of Triton's qa/L0_http (http_test, http_input_size_limit_test) and qa/L0_input_validation (BSD-3), for the models here."""

import gzip
import json

import httpx
import numpy as np
import pytest
import tritonclient.http as http
from gateway_under_test import COUNTS, HTTP, ONES, URL, is_live
from tritonclient.utils import InferenceServerException

LIMIT = 64 * 1024 * 1024
FP32 = f"{URL}/v2/models/simple_fp32/infer"
RAW = {"Inference-Header-Content-Length": "0"}


@pytest.fixture(autouse=True)
def stays_live():
    yield
    assert is_live(), "the gateway is not live after this case"


def refused(answer, status=400, *words):
    assert answer.status_code == status, answer.text[:300]
    error = answer.json()["error"]
    for word in words:
        assert word in error, error


def row(**more):
    tensor = {"name": "INPUT0", "datatype": "FP32", "shape": [1, 16], "data": [0.5] * 16}
    return {"inputs": [tensor | more]}


def test_raw_binary():
    body = np.arange(16, dtype=np.float32).tobytes()
    answer = httpx.post(FP32, content=body, headers=RAW)
    head = int(answer.headers["Inference-Header-Content-Length"])
    assert answer.content[head:] == body


def test_byte_too_many_elements():
    refused(httpx.post(f"{URL}/v2/models/simple_identity/infer", content=b"427", headers=RAW), 400, "raw input")


def test_multi_inputs():
    refused(httpx.post(f"{URL}/v2/models/simple/infer", content=bytes(128), headers=RAW), 400, "must only have 1 input")


def test_content_encoding_chunked_manually():
    body = np.arange(16, dtype=np.float32).tobytes()
    answer = httpx.post(FP32, content=(bytes([byte]) for byte in body), headers=RAW)
    assert answer.content[int(answer.headers["Inference-Header-Content-Length"]) :] == body


def test_content_encoding_unsupported_client():
    """tritonclient refuses a caller's Transfer-Encoding by itself."""
    client = http.InferenceServerClient(HTTP)
    with pytest.raises(InferenceServerException, match="Transfer-Encoding"):
        client.infer("simple", _pair(), headers={"Transfer-Encoding": "chunked"})


def _pair():
    inputs = [http.InferInput(name, [1, 16], "INT32") for name in ("INPUT0", "INPUT1")]
    for tensor, given in zip(inputs, (COUNTS, ONES)):
        tensor.set_data_from_numpy(given)
    return inputs


def test_descriptive_status_code():
    refused(httpx.post(f"{URL}/v2/models/nobody/infer", json=row()), 404, "Request for unknown model")
    refused(httpx.get(f"{URL}/v2/models/simple/versions/77"), 404)


@pytest.mark.parametrize("shape", [[2**4, 2**60 + 2], [2**2, 2**60 + 2], [2**62, 2**2], [2**32, 2**32]])
def test_buffer_size_overflow(shape):
    refused(httpx.post(FP32, json=row(shape=shape)), 400)


@pytest.mark.parametrize("shape", [[2, -5], [-1, 16], [-1, -16]])
def test_negative_dimensions(shape):
    """A client error here; Triton's own answer is 500."""
    refused(httpx.post(FP32, json=row(shape=shape)), 400)


def test_loading_large_invalid_model():
    body = {"parameters": {"config": "{}", "file:1/model.onnx": "A" * (1 << 20)}}
    refused(httpx.post(f"{URL}/v2/repository/models/simple/versions/9.0.0/load", json=body), 400, "failed to load")


def test_load_oversized_file_parameter():
    body = {"parameters": {"config": "{}", "file:" + "A" * 256: "YQ=="}}
    refused(httpx.post(f"{URL}/v2/repository/models/simple/versions/9.0.0/load", json=body), 400, "failed to load")


@pytest.mark.parametrize("depth", [101, 120, 100_000])
def test_json_recursion_depth_limit(depth):
    body = '{"inputs":[{"name":"INPUT0","datatype":"FP32","shape":[1,16],"data":%s1%s}]}' % ("[" * depth, "]" * depth)
    refused(httpx.post(FP32, content=body), 400, "nesting depth exceeds")


def test_duplicate_output_names():
    refused(httpx.post(FP32, json=row() | {"outputs": [{"name": "OUTPUT0"}, {"name": "OUTPUT0"}]}), 400, "OUTPUT0")


def test_repository_index_deeply_nested_json():
    body = '{"ready":%strue%s}' % ("[" * 250_000, "]" * 250_000)
    refused(httpx.post(f"{URL}/v2/repository/index", content=body))


@pytest.mark.parametrize("length", ["99999999999", "-1", "1e3", "0x10", "12a", "18446744073709551616"])
def test_inference_header_content_length_out_of_range(length):
    refused(httpx.post(FP32, json=row(), headers={"Inference-Header-Content-Length": length}))


def test_no_leak_on_invalid_inference_header_length():
    before = _resident()
    for _ in range(200):
        httpx.post(FP32, content=b"x" * 100_000, headers={"Inference-Header-Content-Length": "200000"})
    assert _resident() < before + 100 * 1024 * 1024


def _resident():
    lines = httpx.get(f"{URL}/metrics").text.splitlines()
    return float(next(line for line in lines if line.startswith("process_resident_memory_bytes")).split()[1])


def test_default_limit_raw_binary():
    refused(httpx.post(f"{URL}/v2/models/dummy/infer", content=bytes(LIMIT + 4), headers=RAW, timeout=60), 400, "exceeds the maximum allowed value")


def test_default_limit_json():
    body = b'{"inputs":[{"name":"input-0","datatype":"INT32","shape":[1,%d],"data":[%s]}]}' % (LIMIT // 2, b"1," * (LIMIT // 2) + b"1")
    refused(httpx.post(f"{URL}/v2/models/dummy/infer", content=body, timeout=60), 400, "exceeds the maximum allowed value")


def test_large_input_raw_binary():
    n = 8 * 1024 * 1024
    head = json.dumps({"inputs": [{"name": "input-0", "datatype": "INT32", "shape": [1, n], "parameters": {"binary_data_size": 4 * n}}]}).encode()
    given = np.arange(n, dtype=np.int32).tobytes()
    answer = httpx.post(
        f"{URL}/v2/models/dummy/infer",
        content=head + given,
        headers={"Inference-Header-Content-Length": str(len(head)), "Content-Type": "application/octet-stream"},
        params={"x": "1"},
        timeout=60,
    )
    assert answer.status_code == 200


def test_default_limit_compressed():
    """What comes out counts, while it is unpacked."""
    bomb = gzip.compress(bytes(LIMIT + 4))
    assert len(bomb) < 1 << 20
    refused(httpx.post(f"{URL}/v2/models/dummy/infer", content=bomb, headers=RAW | {"Content-Encoding": "gzip"}, timeout=60))


def test_large_string_in_json():
    body = {"inputs": [{"name": "INPUT0", "datatype": "BYTES", "shape": [1, 1], "data": ["a" * (8 << 20)]}]}
    answer = httpx.post(f"{URL}/v2/models/simple_identity/infer", json=body, timeout=60)
    assert len(answer.json()["outputs"][0]["data"][0]) == 8 << 20


def test_input_validation_required_empty():
    refused(httpx.post(f"{URL}/v2/models/simple/infer", json={"inputs": []}), 400)


def test_input_validation_required_missing():
    one = row(datatype="INT32", data=[1] * 16)
    refused(httpx.post(f"{URL}/v2/models/simple/infer", json=one), 400, "INPUT1")


def test_input_shape_validation():
    refused(httpx.post(FP32, json=row(shape=[1, 15], data=[1] * 15)), 400, "INPUT0")
    refused(httpx.post(FP32, json=row(shape=[16])), 400, "INPUT0")
    refused(httpx.post(FP32, json=row(datatype="INT32")), 400, "INPUT0")


def test_input_string_shape_validation():
    body = {"inputs": [{"name": "INPUT0", "datatype": "BYTES", "shape": [1, 2], "data": ["a"]}]}
    refused(httpx.post(f"{URL}/v2/models/simple_identity/infer", json=body), 400, "INPUT0")
    cut = {"inputs": [{"name": "INPUT0", "datatype": "BYTES", "shape": [1, 1], "parameters": {"binary_data_size": 6}}]}
    head = json.dumps(cut).encode()
    headers = {"Inference-Header-Content-Length": str(len(head))}
    refused(httpx.post(f"{URL}/v2/models/simple_identity/infer", content=head + b"\x09\0\0\0ab", headers=headers), 400)


@pytest.mark.parametrize("size", [0, 60, 68, -64])
def test_wrong_input_shape_tensor_size(size):
    head = json.dumps(row(data=None, parameters={"binary_data_size": size}), default=str).replace('"data": null, ', "").encode()
    headers = {"Inference-Header-Content-Length": str(len(head))}
    refused(httpx.post(FP32, content=head + bytes(max(0, size)), headers=headers), 400)


@pytest.mark.parametrize("name", ["..%2f..%2fetc", "%2e%2e", "a%2fb", "%00", "%20"])
@pytest.mark.parametrize("action", ["load", "unload"])
def test_model_name_invalid_load_and_unload(name, action):
    status = httpx.post(f"{URL}/v2/repository/models/{name}/{action}", json={}).status_code
    assert 400 <= status < 500
