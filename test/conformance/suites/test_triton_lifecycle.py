"""Ports of what applies of Triton's qa/L0_lifecycle/lifecycle_test.py (BSD-3): explicit control, by model and by version."""

import threading

import httpx
import numpy as np
import pytest
import tritonclient.grpc as grpc
import tritonclient.http as http
from gateway_under_test import GRPC, HTTP, URL
from tritonclient.utils import InferenceServerException

REPOSITORY = f"{URL}/v2/repository/models"
ROW = np.array([[1, 0, 0, 0]], dtype=np.float32)


@pytest.fixture
def client():
    client = http.InferenceServerClient(HTTP, concurrency=8)
    yield client
    client.close()


@pytest.fixture(autouse=True)
def version_3_is_not_left_behind():
    yield
    httpx.post(f"{REPOSITORY}/versioned/versions/3.0.0/unload", json={})
    httpx.post(f"{REPOSITORY}/versioned/load", json={}, timeout=60)


def ask(client, version=""):
    tensor = http.InferInput("measures", ROW.shape, "FP32").set_data_from_numpy(ROW)
    return client.infer("versioned", [tensor], model_version=version).as_numpy("logits")[0, 0]


def load(version="", **body):
    path = f"/versions/{version}" if version else ""
    return httpx.post(f"{REPOSITORY}/versioned{path}/load", json=body, timeout=60)


def unload(version="", **parameters):
    path = f"/versions/{version}" if version else ""
    return httpx.post(f"{REPOSITORY}/versioned{path}/unload", json={"parameters": parameters}, timeout=60)


def test_dynamic_version_load_unload(client):
    """A registered version that no route names is loaded, asked by its name, and unloaded; the others go on."""
    assert not client.is_model_ready("versioned", "3.0.0")
    assert load("3.0.0").status_code == 200
    assert client.is_model_ready("versioned", "3.0.0")
    assert ask(client, "3.0.0") == pytest.approx(100) and ask(client) == pytest.approx(0)
    assert unload("3.0.0").status_code == 200
    assert not client.is_model_ready("versioned", "3.0.0")
    with pytest.raises(InferenceServerException, match="unknown model"):
        ask(client, "3.0.0")
    assert ask(client, "1.0.0") == pytest.approx(0)


def test_model_control_fail(client):
    with pytest.raises(InferenceServerException, match="failed to load"):
        client.load_model("unknown_model")
    assert load("77.0.0").status_code in (400, 404) and "failed to load" in load("77.0.0").json()["error"]
    assert ask(client) == pytest.approx(0)


def test_live_version_is_not_unloaded_by_mistake(client):
    """Otherwise than Triton: who unloads what callers are answered by must say so."""
    assert unload().status_code == 400
    assert ask(client) == pytest.approx(0)


def test_model_control_forced_unload_and_load(client):
    assert unload(force=True).status_code == 200
    assert not client.is_model_ready("versioned")
    with pytest.raises(InferenceServerException):
        ask(client)
    index = [entry for entry in client.get_model_repository_index() if entry["name"] == "versioned"]
    assert index[0]["state"] == "UNAVAILABLE" and index[0]["reason"]
    client.load_model("versioned")
    assert client.is_model_ready("versioned") and ask(client) == pytest.approx(0)


def test_grpc_load_and_unload():
    with grpc.InferenceServerClient(GRPC) as client:
        client.load_model("versioned")
        with pytest.raises(InferenceServerException) as refused:
            client.unload_model("versioned")
        assert refused.value.status() == "StatusCode.INVALID_ARGUMENT"
        assert client.is_model_ready("versioned")


def under_load(change):
    """Every answer while `change` goes on; they come from four connections."""
    stop, answers = threading.Event(), []

    def asking():
        with http.InferenceServerClient(HTTP) as client:
            while not stop.is_set():
                try:
                    answers.append(float(ask(client)))
                except Exception as error:
                    answers.append(error)

    threads = [threading.Thread(target=asking) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        change()
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    return answers


def test_model_availability_on_reload():
    """While the model is loaded again, nobody goes unanswered."""
    answers = under_load(lambda: [load() for _ in range(10)])
    assert len(answers) > 10 and set(answers) == {0.0}


def test_model_availability_on_reload_of_another_version():
    def change():
        for _ in range(5):
            assert load("3.0.0").status_code == 200
            assert unload("3.0.0").status_code == 200

    answers = under_load(change)
    assert len(answers) > 10 and set(answers) == {0.0}


def test_model_reload_fail():
    """What cannot be loaded leaves what serves as it is."""
    bad = {"parameters": {"config": "{}", "file:1/model.onnx": "YmFk"}}
    answers = under_load(lambda: [load("3.0.0", **bad) for _ in range(10)])
    assert set(answers) == {0.0}


def test_concurrent_same_model_load_unload_stress(client):
    def change():
        load("3.0.0")
        unload("3.0.0")

    threads = [threading.Thread(target=change) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ask(client) == pytest.approx(0)
    assert load("3.0.0").status_code == 200 and ask(client, "3.0.0") == pytest.approx(100)


def test_file_override_security():
    """A file with a path that leads out of its place, or a model that nobody signed, is refused."""
    for name in ("file:../../etc/model.onnx", "file:/tmp/model.onnx", "file:1/model.onnx"):
        refused = load("9.0.0", parameters={"config": "{}", name: "YQ=="})
        assert refused.status_code == 400 and "failed to load" in refused.json()["error"]


def test_config_override(client):
    """Otherwise than Triton: a version is what was signed, so no call changes its configuration."""
    with pytest.raises(InferenceServerException, match="failed to load"):
        client.load_model("simple", config='{"max_batch_size":"16"}')
    assert client.is_model_ready("simple")


def test_model_repository_index(client):
    index = client.get_model_repository_index()
    assert len(index) == len({(entry["name"], entry["version"]) for entry in index}) >= 13
