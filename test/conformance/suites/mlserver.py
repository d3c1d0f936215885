"""MLServer 1.7's own types read the gateway's answers, and its gRPC stubs ask. Ports of its tests/rest/test_endpoints.py and
tests/grpc/test_servicers.py (Apache-2.0). Runs in the rivals' environment, which has no pytest."""

import json
import os
import sys
import traceback
import urllib.error
import urllib.request

# This file must not be taken for the package.
sys.path.pop(0)

import grpc  # noqa: E402
from mlserver import types  # noqa: E402
from mlserver.codecs import NumpyCodec, StringCodec  # noqa: E402
from mlserver.grpc import converters, dataplane_pb2, dataplane_pb2_grpc  # noqa: E402

URL = f"http://{os.environ['CONFORMANCE_HTTP']}"
CASES = []


def case(run):
    CASES.append(run)
    return run


def ask(path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(URL + path, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def plain(value):
    """Enumerations are kept as their values by some versions."""
    return getattr(value, "value", value)


def sum_request():
    tensor = types.RequestInput(name="input-0", datatype="INT32", shape=[1, 3], data=types.TensorData([1, 2, 3]))
    return types.InferenceRequest(id="r1", inputs=[tensor])


@case
def rest_test_live_ready_model_ready():
    for path in ["/v2/health/live", "/v2/health/ready", "/v2/models/sum-model/versions/1.2.3/ready"]:
        assert ask(path)[0] == 200


@case
def rest_test_metadata():
    assert types.MetadataServerResponse.model_validate_json(ask("/v2")[1]).name == "perennial"


@case
def rest_test_model_metadata():
    metadata = types.MetadataModelResponse.model_validate_json(ask("/v2/models/sum-model")[1])
    assert (metadata.name, metadata.versions) == ("sum-model", ["1.2.3"])
    assert plain(metadata.inputs[0].datatype) == "INT32"


@case
def rest_test_infer():
    for path in ["/v2/models/sum-model/infer", "/v2/models/sum-model/versions/1.2.3/infer"]:
        status, body = ask(path, sum_request().model_dump(mode="json", exclude_none=True))
        answer = types.InferenceResponse.model_validate_json(body)
        assert status == 200 and answer.outputs[0].data.root == [6]


@case
def rest_test_infer_with_nulls():
    """MLServer's own test sends every unset field as null."""
    status, body = ask("/v2/models/sum-model/infer", sum_request().model_dump(mode="json"))
    assert status == 200, body
    assert types.InferenceResponse.model_validate_json(body).outputs[0].data.root == [6]


@case
def rest_test_infer_error():
    status, body = ask("/v2/models/my-model/versions/v0/infer", sum_request().model_dump(mode="json", exclude_none=True))
    assert status == 404 and "my-model" in types.InferenceErrorResponse.model_validate_json(body).error


@case
def rest_test_infer_invalid_datatype_error():
    """A client error; MLServer says 422, the protocol and Triton 400."""
    body = sum_request().model_dump(mode="json", exclude_none=True)
    body["inputs"][0]["datatype"] = "INT322"
    status, answer = ask("/v2/models/sum-model/infer", body)
    assert status == 400 and "INT322" in types.InferenceErrorResponse.model_validate_json(answer).error


@case
def rest_test_model_repository_index_and_load():
    status, body = ask("/v2/repository/index", types.RepositoryIndexRequest(ready=True).model_dump(exclude_none=True))
    index = types.RepositoryIndexResponse.model_validate_json(body)
    assert status == 200 and any(item.name == "sum-model" and plain(item.state) == "READY" for item in index.root)
    assert ask("/v2/repository/models/sum-model/load", {})[0] == 200
    assert ask("/v2/repository/models/my-model/load", {})[0] == 404


@case
def codecs_read_the_answers():
    import numpy as np

    status, body = ask("/v2/models/sum-model/infer", sum_request().model_dump(mode="json", exclude_none=True))
    assert NumpyCodec.decode_output(types.InferenceResponse.model_validate_json(body).outputs[0]).tolist() == [[6]]
    text = StringCodec.encode_input("INPUT0", ["ünï", "b"])
    body = types.InferenceRequest(inputs=[text]).model_dump(mode="json", exclude_none=True)
    answer = types.InferenceResponse.model_validate_json(ask("/v2/models/simple_identity/infer", body)[1])
    assert StringCodec.decode_output(answer.outputs[0]) == ["ünï", "b"]
    assert np is not None


def grpc_request(raw=False):
    request = dataplane_pb2.ModelInferRequest(model_name="sum-model", model_version="1.2.3", id="r1")
    tensor = request.inputs.add(name="input-0", datatype="INT32", shape=[1, 3])
    if raw:
        request.raw_input_contents.append(b"".join(n.to_bytes(4, "little") for n in (1, 2, 3)))
    else:
        tensor.contents.int_contents.extend([1, 2, 3])
    return request


def stub():
    return dataplane_pb2_grpc.GRPCInferenceServiceStub(grpc.insecure_channel(os.environ["CONFORMANCE_GRPC"]))


@case
def grpc_test_server_live_ready_model_ready():
    assert stub().ServerLive(dataplane_pb2.ServerLiveRequest()).live
    assert stub().ServerReady(dataplane_pb2.ServerReadyRequest()).ready
    assert stub().ModelReady(dataplane_pb2.ModelReadyRequest(name="sum-model", version="1.2.3")).ready


@case
def grpc_test_metadata():
    assert stub().ServerMetadata(dataplane_pb2.ServerMetadataRequest()).name == "perennial"
    metadata = stub().ModelMetadata(dataplane_pb2.ModelMetadataRequest(name="sum-model", version="1.2.3"))
    assert (metadata.name, list(metadata.versions)) == ("sum-model", ["1.2.3"])


@case
def grpc_test_model_infer():
    answer = stub().ModelInfer(grpc_request())
    assert answer.outputs[0].contents == dataplane_pb2.InferTensorContents(int64_contents=[6])
    assert converters.ModelInferResponseConverter.to_types(answer).outputs[0].data.root == [6]


@case
def grpc_test_model_infer_raw_contents():
    answer = stub().ModelInfer(grpc_request(raw=True))
    assert answer.raw_output_contents[0] == (6).to_bytes(8, "little")


@case
def grpc_test_model_infer_error():
    request = grpc_request()
    request.model_name = "my-model"
    try:
        stub().ModelInfer(request)
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.NOT_FOUND and "my-model" in error.details()
    else:
        raise AssertionError("it was answered")


@case
def grpc_test_model_stream_infer():
    answers = list(stub().ModelStreamInfer(iter([grpc_request(), grpc_request()])))
    assert len(answers) == 2


@case
def grpc_test_model_repository():
    assert any(model.name == "sum-model" for model in stub().RepositoryIndex(dataplane_pb2.RepositoryIndexRequest()).models)
    stub().RepositoryModelLoad(dataplane_pb2.RepositoryModelLoadRequest(model_name="sum-model"))
    try:
        stub().RepositoryModelLoad(dataplane_pb2.RepositoryModelLoadRequest(model_name="my-model"))
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.NOT_FOUND
    else:
        raise AssertionError("it was loaded")


with os.fdopen(3, "w", buffering=1) as out:
    for run in CASES:
        found = {"name": run.__name__, "outcome": "passed"}
        try:
            run()
        except Exception as error:
            line = traceback.extract_tb(error.__traceback__)[-1]
            found |= {"outcome": "failed", "reason": f"{type(error).__name__}: {error} ({line.line})"[:600]}
        out.write(json.dumps(found) + "\n")
