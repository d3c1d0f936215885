"""Where the gateway is, and whether it lives."""

import os

import httpx

HTTP = os.environ["CONFORMANCE_HTTP"]
GRPC = os.environ["CONFORMANCE_GRPC"]
URL = f"http://{HTTP}"


def is_live():
    return httpx.get(f"{URL}/v2/health/live").status_code == 200
