"""The script that fetches a model before a pod starts, against a server that is in the way: it goes on
where it was cut off, takes nothing with a wrong checksum, and says what is missing."""

import hashlib
import http.server
import json
import pathlib
import subprocess
import sys
import tempfile
import threading
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "deploy" / "helm" / "sextant" / "files" / "download.py"
WEIGHTS = bytes(range(256)) * 20000
FILES = {"config.json": b'{"model_type": "deepseek_v2"}', "model.safetensors": WEIGHTS}


class Server(http.server.ThreadingHTTPServer):
    """Serves FILES; what it does wrong is set by the test."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = dict(FILES)
        self.cuts = 0  # so many answers end in the middle
        self.ranges = True
        self.asked = []  # (name, first byte, authorization)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        name = self.path.rsplit("/", 1)[-1]
        wanted = self.headers.get("Range")
        start = int(wanted.split("=")[1].rstrip("-")) if wanted else 0
        server.asked.append((name, start, self.headers.get("Authorization")))
        if name not in server.files:
            self.send_error(404)
            return
        if not server.ranges:
            start = 0
        body = server.files[name][start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if server.cuts and len(body) > 1000:
            server.cuts -= 1
            body = body[:len(body) // 2]
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class DownloadTest(unittest.TestCase):
    def setUp(self):
        self.server = Server()
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        folder = tempfile.TemporaryDirectory(prefix="sextant-download-")
        self.addCleanup(folder.cleanup)
        self.sums = pathlib.Path(folder.name) / "files.json"
        self.sums.write_text(json.dumps({name: hashlib.sha256(content).hexdigest()
                                         for name, content in FILES.items()}), encoding="utf-8")
        self.to = pathlib.Path(folder.name) / "models" / "lite"

    def run_script(self, *arguments, environment=None):
        return subprocess.run(
            [sys.executable, "-B", SCRIPT, f"--url=http://127.0.0.1:{self.server.server_port}/lite",
             f"--files={self.sums}", f"--to={self.to}", "--pause=0.01", *arguments],
            stdout=subprocess.PIPE, text=True, check=False, timeout=60, env=environment or {})

    def content(self):
        return {path.name: path.read_bytes() for path in self.to.iterdir()}

    def test_it_fetches_every_file(self):
        run = self.run_script()
        self.assertEqual(run.returncode, 0, run.stdout)
        self.assertEqual(self.content(), FILES)
        self.assertIn("all 2 files are there", run.stdout)

    def test_a_cut_connection_goes_on_where_it_ended(self):
        self.server.cuts = 2
        run = self.run_script()
        self.assertEqual(run.returncode, 0, run.stdout)
        self.assertEqual(self.content(), FILES)
        starts = [start for name, start, _ in self.server.asked if name == "model.safetensors"]
        self.assertEqual(starts, [0, len(WEIGHTS) // 2, len(WEIGHTS) * 3 // 4])

    def test_a_second_run_fetches_nothing(self):
        self.run_script()
        self.server.asked.clear()
        self.assertEqual(self.run_script().returncode, 0)
        self.assertEqual(self.server.asked, [])

    def test_a_run_that_was_killed_is_taken_up(self):
        self.to.mkdir(parents=True)
        (self.to / "model.safetensors.part").write_bytes(WEIGHTS[:12345])
        self.assertEqual(self.run_script().returncode, 0)
        self.assertEqual(self.content(), FILES)
        self.assertIn(("model.safetensors", 12345, None), self.server.asked)

    def test_a_server_that_cannot_go_on_is_asked_for_all(self):
        self.server.ranges = False
        self.to.mkdir(parents=True)
        (self.to / "model.safetensors.part").write_bytes(b"x" * 12345)
        self.assertEqual(self.run_script().returncode, 0)
        self.assertEqual(self.content(), FILES)

    def test_a_part_that_is_longer_than_the_file_is_thrown_away(self):
        self.to.mkdir(parents=True)
        (self.to / "config.json.part").write_bytes(b"x" * 1000)
        self.assertEqual(self.run_script().returncode, 0)
        self.assertEqual(self.content(), FILES)

    def test_a_wrong_checksum_is_an_error(self):
        self.server.files["model.safetensors"] = WEIGHTS[:-1] + b"x"
        run = self.run_script()
        self.assertEqual(run.returncode, 1)
        self.assertIn("and not " + hashlib.sha256(WEIGHTS).hexdigest(), run.stdout)
        self.assertIn("not fetched: model.safetensors", run.stdout)
        self.assertEqual(list(self.content()), ["config.json"])

    def test_a_damaged_file_is_fetched_anew(self):
        self.to.mkdir(parents=True)
        (self.to / "config.json").write_bytes(b"{}")
        self.assertEqual(self.run_script().returncode, 0)
        self.assertEqual(self.content(), FILES)

    def test_a_missing_file_is_an_error(self):
        del self.server.files["config.json"]
        run = self.run_script()
        self.assertEqual(run.returncode, 1)
        self.assertIn("not fetched: config.json", run.stdout)

    def test_the_router_does_without_weights(self):
        self.assertEqual(self.run_script("--without-weights").returncode, 0)
        self.assertEqual(list(self.content()), ["config.json"])

    def test_the_token_is_sent(self):
        self.run_script(environment={"SEXTANT_DOWNLOAD_TOKEN": "secret"})
        self.assertEqual({authorization for _, _, authorization in self.server.asked},
                         {"Bearer secret"})


if __name__ == "__main__":
    unittest.main()
