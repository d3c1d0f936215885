"""Where the gateway is, and requests that more than one suite sends."""

import os

import httpx
import numpy as np

HTTP = os.environ["CONFORMANCE_HTTP"]
GRPC = os.environ["CONFORMANCE_GRPC"]
URL = f"http://{HTTP}"

COUNTS = np.arange(16, dtype=np.int32).reshape(1, 16)
ONES = np.ones((1, 16), dtype=np.int32)


def is_live():
    return httpx.get(f"{URL}/v2/health/live").status_code == 200


def texts(numbers):
    """Numbers as BYTES, as Triton's string examples have them."""
    return np.array([str(n).encode() for n in numbers.flatten()], dtype=np.object_).reshape(numbers.shape)
