"""Ports of Triton's qa/L0_grpc/python_grpc_aio_test.py (BSD-3), and of what its tests ask of raw and typed contents."""

import asyncio

import grpc
import numpy as np
import pytest
import tritonclient.grpc.aio as aio
from gateway_under_test import COUNTS, GRPC, ONES
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import InferenceServerException


def ask(call):
    async def run():
        async with aio.InferenceServerClient(GRPC) as client:
            return await call(client)

    return asyncio.run(run())


@pytest.mark.parametrize("name", ["is_server_live", "is_server_ready"])
def test_server_is(name):
    assert ask(lambda client: getattr(client, name)()) is True


def test_is_model_ready():
    assert ask(lambda client: client.is_model_ready("simple")) is True
    assert ask(lambda client: client.is_model_ready("simple", "1.0.0")) is True
    assert ask(lambda client: client.is_model_ready("nobody")) is False


def test_get_server_metadata():
    assert ask(lambda client: client.get_server_metadata()).name == "perennial"
    assert ask(lambda client: client.get_server_metadata(as_json=True))["name"] == "perennial"


def test_get_model_metadata_and_config():
    assert ask(lambda client: client.get_model_metadata("simple")).name == "simple"
    assert ask(lambda client: client.get_model_config("simple")).config.name == "simple"


def test_get_model_repository_index():
    assert len(ask(lambda client: client.get_model_repository_index()).models) >= 13


def test_get_inference_statistics():
    assert ask(lambda client: client.get_inference_statistics()).model_stats


def test_trace_settings():
    ask(lambda client: client.get_trace_settings())


def test_shared_memory():
    for call in (
        lambda client: client.register_system_shared_memory("test_shm", "/test_shm", 0),
        lambda client: client.register_cuda_shared_memory("region", b"", 0, 0),
    ):
        with pytest.raises(InferenceServerException) as refused:
            ask(call)
        assert refused.value.status() == "StatusCode.UNIMPLEMENTED"


@pytest.fixture
def stub():
    with grpc.insecure_channel(GRPC) as channel:
        yield service_pb2_grpc.GRPCInferenceServiceStub(channel)


def request(raw=True):
    request = service_pb2.ModelInferRequest(model_name="simple")
    for name, given in (("INPUT0", COUNTS), ("INPUT1", ONES)):
        tensor = service_pb2.ModelInferRequest().InferInputTensor(name=name, datatype="INT32", shape=[1, 16])
        if raw:
            request.raw_input_contents.append(given.tobytes())
        else:
            tensor.contents.int_contents[:] = given.flatten().tolist()
        request.inputs.append(tensor)
    return request


def is_refused(stub, request):
    with pytest.raises(grpc.RpcError) as refused:
        stub.ModelInfer(request)
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT, refused.value


def test_raw_is_answered_raw_and_typed_typed(stub):
    raw = stub.ModelInfer(request())
    assert np.frombuffer(raw.raw_output_contents[0], np.int32).tolist() == [n + 1 for n in range(16)]
    typed = stub.ModelInfer(request(raw=False))
    assert list(typed.outputs[0].contents.int_contents) == [n + 1 for n in range(16)] and not typed.raw_output_contents


def test_raw_and_typed_together_are_refused(stub):
    both = request()
    both.inputs[0].contents.int_contents[:] = [1] * 16
    is_refused(stub, both)


@pytest.mark.parametrize("size", [0, 60, 63, 68])
def test_wrong_raw_size(stub, size):
    wrong = request()
    wrong.raw_input_contents[0] = bytes(size)
    is_refused(stub, wrong)


def test_fewer_raw_contents_than_inputs(stub):
    wrong = request()
    del wrong.raw_input_contents[1]
    is_refused(stub, wrong)


def test_contents_of_another_datatype(stub):
    wrong = request(raw=False)
    wrong.inputs[0].contents.fp32_contents[:] = [1.0] * 16
    is_refused(stub, wrong)


@pytest.mark.parametrize("shape", [[2**62, 2**2], [-1, 16], [1, 15], [16]])
def test_shapes(stub, shape):
    wrong = request()
    wrong.inputs[0].shape[:] = shape
    is_refused(stub, wrong)


def test_int8_out_of_range(stub):
    wrong = request(raw=False)
    wrong.model_name = "simple_int8"
    for tensor in wrong.inputs:
        tensor.datatype = "INT8"
    wrong.inputs[0].contents.int_contents[3] = 128
    is_refused(stub, wrong)


def test_same_input_twice(stub):
    wrong = request()
    wrong.inputs[1].name = "INPUT0"
    is_refused(stub, wrong)


def test_unknown_output(stub):
    wrong = request()
    wrong.outputs.add(name="OUTPUT7")
    is_refused(stub, wrong)
