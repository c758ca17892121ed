"""`sextant up` as a process, for tests."""

import os
import pathlib
import signal
import subprocess
import tempfile
import threading


class Cluster:
    """Serves when constructed; `target` is the router's address."""

    def __init__(self, sextant, model, *flags, yaml=""):
        self.folder = tempfile.TemporaryDirectory(prefix="sextant-cluster-")
        config = pathlib.Path(self.folder.name) / "config.yaml"
        config.write_text("cluster:\n  log_level: warning\n" + yaml, encoding="utf-8")
        self.process = subprocess.Popen(
            [sextant, "up", "--model", model, "--listen", "127.0.0.1:0", "--config", config,
             "--runtime-dir", os.path.join(self.folder.name, "run"), *map(str, flags)],
            stdout=subprocess.PIPE, text=True)
        timer = threading.Timer(60, self.process.kill)
        timer.start()
        words = self.process.stdout.readline().split()
        timer.cancel()
        if words[:2] != ["ready", "cluster"]:
            self.stop()
            raise RuntimeError(f"sextant up did not become ready; it printed {words}")
        self.target = words[2]

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(timeout=60)
        finally:
            self.process.kill()
            self.process.stdout.close()
            self.folder.cleanup()
        return status
