"""Asks a Sextant cluster over gRPC, knowing nothing of it but proto/; needs grpcio, grpcio-tools.

The stubs are made from the .proto files when the object is, into a temporary folder.
"""

import concurrent.futures
import importlib
import pathlib
import sys
import tempfile

import grpc
from grpc_tools import protoc

from questions import HeldOutQuestion

TIMEOUT_S = 120
PROTOS = pathlib.Path(__file__).resolve().parents[2] / "proto"


def inference_stubs():
    """The modules of sextant/v1/inference.proto: messages and service."""
    with tempfile.TemporaryDirectory(prefix="sextant-stubs-") as folder:
        files = sorted(str(file) for file in PROTOS.rglob("*.proto"))
        if protoc.main(["protoc", f"-I{PROTOS}", f"--python_out={folder}",
                        f"--grpc_python_out={folder}", *files]) != 0:
            raise RuntimeError(f"protoc could not make Python of the files in {PROTOS}")
        sys.path.insert(0, folder)
        try:
            return (importlib.import_module("sextant.v1.inference_pb2"),
                    importlib.import_module("sextant.v1.inference_pb2_grpc"))
        finally:
            sys.path.remove(folder)


class SextantService:
    """`target` as gRPC has it, such as 127.0.0.1:7070; an empty `model` is the only one served."""

    def __init__(self, target: str, model: str, at_once: int) -> None:
        self._messages, services = inference_stubs()
        self._target = target
        self._model = model
        self._at_once = at_once
        self._stub = services.InferenceStub(grpc.insecure_channel(target))

    def answers(self, questions: list[HeldOutQuestion], max_tokens: int) -> list[str]:
        with concurrent.futures.ThreadPoolExecutor(self._at_once) as pool:
            return list(pool.map(lambda q: self._answer(q, max_tokens), questions))

    def _answer(self, question: HeldOutQuestion, max_tokens: int) -> str:
        request = self._messages.ChatRequest(model=self._model)
        for message in question.messages:
            request.messages.add(role=message["role"], content=message["content"])
        request.params.max_tokens = max_tokens
        request.params.sampling.temperature = 0
        try:
            return "".join(piece.text for piece in self._stub.Chat(request, timeout=TIMEOUT_S))
        except grpc.RpcError as error:
            raise RuntimeError(
                f"{self._target} answered {error.code().name}: {error.details()}") from error
