"""A cluster for rendered manifests, on this machine and without Kubernetes: what the API server, the
controllers, kube-proxy and a kubelet do, as far as a chart needs it.

    with Cluster(images, folder) as cluster:
        cluster.apply(objects)
        cluster.wait_until_rolled_out()

Understands: ConfigMap, Secret, Service (with an address and headless), Deployment, StatefulSet, Pod,
NetworkPolicy; objects of other kinds are kept and do nothing. Names of Services are found through
/etc/hosts. Everything runs in namespaces of its own and is gone at the end; whoever enters the
cluster is on its node, as a kubelet is.

Threads: one reconciles, each pod has one; `apply` and the rest are called by the test's own.
"""

import collections
import itertools
import os
import random
import threading
import time

from network import Network
from pod import Pod
from policies import pod_rules, selects
from workloads import deployment_step, stateful_set_step, template_hash

CONTROLLED = {"Deployment": deployment_step, "StatefulSet": stateful_set_step}
LETTERS = "bcdfghjklmnpqrstvwxz2456789"


class Cluster:
    def __init__(self, images, folder, namespace="default", keep_logs=False, say=print):
        self.images = images
        self.folder = folder
        self.namespace = namespace
        self.keep_logs = keep_logs
        self.say = say
        self.objects = {}
        self.pod_numbers = itertools.count(1)
        self.overdue = []  # pods that had to be killed at the end of their grace period
        # In seconds, by the names of containers: from start to ready, and from SIGTERM to the end.
        self.starts = collections.defaultdict(list)
        self.ends = collections.defaultdict(list)
        self.network = Network(f"sextant-{os.getpid()}")
        self._pods = []
        self._addresses = {}  # of Services
        self._lock = threading.RLock()
        self._over = threading.Event()
        self._random = random.Random(1)
        self._thread = threading.Thread(target=self._reconcile_always, name="controllers")

    def __enter__(self):
        # Before any thread of gRPC is there: probes come from the node.
        self.network.enter()
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()
        for pod in self.pods():
            pod.terminate(grace=0)
        for pod in self.pods():
            pod.join()
        self.network.close()

    def apply(self, objects):
        """Makes these, by kind and name, all the objects that there are, as an upgrade does."""
        with self._lock:
            self.objects = dict(objects)
            self._reconcile()

    def pods(self, **labels):
        with self._lock:
            return [pod for pod in self._pods if labels.items() <= pod.labels.items()]

    def address_of(self, service):
        with self._lock:
            return self._addresses[service]

    def run_pod(self, item, timeout):
        """Runs a pod of its own to its end; its phase and what it said."""
        pod = self._add(Pod(self, item["metadata"]["name"], item))
        if not pod.join(timeout):
            pod.terminate(grace=0)
            pod.join()
        return pod.phase, pod.said

    def scale(self, kind, name, replicas):
        """As `kubectl scale` does."""
        with self._lock:
            item = self.objects[kind, name]
            self.objects[kind, name] = {**item, "spec": {**item["spec"], "replicas": replicas}}
            self._reconcile()

    def is_rolled_out(self):
        with self._lock:
            for (kind, name), item in self.objects.items():
                if kind not in CONTROLLED:
                    continue
                pods = [pod for pod in self._pods if pod.owner == (kind, name)]
                if len(pods) != item["spec"].get("replicas", 1) or not all(
                        pod.ready and pod.terminating is None and
                        pod.revision == template_hash(item) for pod in pods):
                    return False
            return True

    def wait_until_rolled_out(self, timeout):
        """As `helm upgrade --wait` does."""
        self.wait_for(self.is_rolled_out, timeout, "the cluster is not rolled out")

    @staticmethod
    def wait_for(holds, timeout, complaint):
        deadline = time.monotonic() + timeout
        while not holds():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{complaint} after {timeout} s")
            time.sleep(0.05)

    def hosts_file(self, pod):
        """Of a pod: the names of Services as the cluster's DNS would answer."""
        lines = ["127.0.0.1 localhost", f"{pod.address} {pod.name}"]
        for name, service in self._services():
            names = " ".join([name, *(f"{name}.{self.namespace}{tail}"
                                      for tail in ("", ".svc", ".svc.cluster.local"))])
            if service["spec"].get("clusterIP") == "None":
                lines += [f"{other.address} {names}" for other in self._behind(service)]
            else:
                lines.append(f"{self._addresses[name]} {names}")
        return "\n".join(lines) + "\n"

    def pod_is_gone(self, pod):
        with self._lock:
            self._pods.remove(pod)

    def _services(self):
        return [(name, item) for (kind, name), item in sorted(self.objects.items())
                if kind == "Service"]

    def _behind(self, service):
        """The pods that a Service leads to now."""
        spec = service["spec"]
        always = spec.get("publishNotReadyAddresses", False)
        return [pod for pod in self._pods
                if selects({"matchLabels": spec["selector"]}, pod.labels) and
                pod.phase in ("Pending", "Running") and
                (always or (pod.ready and pod.terminating is None))]

    def _add(self, pod):
        with self._lock:
            self._pods.append(pod)
            self._update_network()
        pod.start()
        return pod

    def _reconcile_always(self):
        while not self._over.wait(0.1):
            with self._lock:
                self._reconcile()

    def _reconcile(self):
        for name, _ in self._services():
            if name not in self._addresses:
                self._addresses[name] = self.network.new_service_address()
        for (kind, name), item in self.objects.items():
            if kind in CONTROLLED:
                self._control(kind, name, item)
        for pod in self._pods:
            if pod.owner is not None and pod.owner not in self.objects:
                pod.terminate()
            if pod.terminating is None:
                pod.update()
        self._update_network()

    def _control(self, kind, name, item):
        pods = [pod for pod in self._pods if pod.owner == (kind, name)]
        revision = template_hash(item)
        if kind == "Deployment":
            step = deployment_step(item, pods, lambda: self._random_name(f"{name}-{revision}"))
        else:
            step = stateful_set_step(item, pods)
        for pod in step.delete:
            pod.terminate()
        for pod_name in step.create:
            self._add(Pod(self, pod_name, item["spec"]["template"], (kind, name), revision))

    def _random_name(self, start):
        return f"{start}-{''.join(self._random.choices(LETTERS, k=5))}"

    def _update_network(self):
        services = []
        for name, service in self._services():
            if service["spec"].get("clusterIP") == "None":
                continue
            for port in service["spec"]["ports"]:
                wanted = port.get("targetPort", port["port"])
                targets = [(pod.address, pod.containers[0].port(wanted))
                           for pod in self._behind(service)]
                services.append((self._addresses[name], port["port"], targets))
        policies = [item for (kind, _), item in sorted(self.objects.items())
                    if kind == "NetworkPolicy"]
        self.network.set_rules(services, pod_rules(policies, self._pods, self.namespace))
