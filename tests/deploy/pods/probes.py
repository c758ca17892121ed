"""The probes of containers: what they ask, and when enough answers make up a kubelet's mind."""

import socket
import time

import grpc

HEALTH = "/grpc.health.v1.Health/Check"
SERVING = b"\x08\x01"  # HealthCheckResponse (grpc/health/v1/health.proto)


def asks_grpc(address, port, service, timeout):
    request = b"\x0a" + bytes([len(service)]) + service.encode() if service else b""
    options = [("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(f"{address}:{port}", options) as channel:
        try:
            return channel.unary_unary(HEALTH)(request, timeout=timeout) == SERVING
        except grpc.RpcError:
            return False


def asks_tcp(address, port, timeout):
    try:
        socket.create_connection((address, port), timeout).close()
        return True
    except OSError:
        return False


class Probe:
    """One probe of one container. `Passed` and `failed` are what the kubelet makes of its answers."""

    def __init__(self, spec, container):
        self._spec = spec
        self._container = container
        self._next = time.monotonic() + spec.get("initialDelaySeconds", 0)
        self._successes = 0
        self._failures = 0
        self.passed = False
        self.failed = False

    def poll(self):
        """Asks if it is time to."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + self._spec.get("periodSeconds", 10)
        if self._ask():
            self._successes, self._failures = self._successes + 1, 0
            if self._successes >= self._spec.get("successThreshold", 1):
                self.passed, self.failed = True, False
        else:
            self._successes, self._failures = 0, self._failures + 1
            if self._failures >= self._spec.get("failureThreshold", 3):
                self.passed, self.failed = False, True

    def _ask(self):
        timeout = self._spec.get("timeoutSeconds", 1)
        address = self._container.address
        if "grpc" in self._spec:
            asked = self._spec["grpc"]
            return asks_grpc(address, asked["port"], asked.get("service", ""), timeout)
        if "tcpSocket" in self._spec:
            return asks_tcp(address, self._container.port(self._spec["tcpSocket"]["port"]), timeout)
        if "exec" in self._spec:
            return self._container.execute(self._spec["exec"]["command"], timeout) == 0
        raise ValueError(f"a probe of an unknown kind: {self._spec}")
