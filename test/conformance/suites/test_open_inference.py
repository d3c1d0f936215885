"""The clients that the protocol's own project generates: open-inference-grpc and open-inference-openapi."""

import grpc
import pytest
from gateway_under_test import GRPC, URL
from open_inference.grpc import protocol, service
from open_inference.openapi.client import AsyncOpenInferenceClient, OpenInferenceClient
from open_inference.openapi.core.api_error import ApiError
from open_inference.openapi.types import InferenceRequest, RequestInput


@pytest.fixture
def rest():
    return OpenInferenceClient(base_url=URL)


@pytest.fixture
def stub():
    with grpc.insecure_channel(GRPC) as channel:
        yield service.GRPCInferenceServiceStub(channel)


def rows():
    tensor = RequestInput(name="input-0", datatype="INT32", shape=[2, 2], data=[1, 2, 3, 4])
    return InferenceRequest(id="r1", inputs=[tensor])


def test_openapi_health_and_metadata(rest):
    rest.check_server_liveness()
    rest.check_server_readiness()
    rest.check_model_readiness(model_name="dummy")
    rest.check_model_version_readiness(model_name="dummy", model_version="1.0.0")
    assert rest.read_server_metadata().name
    assert rest.read_model_metadata(model_name="dummy").inputs[0].name == "input-0"
    assert rest.read_model_version_metadata(model_name="dummy", model_version="1.0.0").name == "dummy"


def test_openapi_infer(rest):
    answer = rest.model_infer("dummy", request=rows())
    assert answer.id == "r1" and answer.model_name == "dummy"
    assert _plain(answer.outputs[0].data) == [1, 2, 3, 4]
    answer = rest.model_version_infer("dummy", "1.0.0", request=rows())
    assert answer.model_version == "1.0.0"


def _plain(data):
    return data.__root__ if hasattr(data, "__root__") else data


def test_openapi_errors(rest):
    with pytest.raises(ApiError) as refused:
        rest.model_infer("nobody", request=rows())
    assert refused.value.status_code == 404


def test_openapi_async():
    import asyncio

    async def run():
        client = AsyncOpenInferenceClient(base_url=URL)
        return await client.model_infer("dummy", request=rows())

    assert asyncio.run(run()).model_name == "dummy"


def test_grpc_health_and_metadata(stub):
    assert stub.ServerLive(protocol.ServerLiveRequest()).live
    assert stub.ServerReady(protocol.ServerReadyRequest()).ready
    assert stub.ModelReady(protocol.ModelReadyRequest(name="dummy")).ready
    assert stub.ServerMetadata(protocol.ServerMetadataRequest()).name
    assert list(stub.ModelMetadata(protocol.ModelMetadataRequest(name="dummy")).inputs[0].shape) == [-1, -1]


@pytest.mark.parametrize("raw", [False, True])
def test_grpc_infer(stub, raw):
    request = protocol.ModelInferRequest(model_name="dummy", id="r1")
    tensor = request.inputs.add(name="input-0", datatype="INT32", shape=[1, 2])
    if raw:
        request.raw_input_contents.append((1).to_bytes(4, "little") + (2).to_bytes(4, "little"))
    else:
        tensor.contents.int_contents.extend([1, 2])
    answer = stub.ModelInfer(request)
    assert answer.id == "r1"
    if raw:
        assert answer.raw_output_contents[0] == request.raw_input_contents[0]
    else:
        assert list(answer.outputs[0].contents.int_contents) == [1, 2]
