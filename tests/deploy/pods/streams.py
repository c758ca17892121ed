"""Clients that stream answers all the time, as an application does that knows gRPC: what is refused
before the first piece, because a router goes or is not there, is asked again. Every answer is held to what the same request
got when nothing happened."""

import json
import threading
import time

import grpc
from sextant.v1 import inference_pb2, inference_pb2_grpc

QUESTIONS = ("What is the capital of France?", "What is seven times eight?",
             "Which day comes after Monday?", "Tell me a story.")
TOKENS = 48
LONGEST = 120  # seconds that an answer may take, restarts of everything included
RETRIES = json.dumps({"methodConfig": [{
    "name": [{"service": "sextant.v1.Inference"}],
    "waitForReady": True,
    "retryPolicy": {"maxAttempts": 5, "initialBackoff": "1s", "maxBackoff": "10s",
                    "backoffMultiplier": 2, "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"]},
}]})


def ask(stub, question):
    """The ids of the answer, the time until its first piece, and the longest pause after that."""
    request = inference_pb2.ChatRequest(
        messages=[inference_pb2.ChatMessage(role="user", content=question)])
    request.params.max_tokens = TOKENS
    request.params.ignore_eos = True
    request.params.sampling.temperature = 1
    request.params.sampling.seed = 7
    ids, first, pause, last = [], None, 0, time.monotonic()
    for piece in stub.Chat(request, timeout=LONGEST):
        now = time.monotonic()
        if first is None:
            first = now - last
        else:
            pause = max(pause, now - last)
        last = now
        ids += piece.token_ids
    return ids, first, pause


class Streams:
    """Runs from the constructor to `stop`."""

    def __init__(self, target, clients=4):
        self._target = target
        self._over = threading.Event()
        self._lock = threading.Lock()
        self.answers = 0
        self.longest_wait = 0  # for a first piece
        self.longest_pause = 0  # after that
        self.failures = []
        with self._channel() as channel:
            stub = inference_pb2_grpc.InferenceStub(channel)
            self._expected = {question: ask(stub, question)[0] for question in QUESTIONS}
        self._threads = [threading.Thread(target=self._stream, args=(number,))
                         for number in range(clients)]
        for thread in self._threads:
            thread.start()

    def _channel(self):
        return grpc.insecure_channel(self._target, [
            ("grpc.service_config", RETRIES), ("grpc.enable_http_proxy", 0),
            ("grpc.use_local_subchannel_pool", 1), ("grpc.max_reconnect_backoff_ms", 2000)])

    def _stream(self, number):
        with self._channel() as channel:
            stub = inference_pb2_grpc.InferenceStub(channel)
            while not self._over.is_set():
                question = QUESTIONS[(self.answers + number) % len(QUESTIONS)]
                self._ask_once(stub, question)

    def _ask_once(self, stub, question):
        began = time.strftime("%H:%M:%S")
        try:
            ids, first, pause = ask(stub, question)
            problem = None if ids == self._expected[question] else f"got other tokens: {ids}"
        except grpc.RpcError as error:
            problem, first, pause = f"{error.code().name}: {error.details()}", 0, 0
        with self._lock:
            self.answers += 1
            self.longest_wait = max(self.longest_wait, first)
            self.longest_pause = max(self.longest_pause, pause)
            if problem is not None:
                self.failures.append(f"{question} (asked at {began}): {problem}")
        if problem is not None:
            self._over.wait(0.5)

    def wait_for_more(self, count=1):
        """Until so many more answers have ended."""
        wanted = self.answers + count
        while self.answers < wanted and not self._over.is_set():
            time.sleep(0.05)

    def stop(self):
        self._over.set()
        for thread in self._threads:
            thread.join()
