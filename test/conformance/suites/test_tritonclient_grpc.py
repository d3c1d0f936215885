"""tritonclient.grpc and tritonclient.grpc.aio as installed. The cases follow Triton's examples simple_grpc_*.py."""

import asyncio
import queue

import numpy as np
import pytest
import tritonclient.grpc as grpc
import tritonclient.grpc.aio as aio
from gateway_under_test import COUNTS, GRPC, ONES, texts
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import InferenceServerException


@pytest.fixture
def client():
    client = grpc.InferenceServerClient(GRPC)
    yield client
    client.close()


def pair(left=COUNTS, right=ONES, datatype="INT32"):
    inputs = [grpc.InferInput("INPUT0", left.shape, datatype), grpc.InferInput("INPUT1", right.shape, datatype)]
    inputs[0].set_data_from_numpy(left)
    inputs[1].set_data_from_numpy(right)
    return inputs


def is_sum_and_difference(answer, left=COUNTS, right=ONES):
    np.testing.assert_array_equal(answer.as_numpy("OUTPUT0"), left + right)
    np.testing.assert_array_equal(answer.as_numpy("OUTPUT1"), left - right)


def test_simple_grpc_health_metadata(client):
    assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("simple")
    assert "binary_tensor_data" in client.get_server_metadata().extensions
    metadata = client.get_model_metadata("simple")
    assert metadata.name == "simple" and list(metadata.inputs[0].shape) == [-1, 16]
    assert client.get_model_metadata("simple", as_json=True)["name"] == "simple"
    with pytest.raises(InferenceServerException, match="Request for unknown model"):
        client.get_model_metadata("wrong_model_name")


def test_simple_grpc_infer_client(client):
    outputs = [grpc.InferRequestedOutput("OUTPUT0"), grpc.InferRequestedOutput("OUTPUT1")]
    answer = client.infer("simple", pair(), outputs=outputs, client_timeout=10, headers={"test": "1"})
    is_sum_and_difference(answer)
    is_sum_and_difference(client.infer("simple", pair(), model_version="1.0.0", request_id="7"))


@pytest.mark.parametrize("packed", ["gzip", "deflate"])
def test_infer_compressed(client, packed):
    is_sum_and_difference(client.infer("simple", pair(), compression_algorithm=packed))


def test_simple_grpc_string_infer_client(client):
    answer = client.infer("simple_string", pair(texts(COUNTS), texts(ONES), "BYTES"))
    assert [int(text) for text in answer.as_numpy("OUTPUT0")[0]] == (COUNTS + ONES)[0].tolist()
    given = np.array([["", "ünïcode ☃"]], dtype=np.object_)
    tensor = grpc.InferInput("INPUT0", given.shape, "BYTES").set_data_from_numpy(given)
    answer = client.infer("simple_identity", [tensor]).as_numpy("OUTPUT0")
    assert [text.decode() for text in answer[0]] == given[0].tolist()


def test_simple_grpc_async_infer_client(client):
    answers = queue.Queue()
    for _ in range(32):
        client.async_infer("simple", pair(), callback=lambda result, error: answers.put(error or result))
    for _ in range(32):
        answer = answers.get(timeout=20)
        assert not isinstance(answer, InferenceServerException), answer
        is_sum_and_difference(answer)


def test_client_timeout_is_a_deadline(client):
    rows = np.zeros((200, 2), np.float32)
    tensor = grpc.InferInput("features", rows.shape, "FP32").set_data_from_numpy(rows)
    with pytest.raises(InferenceServerException) as late:
        client.infer("slow", [tensor], client_timeout=0.001)
    assert late.value.status() == "StatusCode.DEADLINE_EXCEEDED"
    is_sum_and_difference(client.infer("simple", pair()))


