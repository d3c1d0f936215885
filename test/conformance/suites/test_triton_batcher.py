"""
Ports of what applies of Triton's qa/L0_batcher/batcher_test.py (BSD-3). The gateway has no preferred sizes and no delay: what
waits while a run is under way runs together, up to 256 rows. Executions are counted by the statistics, as Triton's tests do.
"""

import numpy as np
import pytest
import tritonclient.http as http
from gateway_under_test import HTTP
from tritonclient.utils import InferenceServerException


@pytest.fixture
def client():
    client = http.InferenceServerClient(HTTP, concurrency=64)
    yield client
    client.close()


def given(rows, seed=0):
    return np.random.default_rng(seed).random((rows, 2), dtype=np.float32)


def inputs(array):
    return [http.InferInput("features", array.shape, "FP32").set_data_from_numpy(array)]


def counts(client, model="slow"):
    stats = client.get_inference_statistics(model)["model_stats"][0]
    sizes = {int(entry["batch_size"]): int(entry["compute_infer"]["count"]) for entry in stats["batch_stats"]}
    return int(stats["inference_count"]), int(stats["execution_count"]), sizes


def together(client, arrays, model="slow"):
    pending = [client.async_infer(model, inputs(array)) for array in arrays]
    return [answer.get_result().as_numpy("prediction") for answer in pending]


def test_static_batch(client):
    """One request of several rows is one execution and several inferences."""
    before = counts(client)
    assert client.infer("slow", inputs(given(6))).as_numpy("prediction").shape == (6, 1)
    after = counts(client)
    assert (after[0] - before[0], after[1] - before[1]) == (6, 1)


def test_multi_batch_use_max_batch(client):
    """Requests that come while a run is under way share the next runs."""
    for _ in range(5):
        before = counts(client)
        together(client, [given(1, seed) for seed in range(40)])
        after = counts(client)
        assert after[0] - before[0] == 40
        # A machine under load may send them one by one.
        if after[1] - before[1] < 40:
            return
    raise AssertionError(f"in five rounds of 40 requests each had a run of its own: {before}, {after}")


def test_multi_batch_gt_max(client):
    """No run has more rows than fit into one."""
    together(client, [given(100, seed) for seed in range(8)])
    assert max(counts(client)[2]) <= 256


def test_multi_same_output_each_its_own_rows(client):
    alone = [client.infer("slow", inputs(given(rows, rows))).as_numpy("prediction") for rows in range(1, 9)]
    for answer, expected in zip(together(client, [given(rows, rows) for rows in range(1, 9)]), alone):
        np.testing.assert_allclose(answer, expected, rtol=1e-4)


def test_multi_batch_different_shape(client):
    """A request whose shape is wrong is refused by itself; those beside it are answered."""
    wrong = client.async_infer("slow", [http.InferInput("features", [1, 3], "FP32").set_data_from_numpy(np.zeros((1, 3), np.float32))])
    good = together(client, [given(1, seed) for seed in range(4)])
    with pytest.raises(Exception, match="features"):
        wrong.get_result()
    assert len(good) == 4


def test_multi_different_outputs(client):
    """Callers of one run may ask for different outputs."""
    array = np.arange(16, dtype=np.int32).reshape(1, 16)
    pair = [http.InferInput(name, [1, 16], "INT32").set_data_from_numpy(array) for name in ("INPUT0", "INPUT1")]
    asked = [[http.InferRequestedOutput("OUTPUT0")], [http.InferRequestedOutput("OUTPUT1")], None]
    answers = [pending.get_result() for pending in [client.async_infer("simple", pair, outputs=outputs) for outputs in asked * 5]]
    for answer, outputs in zip(answers, asked * 5):
        names = {output["name"] for output in answer.get_response()["outputs"]}
        assert names == ({outputs[0].name()} if outputs else {"OUTPUT0", "OUTPUT1"})


def test_a_failing_row_fails_alone(client):
    """A row that the model fails on costs the others of its run nothing."""
    rows = [np.array([[n, 0]], dtype=np.float32) for n in (1, 500, 2)]
    pending = [client.async_infer("failing", inputs(row)) for row in rows * 5]
    found = []
    for answer in pending:
        try:
            found.append(float(answer.get_result().as_numpy("prediction").flatten()[0]))
        except Exception:
            found.append(None)
    assert found == [2001.0, None, 2002.0] * 5


def test_no_delay_for_one_request(client):
    """Nothing waits for company: each of ten requests one after the other is an execution."""
    before = counts(client)
    for seed in range(10):
        client.infer("slow", inputs(given(1, seed)))
    assert counts(client)[1] - before[1] == 10


def test_queue_timeout(client):
    """qa/L0_batcher/queue_timeout_test.py: who waits longer than asked is refused and never run."""
    before = client.async_infer("slow", inputs(given(1)))
    hurried = [client.async_infer("slow", inputs(given(1)), timeout=1) for _ in range(20)]
    assert before.get_result().as_numpy("prediction").shape == (1, 1)
    late = []
    for pending in hurried:
        try:
            pending.get_result()
        except InferenceServerException as error:
            late.append(error.status())
    assert late and set(late) == {"504"}
