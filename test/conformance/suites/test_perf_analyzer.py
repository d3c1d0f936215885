"""
perf_analyzer as it is distributed. It is a program, not a Python package that every machine has a wheel of: PERENNIAL_PERF_ANALYZER
names it, else it is looked for on the PATH.
"""

import os
import re
import shutil
import subprocess

import pytest
from gateway_under_test import GRPC, HTTP


@pytest.fixture(scope="module")
def program():
    named = os.environ.get("PERENNIAL_PERF_ANALYZER") or shutil.which("perf_analyzer")
    if named is None:
        pytest.skip(
            "there is no perf_analyzer on the PATH, and PERENNIAL_PERF_ANALYZER names none; its wheel (perf-analyzer 2.60.0) "
            f"wants glibc 2.38 or newer, this machine has {os.confstr('CS_GNU_LIBC_VERSION')}"
        )
    tried = subprocess.run([named, "--version"], capture_output=True, text=True)
    if tried.returncode == 127 or "error while loading shared libraries" in tried.stderr:
        pytest.skip(f"perf_analyzer does not start on this machine: {tried.stderr.strip()}")
    return named


QUICK = ["--measurement-interval", "500", "--stability-percentage", "999", "--max-trials", "3"]


def measure(program, *args):
    done = subprocess.run([program, *args, *QUICK], capture_output=True, text=True, timeout=120)
    told = done.stdout + done.stderr
    assert done.returncode == 0, told[-500:]
    figures = [float(figure) for figure in re.findall(r"throughput: ([\d.]+) infer/sec", told)]
    assert figures and min(figures) > 0, told[-1500:]
    return told


@pytest.mark.parametrize(("protocol", "address"), [("http", HTTP), ("grpc", GRPC)], ids=["http", "grpc"])
class TestTriton:
    def test_concurrency_range(self, program, protocol, address):
        told = measure(program, "-m", "simple", "-i", protocol, "-u", address, "--concurrency-range", "1:4:3", "--service-kind", "triton")
        # What the server says of itself is there only when config and statistics are understood.
        assert "Inference count" in told and "Execution count" in told

    def test_request_rate(self, program, protocol, address):
        measure(program, "-m", "simple", "-i", protocol, "-u", address, "--request-rate-range", "50", "--service-kind", "triton")

    def test_batches_and_shapes(self, program, protocol, address):
        measure(program, "-m", "simple_fp32", "-i", protocol, "-u", address, "-b", "8", "--concurrency-range", "2")

    def test_asynchronous(self, program, protocol, address):
        measure(program, "-m", "iris", "-i", protocol, "-u", address, "--async", "--concurrency-range", "4")

    def test_texts(self, program, protocol, address):
        measure(program, "-m", "simple_string", "-i", protocol, "-u", address, "--string-data", "7", "--concurrency-range", "1")


def test_stream(program):
    measure(program, "-m", "simple", "-i", "grpc", "-u", GRPC, "--async", "--streaming", "--concurrency-range", "2")


@pytest.mark.parametrize("packed", ["gzip", "deflate"])
def test_grpc_compression(program, packed):
    measure(program, "-m", "simple", "-i", "grpc", "-u", GRPC, "--grpc-compression-algorithm", packed, "--concurrency-range", "1")


def test_tensorflow_serving(program):
    """Its client for TensorFlow Serving speaks that server's own gRPC (tensorflow.serving.PredictionService) and nothing else."""
    pytest.skip("perf_analyzer asks TensorFlow Serving over tensorflow.serving.PredictionService (gRPC) only; the gateway has its REST form")
