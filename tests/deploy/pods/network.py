"""The network of a cluster on one machine: each pod has a network namespace and an address, and a
namespace that stands for the node routes between them, with the Services and NetworkPolicies as
nftables rules. Nothing outside of these namespaces is touched.

Addresses: pods 10.88.0.0/16, Services 10.96.0.0/16, the node 10.88.255.254.
"""

import ctypes
import itertools
import os
import pathlib
import shutil
import subprocess

NODE_ADDRESS = "10.88.255.254"
SERVICES = "10.96.0.0/16"
# The rules are replaced as a whole: by one transaction, as they are small.
FRAME = """
table ip pods {{}}
delete table ip pods
table ip pods {{
  chain from_pods {{
    type nat hook prerouting priority dstnat;
{services}
  }}
  chain from_node {{
    type nat hook output priority -100;
{services}
  }}
  chain between_pods {{
    type filter hook forward priority filter;
    ct state established,related accept
    ip daddr {all_services} reject
{isolated}
  }}
  chain leaving_node {{
    type filter hook output priority filter;
    ip daddr {all_services} reject
  }}
{chains}
}}
"""


CLONE_NEWNET = 0x40000000


def run(*words, **arguments):
    return subprocess.run(list(map(str, words)), check=True, **arguments)


class Network:
    def __init__(self, name):
        """`name` makes those of the namespaces unique."""
        self._name = name
        self._numbers = itertools.count(1)
        self._service_numbers = itertools.count(1)
        self._pods = {}
        self._rules = None
        self.node = f"{name}-node"
        run("ip", "netns", "add", self.node)
        self._ip("link", "set", "lo", "up")
        # A way that no packet takes: the rules send it to a pod, or back.
        self._ip("addr", "add", f"{NODE_ADDRESS}/32", "dev", "lo")
        self._ip("route", "add", SERVICES, "dev", "lo", "src", NODE_ADDRESS)
        run("ip", "netns", "exec", self.node, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")

    def _ip(self, *words):
        run("ip", "-n", self.node, *words)

    def add_pod(self):
        """The namespace's name and the address of a new pod."""
        number = next(self._numbers)
        pod, link = f"{self._name}-{number}", f"pod{number}"
        address = f"10.88.{number // 250}.{number % 250 + 1}"
        run("ip", "netns", "add", pod)
        run("ip", "link", "add", link, "netns", self.node, "type", "veth", "peer", "name", "eth0",
            "netns", pod)
        run("ip", "-n", pod, "-batch", "-", text=True, input=f"""
            link set lo up
            addr add {address}/32 dev eth0
            link set eth0 up
            route add {NODE_ADDRESS} dev eth0
            route add default via {NODE_ADDRESS}
            """)
        self._ip("addr", "add", f"{NODE_ADDRESS}/32", "dev", link)
        self._ip("link", "set", link, "up")
        self._ip("route", "add", f"{address}/32", "dev", link)
        self._pods[pod] = address
        return pod, address

    def remove_pod(self, pod):
        del self._pods[pod]
        run("ip", "netns", "del", pod)

    def new_service_address(self):
        return f"10.96.0.{next(self._service_numbers)}"

    @staticmethod
    def path(namespace):
        return f"/run/netns/{namespace}"

    def set_rules(self, services, policies):
        """`services`: (address, port, [(pod address, port)]); `policies`: PodRules."""
        rules = FRAME.format(
            all_services=SERVICES,
            services="\n".join(filter(None, (_service_rule(*service) for service in services))),
            isolated="\n".join(f"    ip {rule.end} {rule.address} jump {rule.chain}"
                               for rule in policies),
            chains="\n".join(rule.text() for rule in policies))
        if rules == self._rules:
            return
        run("ip", "netns", "exec", self.node, "nft", "-f", "-", input=rules, text=True)
        self._rules = rules

    def enter(self):
        """Puts the calling thread, and all that it starts from now on, onto the node."""
        self._outside = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        with open(self.path(self.node), encoding="utf-8") as node:
            _setns(node.fileno())

    def close(self):
        """Called by the thread that has entered."""
        _setns(self._outside)
        os.close(self._outside)
        for pod in list(self._pods):
            self.remove_pod(pod)
        run("ip", "netns", "del", self.node)


def _setns(descriptor):
    if ctypes.CDLL(None, use_errno=True).setns(descriptor, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def _service_rule(address, port, targets):
    if not targets:
        return None  # nobody is there, and whoever asks is told so
    choices = ", ".join(f"{i} : {host} . {target}" for i, (host, target) in enumerate(targets))
    return (f"    ip daddr {address} tcp dport {port} "
            f"dnat to numgen inc mod {len(targets)} map {{ {choices} }}")


class PodRules:
    """What a policy leaves of the traffic of one pod in one direction."""

    def __init__(self, address, is_ingress):
        self.address = address
        self.end = "daddr" if is_ingress else "saddr"
        self.other = "saddr" if is_ingress else "daddr"
        self.chain = f"{'to' if is_ingress else 'from'}_{address.replace('.', '_')}"
        self.allowed = []  # (addresses or None for all, "tcp dport 1-2" or "")

    def text(self):
        lines = [f"    {f'ip {self.other} {{ ' + ', '.join(hosts) + ' }' if hosts else ''} {ports} "
                 "return" for hosts, ports in self.allowed]
        return "\n".join([f"  chain {self.chain} {{", *lines, "    drop", "  }"])


def missing_means():
    """Why there can be no such network here, or None."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    for program in ("ip", "nft"):
        if shutil.which(program) is None:
            return f"the program {program} is not installed"
    if not pathlib.Path("/proc/self/ns/net").exists():
        return "this kernel has no network namespaces"
    return None
