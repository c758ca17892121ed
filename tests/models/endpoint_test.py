"""Shows how an OpenAI-compatible endpoint is asked, on one that this test serves itself."""

import http.server
import json
import pathlib
import sys
import threading
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "models" / "evaluation"))
import questions  # noqa: E402
from endpoint import Endpoint  # noqa: E402


class Server(http.server.BaseHTTPRequestHandler):
    """Answers with the last message's text in capitals; a question "no" is refused."""

    asked: list[tuple[str, str | None, dict]] = []

    def do_POST(self):  # noqa: N802  # the base class calls it so
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append((self.path, self.headers["Authorization"], body))
        said = body["messages"][-1]["content"]
        choice = {"index": 0, "finish_reason": "stop",
                  "message": {"role": "assistant", "content": said.upper()}}
        reply = json.dumps({"choices": [choice]} if said != "no" else {"error": "refused"}).encode()
        self.send_response(429 if said == "no" else 200)
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    def log_message(self, *_):
        pass


def question(text):
    return questions.HeldOutQuestion("any", [{"role": "user", "content": text}], "?", None)


class EndpointTest(unittest.TestCase):
    def setUp(self):
        Server.asked = []
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
        threading.Thread(target=self.server.serve_forever).start()
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1/"

    def test_answers_come_in_the_order_of_the_questions(self):
        texts = [f"question {i}" for i in range(20)]
        answers = Endpoint(self.url, "demo", "secret", 4).answers([question(t) for t in texts], 9)
        self.assertEqual(answers, [text.upper() for text in texts])
        path, key, body = Server.asked[0]
        self.assertEqual((path, key), ("/v1/chat/completions", "Bearer secret"))
        self.assertEqual((body["model"], body["temperature"], body["max_tokens"]), ("demo", 0, 9))

    def test_a_refusal_names_the_endpoint_and_its_reason(self):
        with self.assertRaisesRegex(RuntimeError, "chat/completions answered 429: .*refused"):
            Endpoint(self.url, "demo", None, 1).answers([question("no")], 9)


if __name__ == "__main__":
    unittest.main()