def test_simple_grpc_explicit_content_clients():
    import grpc as transport

    with transport.insecure_channel(GRPC) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        for model, datatype in [("simple", "INT32"), ("simple_int8", "INT8")]:
            request = service_pb2.ModelInferRequest(model_name=model, id="my request id")
            for name, values in [("INPUT0", range(16)), ("INPUT1", [1] * 16)]:
                tensor = service_pb2.ModelInferRequest().InferInputTensor(name=name, datatype=datatype, shape=[1, 16])
                tensor.contents.int_contents[:] = values
                request.inputs.append(tensor)
            answer = stub.ModelInfer(request)
            assert answer.id == "my request id" and len(answer.outputs) == 2
            assert list(answer.outputs[0].contents.int_contents) == [n + 1 for n in range(16)]
        request = service_pb2.ModelInferRequest(model_name="simple_string")
        for name in ["INPUT0", "INPUT1"]:
            tensor = service_pb2.ModelInferRequest().InferInputTensor(name=name, datatype="BYTES", shape=[1, 16])
            tensor.contents.bytes_contents[:] = [str(n).encode() for n in range(16)]
            request.inputs.append(tensor)
        assert list(stub.ModelInfer(request).outputs[0].contents.bytes_contents) == [str(2 * n).encode() for n in range(16)]


def test_stream(client):
    answers = queue.Queue()
    client.start_stream(callback=lambda result, error: answers.put((result, error)))
    for n in range(20):
        client.async_stream_infer("simple", pair(COUNTS + n), request_id=str(n))
    for n in range(20):
        result, error = answers.get(timeout=20)
        assert error is None, error
        assert result.get_response().id == str(n)
        is_sum_and_difference(result, COUNTS + n)
    client.async_stream_infer("wrong_model_name", pair(), request_id="wrong")
    result, error = answers.get(timeout=20)
    assert result is None and "Request for unknown model" in error.message()
    client.async_stream_infer("simple", pair(), request_id="after")
    assert answers.get(timeout=20)[1] is None
    client.stop_stream()


def test_model_config_and_statistics(client):
    config = client.get_model_config("simple").config
    assert config.name == "simple" and list(config.input[0].dims) == [16] and config.max_batch_size > 0
    before = client.get_inference_statistics("simple").model_stats[0].inference_count
    client.infer("simple", pair())
    assert client.get_inference_statistics("simple").model_stats[0].inference_count == before + 1


def test_repository_index_load_unload(client):
    assert any(model.name == "simple" and model.state == "READY" for model in client.get_model_repository_index().models)
    client.load_model("simple")
    assert client.is_model_ready("simple")
    with pytest.raises(InferenceServerException, match="failed to load"):
        client.load_model("wrong_model_name")


def test_log_and_trace_settings(client):
    assert "log_verbose_level" in client.get_log_settings(as_json=True)["settings"]
    client.update_log_settings({"log_verbose_level": 0})
    assert "trace_level" in client.get_trace_settings(as_json=True)["settings"]


def test_shared_memory_is_refused_cleanly(client):
    with pytest.raises(InferenceServerException) as refused:
        client.register_system_shared_memory("region", "/region", 64)
    assert refused.value.status() == "StatusCode.UNIMPLEMENTED"


def test_errors_have_status_and_message(client):
    wrong = [grpc.InferInput("INPUT0", [1, 15], "INT32").set_data_from_numpy(COUNTS[:, :15]), pair()[1]]
    with pytest.raises(InferenceServerException) as refused:
        client.infer("simple", wrong)
    assert refused.value.status() == "StatusCode.INVALID_ARGUMENT" and "INPUT0" in refused.value.message()


def test_keepalive_client():
    options = grpc.KeepAliveOptions(keepalive_time_ms=10_000, keepalive_timeout_ms=5_000, keepalive_permit_without_calls=True)
    with grpc.InferenceServerClient(GRPC, keepalive_options=options) as client:
        is_sum_and_difference(client.infer("simple", pair()))


def test_aio_infer_and_stream():
    async def run():
        async with aio.InferenceServerClient(GRPC) as client:
            assert await client.is_server_live() and await client.is_server_ready() and await client.is_model_ready("simple")
            for answer in await asyncio.gather(*[client.infer("simple", pair()) for _ in range(16)]):
                is_sum_and_difference(answer)

            async def requests():
                for n in range(5):
                    yield {"model_name": "simple", "inputs": pair(COUNTS + n), "request_id": str(n)}

            found = []
            async for result, error in client.stream_infer(requests()):
                assert error is None
                found.append(result.get_response().id)
            assert found == ["0", "1", "2", "3", "4"]

    asyncio.run(run())
