"""boto3's sagemaker-runtime client on a gateway with keys: its endpoint and its credentials changed and nothing else."""

import datetime
import json
import os

import boto3
import botocore.config
import httpx
import pytest
from botocore.exceptions import ClientError
from gateway_under_test import URL

ROW = json.dumps({"instances": [[1, 0, 0, 0]]})
PAIRS = json.loads(os.environ["CONFORMANCE_PAIRS"])


def client_of(id, secret, **more):
    config = botocore.config.Config(retries={"max_attempts": 1})
    given = {"aws_access_key_id": id, "aws_secret_access_key": secret} if id else {}
    return boto3.session.Session().client("sagemaker-runtime", config=config, **({"endpoint_url": URL} | given | more))


def pair(name):
    return PAIRS[name]["accessKeyId"], PAIRS[name]["secretAccessKey"]


def invoke(client, **more):
    answer = client.invoke_endpoint(**({"EndpointName": "iris", "Body": ROW, "ContentType": "application/json"} | more))
    return json.loads(answer["Body"].read())["predictions"][0]


def refused(client, **more):
    with pytest.raises(ClientError) as error:
        invoke(client, **more)
    return error.value.response["Error"]["Code"], error.value.response["ResponseMetadata"]["HTTPStatusCode"]


def test_nobody_is_answered_without_a_signature():
    assert httpx.post(f"{URL}/endpoints/iris/invocations", content=ROW).status_code == 401


def test_credentials_of_the_environment():
    assert os.environ["AWS_ACCESS_KEY_ID"] == pair("good")[0]
    assert invoke(client_of(None, None)) == pytest.approx([0, 0.1, 0.2])


def test_credentials_and_endpoint_of_a_profile(tmp_path, monkeypatch):
    """Not a word of ours in the program: the shared files name key and endpoint."""
    id, secret = pair("good")
    (tmp_path / "credentials").write_text(f"[jobs]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n")
    (tmp_path / "config").write_text(
        f"[profile jobs]\nregion = eu-central-1\nservices = ours\n[services ours]\nsagemaker_runtime =\n  endpoint_url = {URL}\n"
    )
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name)
    client = boto3.session.Session(profile_name="jobs").client("sagemaker-runtime")
    assert client.meta.endpoint_url == URL
    assert invoke(client) == pytest.approx([0, 0.1, 0.2])


def test_headers_large_bodies_and_streams():
    client = client_of(*pair("good"))
    assert invoke(client, TargetVariant="champion", CustomAttributes="trace=1  of   2", InferenceId="signed-1")
    rows = json.dumps({"instances": [[n, 0, 0, 0] for n in range(20_000)]})
    answer = client.invoke_endpoint(EndpointName="iris", Body=rows, ContentType="application/json")
    assert len(json.loads(answer["Body"].read())["predictions"]) == 20_000
    answer = client.invoke_endpoint_with_response_stream(EndpointName="iris", Body=ROW, ContentType="application/json")
    assert b"".join(event["PayloadPart"]["Bytes"] for event in answer["Body"])


def test_wrong_secret():
    id, _ = pair("good")
    assert refused(client_of(id, pair("other")[1])) == ("InvalidSignatureException", 403)


def test_unknown_access_key_id():
    assert refused(client_of("AKIDEXAMPLE", pair("good")[1])) == ("UnrecognizedClientException", 403)


def test_revoked_key():
    assert refused(client_of(*pair("revoked"))) == ("UnrecognizedClientException", 403)


def test_key_for_another_model():
    assert refused(client_of(*pair("other"))) == ("AccessDeniedException", 403)


@pytest.mark.parametrize("header", [None, "X-Amzn-SageMaker-Target-Variant", "Content-Type"])
def test_changed_on_the_way(header):
    def change(request, **_):
        if header is None:
            request.body = request.body.replace(b"1", b"2")
        else:
            request.headers[header] = "1.0.0" if "Variant" in header else "application/x-npy"

    client = client_of(*pair("good"))
    client.meta.events.register("before-send.sagemaker-runtime.InvokeEndpoint", change)
    assert refused(client) == ("InvalidSignatureException", 403)


@pytest.mark.parametrize("minutes", [-6, 6])
def test_stale_date(monkeypatch, minutes):
    shifted = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None) + datetime.timedelta(minutes=minutes)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda *_, **__: shifted)
    assert refused(client_of(*pair("good"))) == ("InvalidSignatureException", 403)
