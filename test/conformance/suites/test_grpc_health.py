"""grpcio-health-checking's stub against the gateway's health service."""

import grpc
import pytest
from gateway_under_test import GRPC
from grpc_health.v1 import health_pb2, health_pb2_grpc

SERVING = health_pb2.HealthCheckResponse.SERVING


@pytest.fixture
def stub():
    with grpc.insecure_channel(GRPC) as channel:
        yield health_pb2_grpc.HealthStub(channel)


@pytest.mark.parametrize("service", ["", "inference.GRPCInferenceService"])
def test_check(stub, service):
    assert stub.Check(health_pb2.HealthCheckRequest(service=service)).status == SERVING


def test_check_of_an_unknown_service(stub):
    with pytest.raises(grpc.RpcError) as refused:
        stub.Check(health_pb2.HealthCheckRequest(service="nobody"))
    assert refused.value.code() == grpc.StatusCode.NOT_FOUND


def test_watch(stub):
    watched = stub.Watch(health_pb2.HealthCheckRequest(service=""))
    assert next(watched).status == SERVING
    watched.cancel()


def test_list(stub):
    if not hasattr(stub, "List"):
        pytest.skip("this grpcio-health-checking has no List yet")
    assert "inference.GRPCInferenceService" in stub.List(health_pb2.HealthListRequest()).statuses
