"""tritonclient.http and tritonclient.http.aio as installed. The cases follow Triton's examples simple_http_*.py."""

import asyncio

import numpy as np
import pytest
import tritonclient.http as http
import tritonclient.http.aio as aio
from gateway_under_test import COUNTS, HTTP, ONES, texts
from tritonclient.utils import InferenceServerException


@pytest.fixture
def client():
    client = http.InferenceServerClient(HTTP)
    yield client
    client.close()


def pair(left=COUNTS, right=ONES, datatype="INT32", binary=True, module=http):
    inputs = [module.InferInput("INPUT0", left.shape, datatype), module.InferInput("INPUT1", right.shape, datatype)]
    inputs[0].set_data_from_numpy(left, binary_data=binary)
    inputs[1].set_data_from_numpy(right, binary_data=binary)
    return inputs


def is_sum_and_difference(answer, left=COUNTS, right=ONES):
    np.testing.assert_array_equal(answer.as_numpy("OUTPUT0"), left + right)
    np.testing.assert_array_equal(answer.as_numpy("OUTPUT1"), left - right)


def test_simple_http_health_metadata(client):
    assert client.is_server_live(query_params={"test_1": 1, "test_2": 2})
    assert client.is_server_ready()
    assert client.is_model_ready("simple")
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    metadata = client.get_model_metadata("simple", query_params={"test_1": 1, "test_2": 2})
    assert metadata["name"] == "simple"
    assert metadata["inputs"][0] == {"name": "INPUT0", "datatype": "INT32", "shape": [-1, 16]}
    with pytest.raises(InferenceServerException, match="Request for unknown model"):
        client.get_model_metadata("wrong_model_name")
    assert not client.is_model_ready("wrong_model_name")


def test_infer_binary_by_default(client):
    outputs = [http.InferRequestedOutput("OUTPUT0"), http.InferRequestedOutput("OUTPUT1")]
    is_sum_and_difference(client.infer("simple", pair(), outputs=outputs, query_params={"test_1": 1}, headers={"test": "1"}))


def test_infer_without_outputs_named(client):
    is_sum_and_difference(client.infer("simple", pair()))


def test_infer_json(client):
    outputs = [http.InferRequestedOutput("OUTPUT0", binary_data=False), http.InferRequestedOutput("OUTPUT1", binary_data=False)]
    is_sum_and_difference(client.infer("simple", pair(binary=False), outputs=outputs))


def test_infer_binary_and_json_mixed(client):
    inputs = pair()
    inputs[1].set_data_from_numpy(ONES, binary_data=False)
    outputs = [http.InferRequestedOutput("OUTPUT0", binary_data=True), http.InferRequestedOutput("OUTPUT1", binary_data=False)]
    is_sum_and_difference(client.infer("simple", inputs, outputs=outputs))


@pytest.mark.parametrize("packed", ["gzip", "deflate"])
def test_infer_compressed(client, packed):
    answer = client.infer("simple", pair(), request_compression_algorithm=packed, response_compression_algorithm=packed)
    is_sum_and_difference(answer)
    left = np.arange(16 * 200, dtype=np.int32).reshape(200, 16)
    right = np.ones_like(left)
    answer = client.infer("simple", pair(left, right), request_compression_algorithm=packed, response_compression_algorithm=packed)
    is_sum_and_difference(answer, left, right)


def test_infer_by_version_and_id(client):
    answer = client.infer("simple", pair(), model_version="1.0.0", request_id="7").get_response()
    assert (answer["model_version"], answer["id"]) == ("1.0.0", "7")


def test_infer_parameters(client):
    assert client.infer("simple", pair(), priority=1, timeout=10_000_000, parameters={"note": "x", "count": 3, "yes": True})


def test_infer_one_output_only(client):
    answer = client.infer("simple", pair(), outputs=[http.InferRequestedOutput("OUTPUT1")])
    assert answer.as_numpy("OUTPUT0") is None
    np.testing.assert_array_equal(answer.as_numpy("OUTPUT1"), COUNTS - ONES)


def test_simple_http_string_infer_client(client):
    answer = client.infer("simple_string", pair(texts(COUNTS), texts(ONES), "BYTES"))
    assert [int(text) for text in answer.as_numpy("OUTPUT0")[0]] == (COUNTS + ONES)[0].tolist()
    answer = client.infer("simple_string", pair(texts(COUNTS), texts(ONES), "BYTES", binary=False))
    assert [int(text) for text in answer.as_numpy("OUTPUT1")[0]] == (COUNTS - ONES)[0].tolist()


def test_identity_of_texts(client):
    given = np.array([["", "ünïcode ☃", "x" * 5000]], dtype=np.object_)
    tensor = http.InferInput("INPUT0", given.shape, "BYTES").set_data_from_numpy(given)
    answer = client.infer("simple_identity", [tensor]).as_numpy("OUTPUT0")
    assert [text.decode() for text in answer[0]] == given[0].tolist()


def test_text_with_a_zero_byte_is_refused_and_not_cut(client):
    given = np.array([["a\x00b"]], dtype=np.object_)
    for binary in (True, False):
        tensor = http.InferInput("INPUT0", given.shape, "BYTES").set_data_from_numpy(given, binary_data=binary)
        with pytest.raises(InferenceServerException, match="zero byte"):
            client.infer("simple_identity", [tensor])


def test_simple_http_infer_int8(client):
    left, right = COUNTS.astype(np.int8), ONES.astype(np.int8)
    is_sum_and_difference(client.infer("simple_int8", pair(left, right, "INT8")), left, right)


