"""Requests that more than one suite sends, and where to."""

import numpy as np
from gateway_address import GRPC, HTTP, URL, is_live  # noqa: F401

COUNTS = np.arange(16, dtype=np.int32).reshape(1, 16)
ONES = np.ones((1, 16), dtype=np.int32)


def texts(numbers):
    """Numbers as BYTES, as Triton's string examples have them."""
    return np.array([str(n).encode() for n in numbers.flatten()], dtype=np.object_).reshape(numbers.shape)
