"""The small controllers of this folder do what those of Kubernetes would, and the rules of policies are
those that they ask for."""

import dataclasses
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from policies import pod_rules, selects  # noqa: E402
from workloads import deployment_step, stateful_set_step, template_hash  # noqa: E402


@dataclasses.dataclass
class FakePod:
    name: str
    revision: str
    ready: bool = True
    terminating: float | None = None
    labels: dict = dataclasses.field(default_factory=dict)
    address: str = "10.88.0.1"


def workload(replicas, **spec):
    return {"metadata": {"name": "w"}, "spec": {"replicas": replicas, "template": {"a": 1}, **spec}}


def deployment(item, pods):
    names = iter("xyz")
    step = deployment_step(item, pods, lambda: next(names))
    return step.create, [pod.name for pod in step.delete]


def stateful_set(item, pods):
    step = stateful_set_step(item, pods)
    return step.create, [pod.name for pod in step.delete]


class DeploymentTest(unittest.TestCase):
    def setUp(self):
        self.item = workload(1, strategy={"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}})
        self.now = template_hash(self.item)

    def test_a_new_pod_is_ready_before_an_old_one_goes(self):
        old = FakePod("old", "before")
        self.assertEqual(deployment(self.item, [old]), (["x"], []))
        new = FakePod("new", self.now, ready=False)
        self.assertEqual(deployment(self.item, [old, new]), ([], []))
        new.ready = True
        self.assertEqual(deployment(self.item, [old, new]), ([], ["old"]))
        old.terminating = 1
        self.assertEqual(deployment(self.item, [old, new]), ([], []))

    def test_recreate_waits_until_the_old_ones_are_gone(self):
        item = workload(2, strategy={"type": "Recreate"})
        old = FakePod("old", "before")
        self.assertEqual(deployment(item, [old]), ([], ["old"]))
        old.terminating = 1
        self.assertEqual(deployment(item, [old]), ([], []))
        self.assertEqual(deployment(item, []), (["x", "y"], []))

    def test_replicas_change(self):
        pods = [FakePod(name, self.now) for name in "abc"]
        self.assertEqual(deployment(self.item, pods), ([], ["b", "c"]))
        self.assertEqual(deployment({**self.item, "spec": self.item["spec"] | {"replicas": 3}},
                                    pods[:1]), (["x", "y"], []))


class StatefulSetTest(unittest.TestCase):
    def pods(self, item, *revisions):
        return [FakePod(f"w-{i}", revision or template_hash(item))
                for i, revision in enumerate(revisions)]

    def test_pods_are_made_in_parallel_or_one_by_one(self):
        self.assertEqual(stateful_set(workload(2, podManagementPolicy="Parallel"), []),
                         (["w-0", "w-1"], []))
        item = workload(2)
        self.assertEqual(stateful_set(item, []), (["w-0"], []))
        pods = self.pods(item, None)
        pods[0].ready = False
        self.assertEqual(stateful_set(item, pods), ([], []))
        pods[0].ready = True
        self.assertEqual(stateful_set(item, pods), (["w-1"], []))

    def test_the_last_is_rolled_first_and_alone(self):
        item = workload(2, podManagementPolicy="Parallel")
        pods = self.pods(item, "before", "before")
        self.assertEqual(stateful_set(item, pods), ([], ["w-1"]))
        pods[1].terminating = 1
        self.assertEqual(stateful_set(item, pods), ([], []))
        self.assertEqual(stateful_set(item, pods[:1]), (["w-1"], []))
        pods[1] = FakePod("w-1", template_hash(item), ready=False)
        self.assertEqual(stateful_set(item, pods), ([], []))
        pods[1].ready = True
        self.assertEqual(stateful_set(item, pods), ([], ["w-0"]))

    def test_the_last_leave_when_there_are_too_many(self):
        item = workload(1)
        self.assertEqual(stateful_set(item, self.pods(item, None, None, None)), ([], ["w-2"]))


class PoliciesTest(unittest.TestCase):
    def test_selectors(self):
        labels = {"a": "1"}
        self.assertTrue(selects({}, labels))
        self.assertFalse(selects(None, labels))
        self.assertFalse(selects({"matchLabels": {"a": "2"}}, labels))
        self.assertTrue(selects({"matchExpressions": [
            {"key": "a", "operator": "In", "values": ["1"]},
            {"key": "b", "operator": "DoesNotExist"}]}, labels))

    def test_what_is_not_allowed_is_dropped(self):
        pods = [FakePod("a", "", labels={"role": "a"}, address="10.88.0.1"),
                FakePod("b", "", labels={"role": "b"}, address="10.88.0.2")]
        policy = {"spec": {"podSelector": {"matchLabels": {"role": "a"}}, "policyTypes": ["Ingress"],
                           "ingress": [{"from": [{"podSelector": {"matchLabels": {"role": "b"}}}],
                                        "ports": [{"port": 1, "endPort": 9}]}]}}
        rule, = pod_rules([policy], pods, "default")
        self.assertEqual((rule.address, rule.end), ("10.88.0.1", "daddr"))
        self.assertEqual(rule.allowed, [(["10.88.0.2"], "tcp dport 1-9")])
        self.assertTrue(rule.text().endswith("    drop\n  }"))

    def test_a_rule_for_nobody_allows_nothing(self):
        pods = [FakePod("a", "", labels={"role": "a"})]
        policy = {"spec": {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [
            {"from": [{"podSelector": {"matchLabels": {"role": "none"}}}]}]}}
        rule, = pod_rules([policy], pods, "default")
        self.assertEqual(rule.allowed, [])


if __name__ == "__main__":
    unittest.main()
