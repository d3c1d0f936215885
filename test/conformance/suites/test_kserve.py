"""KServe's clients as installed, and ports of its python/kserve/test/test_inference_client.py (Apache-2.0)."""

import asyncio

import grpc
import httpx
import numpy as np
import pytest
from gateway_under_test import GRPC, URL
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest
from kserve.inference_client import RESTConfig
from kserve.protocol.infer_type import RequestedOutput

ROWS = [[1, 2], [3, 4]]
ID = "2ja0ls9j1309"


def with_rest(protocol, ask):
    async def run():
        async with InferenceRESTClient(RESTConfig(protocol=protocol)) as client:
            return await ask(client)

    return asyncio.run(run())


def with_grpc(ask):
    async def run():
        async with InferenceGRPCClient(GRPC) as client:
            return await ask(client)

    return asyncio.run(run())


def request(model="dummy", rows=ROWS, **more):
    given = InferInput(name="input-0", datatype="INT32", shape=[2, 2], data=rows, parameters={"test-param": "abc"})
    return InferRequest(model_name=model, request_id=ID, infer_inputs=[given], **({"parameters": {"test-param": "abc"}} | more))


def test_is_server_ready():
    assert with_rest("v2", lambda client: client.is_server_ready(URL, headers={"Host": "localhost"}, timeout=5)) is True


@pytest.mark.parametrize("protocol", ["v1", "v2"])
def test_is_server_live(protocol):
    assert with_rest(protocol, lambda client: client.is_server_live(URL, timeout=5)) is True


@pytest.mark.parametrize("protocol", ["v1", "v2"])
def test_is_model_ready(protocol):
    assert with_rest(protocol, lambda client: client.is_model_ready(URL, "dummy", timeout=5)) is True
    if protocol == "v2":
        assert with_rest(protocol, lambda client: client.is_model_ready(URL, "NotReadyModel", timeout=5)) is False
        return
    # TensorFlow Serving's status of a model that is not there is 404, which this client raises.
    with pytest.raises(httpx.HTTPStatusError, match="404"):
        with_rest(protocol, lambda client: client.is_model_ready(URL, "NotReadyModel", timeout=5))


@pytest.mark.parametrize("body", [{"instances": [[1, 2]]}, {"inputs": [[1, 2]]}], ids=["instances", "inputs"])
def test_infer_v1(body):
    answer = with_rest("v1", lambda client: client.infer(URL, data=body, model_name="dummy", timeout=5))
    assert answer.get("predictions", answer.get("outputs")) == [[1, 2]]


def test_infer_v2_from_a_dict():
    body = {"id": ID, "parameters": {"test-param": "abc"}, "inputs": [{"name": "input-0", "datatype": "INT32", "shape": [2, 2], "data": ROWS}]}
    answer = with_rest("v2", lambda client: client.infer(URL, data=body, model_name="dummy", timeout=5))
    assert (answer.outputs[0].data, answer.id) == ([1, 2, 3, 4], ID)


def test_infer_v2_from_a_request():
    answer = with_rest("v2", lambda client: client.infer(URL, data=request(), model_name="dummy", timeout=5))
    assert (answer.outputs[0].data, answer.id) == ([1, 2, 3, 4], ID)


def fp16():
    tensor = InferInput(name="fp16_data", datatype="FP16", shape=[2, 2], parameters={"test-param": "abc"})
    tensor.set_data_from_numpy(np.array([[1.1, 2.22], [3.345, 4.34343]], dtype=np.float16), binary_data=True)
    return tensor


def test_infer_with_all_binary_data():
    asked = request("dummy_fp16", parameters={"test-param": "abc", "binary_data_output": True})
    asked.inputs.append(fp16())
    answer = with_rest("v2", lambda client: client.infer(URL, data=asked, model_name="dummy_fp16", timeout=5))
    outputs = {output.name: output for output in answer.outputs}
    assert np.array(outputs["output-0"].as_numpy()).flatten().tolist() == [1, 2, 3, 4] and answer.id == ID
    assert outputs["fp16_out"].as_numpy().dtype == np.float16


def test_infer_with_binary_data():
    asked = request("dummy_fp16", request_outputs=[RequestedOutput(name="output-0", parameters={"binary_data": True})])
    asked.inputs.append(fp16())
    answer = with_rest("v2", lambda client: client.infer(URL, data=asked, model_name="dummy_fp16", timeout=5))
    assert answer.outputs[0].as_numpy().flatten().tolist() == [1, 2, 3, 4] and answer.id == ID


def test_infer_graph_endpoint():
    asked = {"inputs": [{"name": "input-0", "datatype": "INT32", "shape": [1, 2], "data": [7, 8]}]}
    url = f"{URL}/v2/models/dummy/infer"
    answer = with_rest("v2", lambda client: client.infer(url, data=asked, is_graph_endpoint=True, timeout=5))
    assert answer["outputs"][0]["data"] == [7, 8]


def test_errors_are_raised():
    with pytest.raises(httpx.HTTPStatusError) as refused:
        with_rest("v2", lambda client: client.infer(URL, data=request(), model_name="my-model", timeout=5))
    assert refused.value.response.status_code == 404


def test_grpc_health():
    assert with_grpc(lambda client: client.is_server_live()) is True
    assert with_grpc(lambda client: client.is_server_ready()) is True
    assert with_grpc(lambda client: client.is_model_ready("dummy")) is True
    assert with_grpc(lambda client: client.is_model_ready("NotReadyModel")) is False


def test_grpc_infer():
    answer = with_grpc(lambda client: client.infer(request(rows=[1, 2, 3, 4]), timeout=5))
    assert (list(answer.outputs[0].data), answer.id) == ([1, 2, 3, 4], ID)


def test_grpc_infer_raw():
    asked = request("dummy_fp16")
    asked.inputs[0].set_data_from_numpy(np.array(ROWS, dtype=np.int32), binary_data=True)
    asked.inputs.append(fp16())
    answer = with_grpc(lambda client: client.infer(asked, timeout=5))
    outputs = {output.name: output.as_numpy() for output in answer.outputs}
    assert outputs["output-0"].tolist() == ROWS
    assert outputs["fp16_out"].dtype == np.float16


def test_grpc_errors_are_raised():
    with pytest.raises(grpc.RpcError) as refused:
        with_grpc(lambda client: client.infer(request("my-model", rows=[1, 2, 3, 4]), timeout=5))
    assert refused.value.code() == grpc.StatusCode.NOT_FOUND
