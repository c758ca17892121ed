"""Holds docs/metrics.md to the pages of a running cluster: what it says of a kind of process, that
process exports under that name and type once requests have been served, and nothing else.

    metrics_pages_test.py SEXTANT
"""

import json
import pathlib
import re
import socket
import subprocess
import sys
import unittest
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests" / "integration" / "python_client"))
from cluster import Cluster  # noqa: E402

SEXTANT = ""
MODEL = str(ROOT / "tests" / "golden" / "model" / "lite")
ROW = re.compile(r"^\| `([a-zA-Z0-9_:]+)` \| (counter|gauge|histogram) \|", re.MULTILINE)
TYPE = re.compile(r"^# TYPE (\S+) (\S+)$", re.MULTILINE)


def sections():
    """The names and types that the page lists under each of its titles."""
    page = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    parts = re.split(r"^## (.*)$", page, flags=re.MULTILINE)
    return {title: dict(ROW.findall(text)) for title, text in zip(parts[1::2], parts[2::2])}


def exported(target):
    with urllib.request.urlopen(f"http://{target}/metrics", timeout=10) as answer:
        return dict(TYPE.findall(answer.read().decode("utf-8")))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class MetricsPagesTest(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.port = free_port()
        cls.cluster = Cluster(SEXTANT, MODEL,
                              yaml=f"router:\n  admin_port: {cls.port}\n")
        cls.addClassCleanup(cls.cluster.stop)
        subprocess.run([SEXTANT, "bench", "serve", "--router", cls.cluster.target, "--requests",
                        "4", "--max-tokens", "8", "--prompt-tokens", "8"],
                       check=True, stdout=subprocess.DEVNULL, timeout=60)
        status = subprocess.run([SEXTANT, "status", "--router", cls.cluster.target, "-o", "json"],
                                check=True, stdout=subprocess.PIPE, timeout=60)
        cls.workers = json.loads(status.stdout)["workers"]
        cls.sections = sections()

    def expect(self, target, title):
        listed = self.sections[title] | self.sections["Every process"]
        self.assertGreater(len(self.sections[title]), 3)
        self.assertEqual(exported(target), listed)

    def page_of(self, role):
        for worker in self.workers:
            if worker["role"].lower().endswith(role):
                return worker["admin_target"]
        self.fail(f"no {role} worker in {self.workers}")

    def test_workers_say_who_they_are_and_what_they_serve(self):
        series = re.compile(r"^(?:vllm:|sextant_)\w+\{(.*)\} ", re.MULTILINE)
        for worker in self.workers:
            with urllib.request.urlopen(f"http://{worker['admin_target']}/metrics", timeout=10) as page:
                found = series.findall(page.read().decode("utf-8"))
            self.assertGreater(len(found), 3)
            for labels in found:
                self.assertIn(f'engine="{worker["worker_id"]}"', labels)
                self.assertIn('model_name="lite"', labels)

    def test_router(self):
        self.expect(f"127.0.0.1:{self.port}", "Router")

    def test_attention_worker(self):
        self.expect(self.page_of("attention"), "Attention workers")

    def test_expert_worker(self):
        self.expect(self.page_of("expert"), "Expert workers")

    def test_node(self):
        port = free_port()
        config = pathlib.Path(self.cluster.folder.name) / "node.yaml"
        config.write_text(f"node: {{expert_workers: 1, attention_workers: 0, admin_port: {port}, "
                          "listen: ['127.0.0.1:0']}", encoding="utf-8")
        with subprocess.Popen(
                [SEXTANT, "node", "--config", config, "--model", MODEL, "--router",
                 self.cluster.target], stdout=subprocess.PIPE, text=True) as node:
            try:
                self.assertEqual(node.stdout.readline().split()[:2], ["ready", "node"])
                self.expect(f"127.0.0.1:{port}", "Nodes")
            finally:
                node.terminate()
        self.assertEqual(node.returncode, 0)


if __name__ == "__main__":
    SEXTANT = sys.argv.pop(1)
    unittest.main()