def test_fp32_with_awkward_numbers(client):
    given = np.array([[0.0, -0.0, 1e-45, 3.4e38, -3.4e38, 0.1, 1 / 3, 2**24] * 2], dtype=np.float32)
    tensor = http.InferInput("INPUT0", given.shape, "FP32").set_data_from_numpy(given)
    assert client.infer("simple_fp32", [tensor]).as_numpy("OUTPUT0").tobytes() == given.tobytes()


def test_fp16_raw(client):
    given = np.array([[1.1, 2.22], [3.345, 65504]], dtype=np.float16)
    inputs = [http.InferInput("input-0", [2, 2], "INT32"), http.InferInput("fp16_data", [2, 2], "FP16")]
    inputs[0].set_data_from_numpy(np.array([[1, 2], [3, 4]], dtype=np.int32))
    inputs[1].set_data_from_numpy(given)
    assert client.infer("dummy_fp16", inputs).as_numpy("fp16_out").tobytes() == given.tobytes()


def test_classification(client):
    answer = client.infer("simple_fp32", [_row(16)], outputs=[http.InferRequestedOutput("OUTPUT0", class_count=2)])
    assert [text.decode().split(":")[1] for text in answer.as_numpy("OUTPUT0")[0]] == ["15", "14"]


def _row(width):
    row = np.arange(width, dtype=np.float32).reshape(1, width)
    return http.InferInput("INPUT0", row.shape, "FP32").set_data_from_numpy(row)


def test_simple_http_async_infer_client(client):
    many = http.InferenceServerClient(HTTP, concurrency=8)
    for answer in [many.async_infer("simple", pair()) for _ in range(32)]:
        is_sum_and_difference(answer.get_result())
    many.close()


def test_generate_and_parse_request_body(client):
    body, size = http.InferenceServerClient.generate_request_body(pair())
    assert size is not None and len(body) > size
    answer = client._post(
        request_uri="v2/models/simple/infer", request_body=body, headers={"Inference-Header-Content-Length": size}, query_params=None
    )
    size_out = answer.get("inference-header-content-length")
    result = http.InferenceServerClient.parse_response_body(answer.read(), header_length=None if size_out is None else int(size_out))
    is_sum_and_difference(result)


def test_reuse_infer_objects_client(client):
    inputs = pair()
    for shift in range(3):
        inputs[0].set_data_from_numpy(COUNTS + shift)
        is_sum_and_difference(client.infer("simple", inputs), COUNTS + shift)


def test_model_config_and_statistics(client):
    config = client.get_model_config("simple")
    assert (config["name"], config["input"][0]["dims"]) == ("simple", ["16"] if isinstance(config["input"][0]["dims"][0], str) else [16])
    assert config["max_batch_size"] > 0
    [before] = client.get_inference_statistics("simple")["model_stats"]
    client.infer("simple", pair())
    [after] = client.get_inference_statistics("simple")["model_stats"]
    # Triton's tools read it as a whole number.
    assert int(after["version"]) == 1
    assert int(after["inference_count"]) == int(before["inference_count"]) + 1
    assert int(after["inference_stats"]["success"]["count"]) > int(before["inference_stats"]["success"]["count"])
    assert len(client.get_inference_statistics()["model_stats"]) > 5


def test_repository_index(client):
    index = client.get_model_repository_index()
    assert {"name": "simple", "version": "1.0.0", "state": "READY", "reason": ""} in index
    assert all(entry["state"] == "READY" for entry in client.get_model_repository_index(query_params=None) if entry["name"] == "simple")


def test_load_and_unload_by_name(client):
    client.load_model("simple")
    assert client.is_model_ready("simple")
    with pytest.raises(InferenceServerException, match="failed to load"):
        client.load_model("wrong_model_name")


def test_log_and_trace_settings(client):
    settings = client.get_log_settings()
    assert "log_verbose_level" in settings
    assert client.update_log_settings({"log_verbose_level": 1})["log_verbose_level"] == 1
    client.update_log_settings({"log_verbose_level": 0})
    assert "trace_level" in client.get_trace_settings()


def test_shared_memory_is_refused_cleanly(client):
    with pytest.raises(InferenceServerException) as refused:
        client.register_system_shared_memory("region", "/region", 64)
    assert refused.value.status() == "501"


def test_errors_have_status_and_message(client):
    wrong = [http.InferInput("INPUT0", [1, 15], "INT32").set_data_from_numpy(COUNTS[:, :15]), pair()[1]]
    with pytest.raises(InferenceServerException) as refused:
        client.infer("simple", wrong)
    assert refused.value.status() == "400" and "INPUT0" in refused.value.message()
    with pytest.raises(InferenceServerException) as refused:
        client.infer("simple", pair()[:1])
    assert refused.value.status() == "400" and "INPUT1" in refused.value.message()
    is_sum_and_difference(client.infer("simple", pair()))


def test_aio_infer_and_management():
    async def run():
        async with aio.InferenceServerClient(HTTP) as client:
            assert await client.is_server_live() and await client.is_server_ready() and await client.is_model_ready("simple")
            assert (await client.get_model_metadata("simple"))["name"] == "simple"
            assert (await client.get_model_config("simple"))["name"] == "simple"
            assert len(await client.get_model_repository_index()) > 5
            for answer in await asyncio.gather(*[client.infer("simple", pair()) for _ in range(16)]):
                is_sum_and_difference(answer)
            packed = await client.infer("simple", pair(), request_compression_algorithm="gzip", response_compression_algorithm="gzip")
            is_sum_and_difference(packed)
            await client.get_inference_statistics("simple")
            await client.get_trace_settings()

    asyncio.run(run())
