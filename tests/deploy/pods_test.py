"""What the rendered objects promise: what running pods follow restarts none, every Service and policy
finds its pods, and no pod may do more than the restricted standard allows."""

import ipaddress
import unittest

import chart
import yaml

PARTS = {"monitoring": {part: {"enabled": True} for part in ("podMonitor", "rules", "dashboards")}}
RECOMMENDED = {f"app.kubernetes.io/{key}" for key in
               ("name", "instance", "version", "component", "part-of", "managed-by")}
RELEASES = {name: chart.objects(chart.merged(values, PARTS))
            for name, values in {"the defaults": {}, **chart.PRESETS}.items()}


def selects(selector, labels):
    return selector.items() <= labels.items()


def config(rendered, name):
    return yaml.safe_load(rendered["ConfigMap", name]["data"]["sextant.yaml"])


class PodsTest(unittest.TestCase):
    def each(self):
        for name, rendered in RELEASES.items():
            for key, template in chart.pod_templates(rendered):
                with self.subTest(name, pod=key):
                    yield rendered, key, template

    def test_numbers_of_workers_reach_running_pods_and_restart_none(self):
        for layout in ("colocated", "apart"):
            before = chart.objects({"layout": layout})
            after = chart.objects({"layout": layout, "expertWorkers": {"perNode": 4},
                                   "attentionWorkers": {"perNode": 2}})
            changed = {key for key in before if before[key] != after[key]}
            names = ["node"] if layout == "colocated" else ["attention", "expert"]
            self.assertEqual(changed, {("ConfigMap", f"demo-sextant-{name}") for name in names})
            self.assertEqual(config(after, f"demo-sextant-{names[-1]}")["node"]["expert_workers"], 4)
            self.assertEqual(config(after, f"demo-sextant-{names[0]}")["node"]["attention_workers"], 2)

    def test_the_number_of_whole_workers_reaches_running_pods(self):
        before = chart.objects({"layout": "whole"})
        after = chart.objects({"layout": "whole", "wholeWorkers": {"perNode": 3}})
        self.assertEqual({key for key in before if before[key] != after[key]},
                         {("ConfigMap", "demo-sextant-node")})
        counts = {key: value for key, value in config(after, "demo-sextant-node")["node"].items()
                  if key.endswith("_workers")}
        self.assertEqual(counts, {"attention_workers": 0, "expert_workers": 0, "whole_workers": 3})

    def test_workers_compute_on_what_the_backend_says(self):
        self.assertEqual(config(RELEASES["single-40g"], "demo-sextant-node")["engine"]["device"], "cuda")
        self.assertEqual(config(chart.objects({"layout": "whole"}), "demo-sextant-node")["engine"]["device"],
                         "cpu")
        ranks = config(RELEASES["node-8x80g"], "demo-sextant-node")["engine"]
        self.assertEqual([ranks["device"], ranks["expert_slots"], ranks["most_ranks"]], ["cuda", 0, 8])
        self.assertNotIn("device", config(chart.objects(), "demo-sextant-node")["engine"])

    def test_placement_reaches_the_running_router_and_restarts_nothing(self):
        before = chart.objects()
        for value, key in (("rebalance", "rebalance"), ("spareExperts", "spare_experts"),
                           ("replicatedExperts", "replicated_experts")):
            wanted = value == "rebalance" or 7
            after = chart.objects({"router": {value: wanted}})
            changed = {key for key in before if before[key] != after[key]}
            self.assertEqual(changed, {("ConfigMap", "demo-sextant-router")})
            self.assertEqual(config(after, "demo-sextant-router")["router"],
                             {**config(before, "demo-sextant-router")["router"], key: wanted})

    def test_the_router_for_gpus_admits_no_other_workers(self):
        def args(*layers):
            router = chart.objects(chart.merged(*layers))["Deployment", "demo-sextant-router"]
            return router["spec"]["template"]["spec"]["containers"][0]["args"]
        whole = {"layout": "whole"}
        gpus = {"backend": "cuda", "node": {"gpus": 1, "gpuMemory": "80Gi"}}
        self.assertEqual(args(whole, gpus), args(whole) + ["--numeric-profile", "cuda"])
        gpus["node"]["gpus"] = 3
        self.assertEqual(args(gpus), args() + ["--numeric-profile", "cuda"])

    def test_the_number_of_nodes_restarts_none(self):
        before, after = chart.objects(), chart.objects({"expertWorkers": {"nodes": 3}})
        key = ("StatefulSet", "demo-sextant-node")
        self.assertEqual([k for k in before if before[k] != after[k]], [key])
        self.assertEqual((before[key]["spec"].pop("replicas"), after[key]["spec"].pop("replicas")), (1, 3))
        self.assertEqual(before[key], after[key])

    def test_settings_that_need_a_restart_cause_one(self):
        for values, kind in (({"router": {"queue": 7}}, "Deployment"),
                             ({"router": {"waitSeconds": 77}}, "Deployment"),
                             ({"engine": {"cacheTokens": 77}}, "StatefulSet"),
                             ({"attentionWorkers": {"maxSequences": 7}}, "StatefulSet")):
            before, after = chart.objects(), chart.objects(values)
            changed = {key for key in before if key[0] in ("Deployment", "StatefulSet") and
                       before[key]["spec"]["template"] != after[key]["spec"]["template"]}
            self.assertEqual({key[0] for key in changed}, {kind}, values)

    def test_the_configuration_stays_a_folder_so_that_changes_arrive(self):
        for _, key, template in self.each():
            for container in template["spec"]["containers"]:
                for mount in container.get("volumeMounts", []):
                    self.assertNotIn("subPath", mount)

    def test_every_pod_meets_the_restricted_standard(self):
        for _, key, template in self.each():
            spec = template["spec"]
            self.assertEqual((spec["securityContext"]["runAsNonRoot"],
                              spec["securityContext"]["seccompProfile"]["type"]), (True, "RuntimeDefault"))
            self.assertNotEqual(spec["securityContext"]["runAsUser"], 0)
            self.assertIs(spec["automountServiceAccountToken"], False)
            for container in spec["containers"] + spec.get("initContainers", []):
                context = container["securityContext"]
                self.assertEqual(context, {"allowPrivilegeEscalation": False,
                                           "readOnlyRootFilesystem": True,
                                           "capabilities": {"drop": ["ALL"]}})
                self.assertIn("memory", container["resources"]["limits"])

    def test_everything_carries_the_recommended_labels(self):
        for name, rendered in RELEASES.items():
            for key, item in rendered.items():
                with self.subTest(name, object=key):
                    self.assertLessEqual(RECOMMENDED, item["metadata"]["labels"].keys())
                    self.assertEqual(item["metadata"]["namespace"], "inference")
        for _, key, template in self.each():
            self.assertLessEqual(RECOMMENDED, template["metadata"]["labels"].keys())

    def test_volumes_and_mounts_belong_together(self):
        for rendered, key, template in self.each():
            spec = template["spec"]
            volumes = {volume["name"] for volume in spec.get("volumes", [])}
            for claim in rendered[key]["spec"].get("volumeClaimTemplates", []):
                volumes.add(claim["metadata"]["name"])
            mounted = {mount["name"] for container in
                       spec["containers"] + spec.get("initContainers", [])
                       for mount in container.get("volumeMounts", [])}
            self.assertEqual(mounted, volumes)
            for volume in spec.get("volumes", []):
                if "configMap" in volume:
                    self.assertIn(("ConfigMap", volume["configMap"]["name"]), rendered)

    def test_selectors_find_pods_and_ports(self):
        for name, rendered in RELEASES.items():
            pods = [template for _, template in chart.pod_templates(rendered)]
            for (kind, title), item in rendered.items():
                spec = item.get("spec", {})
                selector = {"Service": lambda: spec["selector"],
                            "NetworkPolicy": lambda: spec["podSelector"]["matchLabels"]}.get(
                                kind, lambda: spec.get("selector", {}).get("matchLabels"))()
                if selector is None:
                    continue
                with self.subTest(name, object=(kind, title)):
                    found = [pod for pod in pods if selects(selector, pod["metadata"]["labels"])]
                    self.assertEqual(len(found), 1)
                    ports = {port["name"] for container in found[0]["spec"]["containers"]
                             for port in container.get("ports", [])}
                    for port in spec.get("ports", []):
                        self.assertIn(port["targetPort"], ports)
                    for endpoint in spec.get("podMetricsEndpoints", []):
                        self.assertIn(endpoint["port"], ports)

    def test_a_drain_ends_before_the_grace_period(self):
        for rendered, (kind, name), template in self.each():
            if kind != "Pod":
                pause = template["spec"]["containers"][0].get("lifecycle", {}).get(
                    "preStop", {}).get("sleep", {}).get("seconds", 0)
                self.assertEqual(pause > 0, kind == "Deployment")
                self.assertGreater(template["spec"]["terminationGracePeriodSeconds"],
                                   pause + config(rendered, name)["cluster"]["drain_seconds"])

    def test_the_probes_ask_the_port_that_answers(self):
        for rendered, (kind, name), template in self.each():
            if kind == "Pod":
                continue
            settings = config(rendered, name)
            listen = settings["router" if kind == "Deployment" else "node"]["listen"]
            port = int(listen[0].rpartition(":")[2])
            container = template["spec"]["containers"][0]
            asked = {probe: container[probe]["grpc"] for probe in
                     ("startupProbe", "readinessProbe", "livenessProbe")}
            self.assertEqual({probe["port"] for probe in asked.values()}, {port})
            # Only readiness looks beyond the process itself: nobody is restarted for another's fault.
            self.assertEqual([probe["service"] for probe in asked.values()],
                             ["", "workers" if kind == "StatefulSet" else "", ""])

    def test_the_router_is_replaced_by_one_that_is_there(self):
        strategy = RELEASES["cpu-demo"]["Deployment", "demo-sextant-router"]["spec"]["strategy"]
        self.assertEqual(strategy, {"type": "RollingUpdate",
                                    "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}})

    def test_nodes_reach_the_router_also_before_it_is_ready(self):
        for name, rendered in RELEASES.items():
            service = rendered["Service", "demo-sextant-workers"]["spec"]
            self.assertIs(service["publishNotReadyAddresses"], True)
            for (kind, title), item in rendered.items():
                if kind == "StatefulSet":
                    self.assertEqual(config(rendered, title)["node"]["router"],
                                     f"demo-sextant-workers:{service['ports'][0]['port']}")

    def test_each_worker_is_scraped_at_a_port_of_its_own(self):
        rendered = chart.objects(chart.merged(PARTS, {"expertWorkers": {"perNode": 3}}))
        endpoints = rendered["PodMonitor", "demo-sextant-node"]["spec"]["podMetricsEndpoints"]
        ports = [int(rule["replacement"].split(":")[1]) for endpoint in endpoints
                 for rule in endpoint.get("relabelings", [])]
        first = config(rendered, "demo-sextant-node")["node"]["worker_admin_port"]
        self.assertEqual(ports, [first, first + 64, first + 65, first + 66])

    def test_each_whole_worker_is_scraped_behind_the_ports_of_the_others(self):
        rendered = chart.objects(chart.merged(PARTS, {"layout": "whole", "wholeWorkers": {"perNode": 2}}))
        endpoints = rendered["PodMonitor", "demo-sextant-node"]["spec"]["podMetricsEndpoints"]
        ports = [int(rule["replacement"].split(":")[1]) for endpoint in endpoints
                 for rule in endpoint.get("relabelings", [])]
        first = config(rendered, "demo-sextant-node")["node"]["worker_admin_port"]
        self.assertEqual(ports, [first + 128, first + 129])

    def test_names_stay_short_enough_for_a_long_release(self):
        for layout in ("colocated", "apart"):
            for kind, name in chart.objects({**PARTS, "layout": layout}, name="r" * 53):
                # A label of each pod of a StatefulSet is the set's name and ten digits.
                self.assertLessEqual(len(name), 52 if kind == "StatefulSet" else 63)

    def test_an_autoscaler_has_the_number_of_nodes_for_itself(self):
        rendered = RELEASES["disaggregated"]
        target = rendered["HorizontalPodAutoscaler", "demo-sextant-attention"]["spec"]["scaleTargetRef"]
        self.assertNotIn("replicas", rendered[target["kind"], target["name"]]["spec"])
        self.assertEqual(rendered["StatefulSet", "demo-sextant-expert"]["spec"]["replicas"], 2)

    def test_cards_and_rdma_are_requested(self):
        rendered = RELEASES["disaggregated"]
        for name, gpus in (("attention", 2), ("expert", 8)):
            container = chart_container(rendered["StatefulSet", f"demo-sextant-{name}"])
            for part in ("requests", "limits"):
                self.assertEqual((container["resources"][part]["nvidia.com/gpu"],
                                  container["resources"][part]["rdma/hca"]), (gpus, 1))
            self.assertEqual(container["image"], "sextant-worker-cuda:0.1.0")


class PoliciesTest(unittest.TestCase):
    """Who may talk to whom, by the policies of a release with both kinds of node."""

    @classmethod
    def setUpClass(cls):
        cls.rendered = chart.objects({"layout": "apart"})
        cls.labels = {key[1].rpartition("-")[2]: template["metadata"]["labels"]
                      for key, template in chart.pod_templates(cls.rendered)}
        cls.labels["stranger"] = {"app": "other"}

    def rules(self, pod, direction):
        for (kind, _), item in self.rendered.items():
            if kind == "NetworkPolicy" and selects(item["spec"]["podSelector"]["matchLabels"],
                                                   self.labels[pod]):
                yield from item["spec"].get(direction, [])

    def passes(self, pod, direction, peer, port):
        for rule in self.rules(pod, direction):
            peers = rule.get("from" if direction == "ingress" else "to")
            if peers is not None and not any(
                    selects(p.get("podSelector", {}).get("matchLabels", {}), self.labels[peer])
                    for p in peers if "podSelector" in p):
                continue
            if any(p["port"] <= port <= p.get("endPort", p["port"]) for p in rule["ports"]):
                return True
        return False

    def allowed(self, source, target, port):
        leaves = source == "stranger" or self.passes(source, "egress", target, port)
        return leaves and self.passes(target, "ingress", source, port)

    def test_only_what_must_talk_may(self):
        pods = ("router", "attention", "expert", "test", "stranger")
        attention, expert = 7200, 7264
        wanted = {("router", "attention", attention), ("attention", "expert", expert),
                  ("attention", "router", 7070), ("expert", "router", 7070), ("test", "router", 7070),
                  ("stranger", "router", 7070)}
        found = {(source, target, port) for source in pods
                 for target in ("router", "attention", "expert", "test")
                 for port in (7070, 7080, attention, attention + 63, expert, expert + 63, 9400, 9401, 9500)
                 if source != target and self.allowed(source, target, port)}
        self.assertEqual({(source, target, port) for source, target, port in found
                          if port not in (attention + 63, expert + 63)}, wanted)
        self.assertIn(("attention", "expert", expert + 63), found)
        self.assertIn(("router", "attention", attention + 63), found)

    def test_whole_workers_speak_with_the_router_alone(self):
        rendered = chart.objects(chart.PRESETS["single-40g"])
        policy = rendered["NetworkPolicy", "demo-sextant-node"]["spec"]
        peers = [(peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"],
                  rule["ports"][0]["port"], rule["ports"][0].get("endPort"))
                 for part, key in (("ingress", "from"), ("egress", "to"))
                 for rule in policy[part] for peer in rule.get(key, []) if "podSelector" in peer]
        self.assertEqual(peers, [("router", 7328, 7391), ("router", 7070, None)])
        to_nodes = [rule["ports"] for rule in
                    rendered["NetworkPolicy", "demo-sextant-router"]["spec"]["egress"] if "to" in rule]
        self.assertEqual(to_nodes, [[{"port": 7328, "endPort": 7391}]])

    def test_clients_can_be_named(self):
        rendered = chart.objects({"networkPolicy": {"clients": [{"ipBlock": {"cidr": "10.1.0.0/16"}}]}})
        rule = rendered["NetworkPolicy", "demo-sextant-router"]["spec"]["ingress"][0]
        blocks = [peer["ipBlock"]["cidr"] for peer in rule["from"] if "ipBlock" in peer]
        self.assertEqual([ipaddress.ip_network(block).num_addresses for block in blocks], [65536])
        self.assertNotIn({"podSelector": {}}, rule["from"])


def chart_container(item):
    return item["spec"]["template"]["spec"]["containers"][0]


if __name__ == "__main__":
    unittest.main()
