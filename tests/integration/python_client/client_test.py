"""A client of the public service that was made from the .proto files alone.

    client_test.py SEXTANT [UNITTEST ARGUMENT...]     (run.py starts it)
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import grpc
from sextant.v1 import error_details_pb2, inference_pb2, inference_pb2_grpc

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from cluster import Cluster  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[3]
GOLDEN = ROOT / "tests" / "golden"
DETAILS = {"BadRequest", "RetryInfo", "ErrorInfo", "RequestInfo"}
SEXTANT = ""


def make_text_model(folder):
    """A random model whose vocabulary is that of the golden tokenizer."""
    config = json.loads((GOLDEN / "model/lite/config.json").read_text(encoding="utf-8"))
    config.update(vocab_size=1300, bos_token_id=1200, eos_token_id=1201)
    shape = pathlib.Path(folder) / "shape.json"
    shape.write_text(json.dumps(config), encoding="utf-8")
    model = pathlib.Path(folder) / "text"
    subprocess.run([SEXTANT, "make-checkpoint", "--config", shape, "--seed", "1", "--out", model,
                    "--tokenizer", GOLDEN / "tokenizer"], check=True, capture_output=True)
    return model


def details_of(error):
    """The messages in an error's trailer, by name, as any gRPC error library reads them."""
    trailer = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin")
    if trailer is None:
        return {}
    status = error_details_pb2.RichStatus.FromString(trailer)
    assert status.code == error.code().value[0], status
    found = {}
    for detail in status.details:
        prefix, name = detail.type_url.rsplit(".", 1)
        assert prefix == "type.googleapis.com/google.rpc" and name in DETAILS, detail.type_url
        found[name] = getattr(error_details_pb2, name).FromString(detail.value)
    return found


class ClientTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="sextant-client-")
        cls.model = make_text_model(cls.folder.name)
        cls.cluster = Cluster(SEXTANT, cls.model, "--experts", 2,
                              yaml="router:\n  queue: 4\nattention_worker:\n  max_sequences: 2\n")
        cls.channel = grpc.insecure_channel(cls.cluster.target)
        cls.stub = inference_pb2_grpc.InferenceStub(cls.channel)

    @classmethod
    def tearDownClass(cls):
        cls.channel.close()
        status = cls.cluster.stop()
        cls.folder.cleanup()
        assert status == 0, f"sextant up ended with status {status}"

    def generate(self, text="six experts", timeout=30, **params):
        sampling = inference_pb2.GenerateRequest().params.sampling
        for name in ("temperature", "seed", "logprobs", "top_p"):
            if name in params:
                setattr(sampling, name, params.pop(name))
        request = inference_pb2.GenerateRequest(text=text)
        request.request_id = params.pop("request_id", "")
        request.params.sampling.CopyFrom(sampling)
        for name, value in params.items():
            if name == "stop":
                request.params.stop.extend(value)
            else:
                setattr(request.params, name, value)
        return self.stub.Generate(request, timeout=timeout)

    def fails(self, code, call):
        with self.assertRaises(grpc.RpcError) as caught:
            list(call()) if callable(call) else list(call)
        error = caught.exception
        self.assertEqual(error.code(), code, error.details())
        return error

    def test_models_are_listed_and_named(self):
        models = self.stub.ListModels(inference_pb2.ListModelsRequest(), timeout=10).models
        self.assertEqual(len(models), 1)
        model = self.stub.GetModel(inference_pb2.GetModelRequest(model=models[0].id), timeout=10)
        self.assertEqual(model, models[0])
        self.assertEqual(model.vocab_size, 1300)
        self.assertEqual(model.dtype, "bf16")
        self.assertTrue(model.numeric_profile.startswith("cpu-"))
        error = self.fails(grpc.StatusCode.NOT_FOUND, lambda: [self.stub.GetModel(
            inference_pb2.GetModelRequest(model="another"), timeout=10)])
        self.assertIn("another", error.details())

    def test_text_goes_to_ids_and_back(self):
        text = "The sextant, 你好"
        ids = self.stub.Tokenize(inference_pb2.TokenizeRequest(text=text), timeout=10).token_ids
        with_bos = self.stub.Tokenize(inference_pb2.TokenizeRequest(text=text, add_bos=True),
                                      timeout=10).token_ids
        self.assertEqual(list(with_bos), [1200, *ids])
        back = self.stub.Detokenize(inference_pb2.DetokenizeRequest(token_ids=ids), timeout=10)
        self.assertEqual(back.text, text.encode())
        chat = inference_pb2.TokenizeRequest()
        chat.chat.messages.add(role="user", content=text)
        self.assertGreater(len(self.stub.Tokenize(chat, timeout=10).token_ids), len(ids))

    def test_a_stream_has_pieces_usage_and_a_seed_that_gives_it_again(self):
        pieces = list(self.generate(max_tokens=12, ignore_eos=True, temperature=1))
        ids = [id_ for piece in pieces for id_ in piece.token_ids]
        self.assertEqual(len(ids), 12)
        self.assertTrue(pieces[0].HasField("seed"))
        self.assertEqual({piece.request_id for piece in pieces} & {""}, set())
        self.assertEqual(pieces[-1].finish_reason, inference_pb2.FINISH_REASON_LENGTH)
        self.assertEqual(pieces[-1].usage.completion_tokens, 12)
        self.assertGreater(pieces[-1].usage.prompt_tokens, 1)
        self.assertGreater(pieces[-1].timings.total_seconds, 0)
        again = list(self.generate(max_tokens=12, ignore_eos=True, temperature=1,
                                   seed=pieces[0].seed))
        self.assertEqual([id_ for piece in again for id_ in piece.token_ids], ids)
        self.assertEqual("".join(piece.text for piece in again),
                         "".join(piece.text for piece in pieces))

    def test_ids_are_a_prompt_as_well(self):
        request = inference_pb2.GenerateRequest()
        request.token_ids.ids.extend([1200, 5, 6])
        request.params.max_tokens = 3
        request.params.ignore_eos = True
        pieces = list(self.stub.Generate(request, timeout=30))
        self.assertEqual(pieces[-1].usage.prompt_tokens, 3)

    def test_a_chat_is_answered(self):
        request = inference_pb2.ChatRequest()
        request.messages.add(role="user", content="Where are we?")
        request.params.max_tokens = 5
        request.params.sampling.seed = 3
        pieces = list(self.stub.Chat(request, timeout=30))
        self.assertNotEqual(pieces[-1].finish_reason, inference_pb2.FINISH_REASON_UNSPECIFIED)

    def test_logprobs_come_with_the_bytes_of_tokens(self):
        pieces = list(self.generate(max_tokens=4, ignore_eos=True, temperature=0, logprobs=3))
        tokens = [entry for piece in pieces for entry in piece.logprobs]
        self.assertEqual(len(tokens), 4)
        for entry in tokens:
            self.assertLessEqual(entry.logprob, 0)
            self.assertEqual(len(entry.top), 3)
            self.assertEqual(entry.top[0].logprob, entry.logprob)  # greedy: the likeliest
            self.assertTrue(all(top.token for top in entry.top))

    def test_several_answers_have_seeds_that_follow_each_other(self):
        pieces = list(self.generate(max_tokens=6, ignore_eos=True, temperature=1, seed=40, n=3))
        answers, seeds = {}, {}
        for piece in pieces:
            answers.setdefault(piece.index, []).extend(piece.token_ids)
            if piece.HasField("seed"):
                seeds[piece.index] = piece.seed
        self.assertEqual(seeds, {0: 40, 1: 41, 2: 42})
        alone = list(self.generate(max_tokens=6, ignore_eos=True, temperature=1, seed=41))
        self.assertEqual([id_ for piece in alone for id_ in piece.token_ids], answers[1])
        self.assertEqual(pieces[-1].usage.completion_tokens, 18)

    def test_a_stop_text_ends_the_answer_before_it(self):
        whole = "".join(piece.text for piece in self.generate(
            max_tokens=40, ignore_eos=True, temperature=1, seed=5))
        # Bytes that are no characters come as U+FFFD, and are not what a stop text is compared with.
        stop = next(whole[i:i + 2] for i in range(len(whole) // 2, len(whole) - 1)
                    if "\ufffd" not in whole[i:i + 2])
        pieces = list(self.generate(max_tokens=40, ignore_eos=True, temperature=1, seed=5,
                                    stop=[stop]))
        self.assertEqual("".join(piece.text for piece in pieces), whole[:whole.index(stop)])
        self.assertEqual(pieces[-1].finish_reason, inference_pb2.FINISH_REASON_STOP)

    def test_a_wrong_field_is_named(self):
        error = self.fails(grpc.StatusCode.INVALID_ARGUMENT, self.generate(top_p=1.5))
        violations = details_of(error)["BadRequest"].field_violations
        self.assertEqual([violation.field for violation in violations], ["params.sampling.top_p"])
        self.assertIn("1.5", violations[0].description)
        for field, params in (("params.max_tokens", {"max_tokens": 0}), ("params.n", {"n": 17}),
                              ("params.stop", {"stop": [""]})):
            error = self.fails(grpc.StatusCode.INVALID_ARGUMENT, self.generate(**params))
            self.assertIn(field, details_of(error)["BadRequest"].field_violations[0].field)
        self.fails(grpc.StatusCode.INVALID_ARGUMENT,
                   self.stub.Generate(inference_pb2.GenerateRequest(), timeout=10))
        self.fails(grpc.StatusCode.INVALID_ARGUMENT,
                   self.stub.Chat(inference_pb2.ChatRequest(), timeout=10))

    def test_an_unknown_model_is_not_found(self):
        request = inference_pb2.GenerateRequest(text="a", model="another")
        self.fails(grpc.StatusCode.NOT_FOUND, self.stub.Generate(request, timeout=10))

    def test_a_deadline_ends_the_stream(self):
        began = time.monotonic()
        self.fails(grpc.StatusCode.DEADLINE_EXCEEDED,
                   self.generate(max_tokens=12000, ignore_eos=True, timeout=0.5))
        self.assertLess(time.monotonic() - began, 5)

    def test_a_cancelled_stream_leaves_room_for_others(self):
        for _ in range(4):  # twice as many as are computed at once
            call = self.generate(max_tokens=12000, ignore_eos=True)
            next(iter(call))
            call.cancel()
        began = time.monotonic()
        self.assertEqual(len([id_ for piece in self.generate(max_tokens=3, ignore_eos=True)
                              for id_ in piece.token_ids]), 3)
        self.assertLess(time.monotonic() - began, 10)

    def test_cancel_ends_a_request_by_its_id(self):
        call = self.generate(max_tokens=12000, ignore_eos=True, request_id="mine")
        next(iter(call))
        self.stub.Cancel(inference_pb2.CancelRequest(request_id="mine"), timeout=10)
        error = self.fails(grpc.StatusCode.CANCELLED, call)
        self.assertEqual(details_of(error)["RequestInfo"].request_id, "mine")
        self.fails(grpc.StatusCode.NOT_FOUND, lambda: [self.stub.Cancel(
            inference_pb2.CancelRequest(request_id="mine"), timeout=10)])

    def test_a_full_queue_says_when_to_come_back(self):
        refused = []
        lock = threading.Lock()

        def ask():
            try:
                list(self.generate(max_tokens=300, ignore_eos=True, timeout=60))
            except grpc.RpcError as error:
                with lock:
                    refused.append(error)

        threads = [threading.Thread(target=ask) for _ in range(24)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertGreater(len(refused), 0)
        self.assertLess(len(refused), 24)
        for error in refused:
            self.assertEqual(error.code(), grpc.StatusCode.RESOURCE_EXHAUSTED, error.details())
            details = details_of(error)
            delay = details["RetryInfo"].retry_delay
            self.assertGreater(delay.seconds + delay.nanos / 1e9, 0)
            self.assertEqual(details["ErrorInfo"].reason, "QUEUE_FULL")
            self.assertEqual(details["ErrorInfo"].domain, "sextant")


if __name__ == "__main__":
    SEXTANT = sys.argv.pop(1)
    unittest.main()
