#!/usr/bin/env python3
"""Draws the dashboards from a cluster that runs: starts `sextant up` on the demo model and Prometheus,
sends requests, kills a worker, scales, and draws what was seen. Says which panels had nothing to show.

    run.py --prometheus PROGRAM [--sextant PROGRAM] [--seconds N] [--out FOLDER]

Needs matplotlib and PyYAML, and Prometheus' program (Debian's package prometheus).
"""

import argparse
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import draw
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[3]
DASHBOARDS = ROOT / "deploy" / "grafana" / "dashboards"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Cluster:
    def __init__(self, sextant, folder, processes):
        self.sextant, self.folder, self.processes = sextant, folder, processes
        self.router, self.router_page = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
        config = folder / "cluster.yaml"
        config.write_text(yaml.safe_dump({
            "engine": {"cache_tokens": 4096},
            "router": {"listen": [self.router], "admin_port": int(self.router_page.split(":")[1])},
            "cluster": {"attention_workers": 2, "expert_workers": 3}}), encoding="utf-8")
        self.start("up", "--model", str(ROOT / "models" / "demo"), "--config", str(config))

    def start(self, *arguments):
        with (self.folder / f"{arguments[0]}.log").open("a", encoding="utf-8") as log:
            self.processes.append(subprocess.Popen([self.sextant, *arguments], stdout=log, stderr=log))

    def status(self):
        run = subprocess.run([self.sextant, "status", "--router", self.router, "-o", "json"],
                             capture_output=True, text=True, check=False, timeout=30)
        return json.loads(run.stdout) if run.returncode == 0 else {"workers": []}

    def ready(self, count):
        end = time.monotonic() + 60
        while time.monotonic() < end:
            workers = self.status()["workers"]
            if len(workers) == count and all(worker["state"] == "ready" for worker in workers):
                return workers
            time.sleep(0.5)
        raise TimeoutError(f"there are not {count} workers after a minute; see {self.folder}")

    def pages(self):
        """What Prometheus reads, with the labels that a pod's pages have."""
        groups = [{"targets": [self.router_page], "labels": {"namespace": "inference", "pod": "router"}}]
        for worker in self.status()["workers"]:
            groups.append({"targets": [worker["admin_target"]],
                           "labels": {"namespace": "inference", "pod": f"{worker['role']}-{worker['pid']}"}})
        return groups


class Prometheus:
    def __init__(self, program, folder, processes):
        self.targets = folder / "targets.json"
        self.targets.write_text("[]", encoding="utf-8")
        config = folder / "prometheus.yaml"
        config.write_text(yaml.safe_dump({
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "scrape_configs": [{"job_name": "sextant", "file_sd_configs": [
                {"files": [str(self.targets)], "refresh_interval": "1s"}]}]}), encoding="utf-8")
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        with (folder / "prometheus.log").open("w", encoding="utf-8") as log:
            processes.append(subprocess.Popen(
                [program, f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}",
                 f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log))
        for _ in range(60):
            try:
                urllib.request.urlopen(f"{self.url}/-/ready", timeout=5).close()
                return
            except (urllib.error.URLError, OSError):
                time.sleep(0.5)
        raise TimeoutError(f"Prometheus is not ready; see {folder}")


def live(cluster, prometheus, seconds):
    """A few minutes in the life of a cluster, as fractions of the time."""
    workers = cluster.ready(5)
    victim = next(worker["pid"] for worker in workers if "EXPERT" in worker["role"].upper())
    acts = [
        (0.00, lambda: cluster.start("bench", "serve", "--router", cluster.router, "--concurrency", "3",
                                     "--requests", "100000", "--prompt-tokens", "48", "--max-tokens", "64")),
        (0.35, lambda: os.kill(victim, signal.SIGKILL)),
        (0.50, lambda: cluster.start("bench", "serve", "--router", cluster.router, "--concurrency", "24",
                                     "--requests", "100000", "--prompt-tokens", "200", "--max-tokens", "200")),
        (0.70, lambda: cluster.start("scale", "experts", "5", "--router", cluster.router)),
    ]
    start = time.time()
    while time.time() < start + seconds:
        if acts and time.time() >= start + acts[0][0] * seconds:
            acts.pop(0)[1]()
        prometheus.targets.write_text(json.dumps(cluster.pages()), encoding="utf-8")
        time.sleep(2)
    return start, time.time()


def main():
    parser = argparse.ArgumentParser(description="Draws the dashboards from a cluster that runs.")
    parser.add_argument("--prometheus", required=True)
    parser.add_argument("--sextant", default=str(ROOT / "build" / "bin" / "sextant"))
    parser.add_argument("--seconds", type=int, default=120)
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "docs" / "pictures")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    processes = []
    with tempfile.TemporaryDirectory(prefix="sextant-picture-", ignore_cleanup_errors=True) as name:
        try:
            folder = pathlib.Path(name)
            prometheus = Prometheus(options.prometheus, folder, processes)
            cluster = Cluster(options.sextant, folder, processes)
            start, end = live(cluster, prometheus, options.seconds)
            for path in sorted(DASHBOARDS.glob("*.json")):
                board = json.loads(path.read_text(encoding="utf-8"))
                empty = draw.draw(board, draw.Source(prometheus.url, start, end),
                                  options.out / f"{path.stem}.png")
                print(f"{path.stem}: nothing to show in: {', '.join(empty) or 'no panel'}")
        finally:
            for process in reversed(processes):
                process.terminate()
            for process in processes:
                process.wait(timeout=60)
    return 0


if __name__ == "__main__":
    sys.exit(main())
