"""One pod and the part of a kubelet that sees to it: volumes, init containers, containers, probes,
restarts, and an end with preStop, SIGTERM, the grace period and SIGKILL.

Threads: each pod has one, which owns its containers; `terminate` and `kill` are called by others.
"""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

from probes import Probe
from volumes import make_volume

HERE = pathlib.Path(__file__).resolve().parent
PATH = "/usr/local/bin:/usr/bin:/bin"
LONGEST_PAUSE = 10


class Container:
    """A container of a pod; started again and again."""

    def __init__(self, pod, spec):
        self.pod = pod
        self.spec = spec
        self.name = spec["name"]
        self.process = None
        self.restarts = 0
        self.starts_at = 0  # when it pauses
        self.began = 0
        self.was_ready = False
        self.probes = {}

    @property
    def address(self):
        return self.pod.address

    def port(self, wanted):
        for port in self.spec.get("ports", []):
            if port.get("name") == wanted:
                return port["containerPort"]
        return wanted

    def environment(self):
        values = {"PATH": PATH, "HOME": "/", "HOSTNAME": self.pod.name}
        for item in self.spec.get("env", []):
            if "fieldRef" in item.get("valueFrom", {}):
                values[item["name"]] = self.pod.field(item["valueFrom"]["fieldRef"]["fieldPath"])
            else:
                values[item["name"]] = self.expand(item.get("value", ""), values)
        return values

    @staticmethod
    def expand(text, values):
        return re.sub(r"\$\(([A-Za-z_]\w*)\)", lambda match: values.get(match[1], match[0]), text)

    def start(self):
        folder = self.pod.folder / f"{self.name}-{self.restarts}"
        (folder / "root").mkdir(parents=True)
        environment = self.environment()
        words = [self.expand(word, environment)
                 for word in self.spec["command"] + self.spec.get("args", [])]
        security = self.pod.spec.get("securityContext", {}) | self.spec.get("securityContext", {})
        group = security.get("runAsGroup", 0)
        if security.get("runAsNonRoot") and security.get("runAsUser", 0) == 0:
            raise ValueError(f"{self.pod.name}: {self.name} would run as root")
        self.pid_file = folder / "pid"
        (folder / "spec.json").write_text(json.dumps({
            "network": self.pod.network.path(self.pod.namespace),
            "hostname": self.pod.name,
            "root": str(folder / "root"),
            "image": self.pod.images.root(self.spec["image"]),
            "mounts": self.pod.images.mounts(self.spec["image"]) + self.mounts(),
            "read_only": security.get("readOnlyRootFilesystem", False),
            "folder": self.spec.get("workingDir", "/"),
            "uid": security.get("runAsUser", 0),
            "gid": group,
            "groups": [security["fsGroup"]] if "fsGroup" in security else [],
            "environment": environment,
            "arguments": words,
            "pid_file": str(self.pid_file),
        }), encoding="utf-8")
        self.began = time.monotonic()
        self.was_ready = False
        with open(self.pod.log, "ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-B", HERE / "container.py", folder / "spec.json"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.probes = {kind: Probe(self.spec[f"{kind}Probe"], self)
                       for kind in ("startup", "readiness", "liveness")
                       if f"{kind}Probe" in self.spec}

    def mounts(self):
        found = [{"source": str(self.pod.hosts), "target": "/etc/hosts", "read_only": True}]
        for mount in self.spec.get("volumeMounts", []):
            source = self.pod.volumes[mount["name"]].path / mount.get("subPath", "")
            found.append({"source": str(source), "target": mount["mountPath"],
                          "read_only": mount.get("readOnly", False)})
        return found

    def pid(self):
        """Of the container's first process, or None before there is one."""
        try:
            return int(self.pid_file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None

    def signal(self, number):
        pid = self.pid()
        if pid is not None and self.process.poll() is None:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass  # it has ended meanwhile

    def execute(self, command, timeout):
        """The status of a command in the container, or None when it takes too long."""
        try:
            return subprocess.run(["nsenter", "--all", "--target", str(self.pid()), "--",
                                   *command], timeout=timeout, check=False).returncode
        except subprocess.TimeoutExpired:
            return None

    @property
    def running(self):
        return self.process is not None and self.process.poll() is None

    @property
    def started(self):
        return self.running and ("startup" not in self.probes or self.probes["startup"].passed)

    @property
    def ready(self):
        return self.started and ("readiness" not in self.probes or self.probes["readiness"].passed)

    def poll(self):
        """Probes it; kills it when it must be started again."""
        if not self.running:
            return
        if not self.started:
            self.probes["startup"].poll()
            if self.probes["startup"].failed:
                self.pod.say(f"{self.name} does not start; killing it")
                self.signal(signal.SIGKILL)
            return
        for kind in ("readiness", "liveness"):
            if kind in self.probes:
                self.probes[kind].poll()
        if self.ready and not self.was_ready:
            self.was_ready = True
            self.pod.cluster.starts[self.name].append(time.monotonic() - self.began)
        if "liveness" in self.probes and self.probes["liveness"].failed:
            self.pod.say(f"{self.name} does not live; killing it")
            self.signal(signal.SIGKILL)


class Pod:
    def __init__(self, cluster, name, template, owner=None, revision=""):
        metadata = template["metadata"]
        self.cluster = cluster
        self.network = cluster.network
        self.images = cluster.images
        self.name = name
        self.labels = metadata.get("labels", {})
        self.annotations = metadata.get("annotations", {})
        self.spec = template["spec"]
        self.owner = owner
        self.revision = revision
        self.terminating = None  # since when
        self.phase = "Pending"
        self.said = ""  # its log, once it is gone
        self.folder = pathlib.Path(cluster.folder) / f"pod-{name}-{next(cluster.pod_numbers)}"
        self.folder.mkdir(parents=True)
        self.log = self.folder / "log"
        self.hosts = self.folder / "hosts"
        self.namespace, self.address = self.network.add_pod()
        self.containers = [Container(self, spec) for spec in self.spec["containers"]]
        group = self.spec.get("securityContext", {}).get("fsGroup", 0)
        self.volumes = {spec["name"]: make_volume(spec, self.folder / "volumes", group)
                        for spec in self.spec.get("volumes", [])}
        self._grace = self.spec.get("terminationGracePeriodSeconds", 30)
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._live, name=name)

    def start(self):
        self.update()
        self._thread.start()

    def say(self, text):
        self.cluster.say(f"{self.name}: {text}")

    def field(self, path):
        fields = {"status.podIP": self.address, "metadata.name": self.name,
                  "metadata.namespace": self.cluster.namespace, "status.hostIP": "10.88.255.254",
                  "spec.nodeName": "node"}
        found = re.fullmatch(r"metadata\.(labels|annotations)\['(.*)'\]", path)
        return getattr(self, found[1]).get(found[2], "") if found else fields[path]

    def update(self):
        """Volumes and names as the cluster's objects are now."""
        for volume in self.volumes.values():
            volume.update(self.cluster.objects)
        text = self.cluster.hosts_file(self)
        if not self.hosts.exists() or self.hosts.read_text(encoding="utf-8") != text:
            self.hosts.write_text(text, encoding="utf-8")  # in place: it is bound by its inode

    @property
    def ready(self):
        return self.phase == "Running" and all(item.ready for item in self.containers)

    def terminate(self, grace=None):
        """As deleting it does. A grace of 0 kills it."""
        if self.terminating is None:
            self.terminating = time.monotonic()
        if grace is not None:
            self._grace = grace
        self._wake.set()

    def kill(self):
        """Its containers die at once, as by an out-of-memory kill; they are started again here."""
        for container in self.containers:
            container.signal(signal.SIGKILL)

    def join(self, timeout=None):
        """Whether it is gone."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _live(self):
        try:
            if self._initialize():
                self._run()
            self._stop()
        except Exception as error:  # whatever it is, the cluster must not wait for this pod
            self.say(f"is broken: {error!r}")
            self.phase = "Failed"
            for container in self.containers:
                if container.running:
                    container.signal(signal.SIGKILL)
        finally:
            self.network.remove_pod(self.namespace)
            if self.log.exists():
                self.said = self.log.read_text(encoding="utf-8", errors="replace")
            if not self.cluster.keep_logs:
                shutil.rmtree(self.folder, ignore_errors=True)
            self.cluster.pod_is_gone(self)

    def _initialize(self):
        for spec in self.spec.get("initContainers", []):
            container = Container(self, spec)
            while self.terminating is None:
                container.start()
                while container.running and self.terminating is None:
                    self._wake.wait(0.05)
                if container.running:
                    container.signal(signal.SIGKILL)
                    container.process.wait()
                elif container.process.returncode == 0:
                    break
                container.restarts += 1
                self._wake.wait(1)
        return self.terminating is None

    def _run(self):
        for container in self.containers:
            container.start()
        self.phase = "Running"
        while self.terminating is None:
            self._wake.wait(0.05)
            for container in self.containers:
                container.poll()
                if not container.running:
                    self._restart(container)
            if self.spec.get("restartPolicy", "Always") == "Never" and not any(
                    container.running for container in self.containers):
                good = all(item.process.returncode == 0 for item in self.containers)
                self.phase = "Succeeded" if good else "Failed"
                return

    def _restart(self, container):
        if self.spec.get("restartPolicy", "Always") == "Never":
            return
        if container.starts_at == 0:
            pause = min(0.5 * 2 ** container.restarts, LONGEST_PAUSE)
            self.say(f"{container.name} ended with status {container.process.returncode}; "
                     f"starting it again in {pause} s")
            container.restarts += 1
            container.starts_at = time.monotonic() + pause
        elif container.starts_at <= time.monotonic():
            container.starts_at = 0
            container.start()

    def _stop(self):
        began = time.monotonic()
        deadline = began + self._grace
        for container in self.containers:
            hook = container.spec.get("lifecycle", {}).get("preStop", {}).get("exec")
            if container.running and hook and self._grace > 0:
                container.execute(hook["command"], self._grace)
            container.signal(signal.SIGTERM if self._grace > 0 else signal.SIGKILL)
        for container in self.containers:
            while container.running and time.monotonic() < deadline and self._grace > 0:
                time.sleep(0.02)
            if not container.running:
                continue
            if self._grace > 0:
                self.say(f"{container.name} did not end within its grace period; killing it")
                self.cluster.overdue.append(self.name)
            container.signal(signal.SIGKILL)
            container.process.wait()
        if self._grace > 0 and self.phase == "Running":
            self.cluster.ends[self.containers[0].name].append(time.monotonic() - began)
