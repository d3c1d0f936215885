"""boto3's sagemaker-runtime client, its endpoint_url changed and nothing else."""

import json
import os
import pathlib
import time
import uuid

import boto3
import botocore.config
import httpx
import pytest
from botocore.exceptions import ClientError
from gateway_under_test import URL

ROW = json.dumps({"instances": [[1, 0, 0, 0]]})


@pytest.fixture(scope="module")
def client():
    return boto3.client("sagemaker-runtime", endpoint_url=URL, config=botocore.config.Config(retries={"max_attempts": 1}))


def invoke(client, body=ROW, endpoint="iris", **more):
    return client.invoke_endpoint(EndpointName=endpoint, Body=body, **({"ContentType": "application/json"} | more))


def test_invoke_endpoint_json(client):
    answer = invoke(client, CustomAttributes="trace=7", InferenceId="call-1")
    assert json.loads(answer["Body"].read())["predictions"][0] == pytest.approx([0, 0.1, 0.2])
    assert answer["InvokedProductionVariant"] == "champion"
    assert answer["CustomAttributes"] == "trace=7"
    assert answer["ContentType"].startswith("application/json")
    assert answer["ResponseMetadata"]["RequestId"]


def test_invoke_endpoint_csv(client):
    answer = invoke(client, "1,0,0,0\n0,1,0,0\n", ContentType="text/csv", Accept="text/csv")
    assert [float(cell) for cell in answer["Body"].read().decode().split("\n")[1].split(",")] == pytest.approx([0.3, 0.4, 0.5])


def test_invoke_endpoint_oip(client):
    body = json.dumps({"inputs": [{"name": "measures", "datatype": "FP32", "shape": [1, 4], "data": [1, 0, 0, 0]}]})
    assert json.loads(invoke(client, body)["Body"].read())["outputs"][0]["name"] == "logits"


def test_target_variant_is_a_part_or_a_version(client):
    assert invoke(client, endpoint="versioned", TargetVariant="champion")["InvokedProductionVariant"] == "champion"
    assert invoke(client, endpoint="versioned", TargetVariant="1.0.0")["InvokedProductionVariant"] == "champion"
    with pytest.raises(ClientError) as refused:
        invoke(client, endpoint="versioned", TargetVariant="nobody")
    assert refused.value.response["Error"]["Code"] == "ValidationError"


def test_target_model_of_a_multi_model_endpoint(client):
    answer = invoke(client, endpoint="multi-model", TargetModel="iris.tar.gz")
    assert len(json.loads(answer["Body"].read())["predictions"]) == 1


def test_session(client):
    answer = invoke(client, SessionId="NEW_SESSION")
    session = answer["NewSessionId"].split(";")[0]
    assert invoke(client, SessionId=session)["ResponseMetadata"]["HTTPStatusCode"] == 200


@pytest.mark.parametrize(
    "call",
    [{"body": "{"}, {"body": '{"instances":[[1]]}'}, {"endpoint": "nobody"}, {"ContentType": "image/png"}],
    ids=["broken JSON", "wrong shape", "unknown endpoint", "unknown content type"],
)
def test_validation_error(client, call):
    with pytest.raises(client.exceptions.ClientError) as refused:
        invoke(client, **call)
    assert refused.value.response["Error"]["Code"] == "ValidationError"
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert refused.value.response["Error"]["Message"]


def test_model_error_is_424(client):
    with pytest.raises(client.exceptions.ModelError) as failed:
        invoke(client, json.dumps({"instances": [[500, 0]]}), "failing")
    answer = failed.value.response
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert answer["OriginalStatusCode"] == 500
    assert answer["OriginalMessage"]


def test_service_unavailable_is_503(client):
    """A model whose versions an administrator has unloaded."""
    repository = f"{URL}/v2/repository/models/versioned"
    assert httpx.post(f"{repository}/unload", json={"parameters": {"force": True}}).status_code == 200
    try:
        with pytest.raises(client.exceptions.ClientError) as refused:
            invoke(client, endpoint="versioned")
        assert refused.value.response["Error"]["Code"] == "ServiceUnavailable"
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    finally:
        assert httpx.post(f"{repository}/load", json={}, timeout=60).status_code == 200
    assert invoke(client, endpoint="versioned")["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_invoke_endpoint_async(client):
    folder = pathlib.Path(os.environ["CONFORMANCE_ASYNC"]) / "inputs"
    folder.mkdir(parents=True, exist_ok=True)
    given = folder / f"{uuid.uuid4()}.json"
    given.write_text(ROW)
    answer = client.invoke_endpoint_async(EndpointName="iris", InputLocation=given.as_uri(), ContentType="application/json")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 202 and answer["InferenceId"]
    result = _await(answer["OutputLocation"])
    assert json.loads(result)["predictions"][0] == pytest.approx([0, 0.1, 0.2])


def test_invoke_endpoint_async_failure_goes_to_its_place(client):
    folder = pathlib.Path(os.environ["CONFORMANCE_ASYNC"]) / "inputs"
    given = folder / f"{uuid.uuid4()}.json"
    given.write_text('{"instances":[[1]]}')
    answer = client.invoke_endpoint_async(EndpointName="iris", InputLocation=given.as_uri(), ContentType="application/json")
    assert "Message" in json.loads(_await(answer["FailureLocation"]))


def _await(location):
    path = pathlib.Path(location.removeprefix("file://"))
    for _ in range(600):
        if path.exists():
            return path.read_text()
        time.sleep(0.05)
    raise AssertionError(f"nothing came to {location}")


def test_response_stream(client):
    rows = json.dumps({"instances": [[n, 0, 0, 0] for n in range(20)]})
    answer = client.invoke_endpoint_with_response_stream(EndpointName="iris", Body=rows, ContentType="application/json")
    text = b"".join(event["PayloadPart"]["Bytes"] for event in answer["Body"]).decode()
    assert answer["InvokedProductionVariant"] == "champion"
    assert len(text.splitlines()) == 20 and json.loads(text.splitlines()[19]) == pytest.approx([0, 1.9, 3.8])
