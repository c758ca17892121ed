"""Wrong values are refused before anything is installed: misspelt ones by the schema, those that do
not fit each other in a sentence that says what to do."""

import subprocess
import sys
import unittest

import chart
import helm_python

LITE = {"model": {"name": "lite", "source": "pvc", "pvc": {"claimName": "lite"}}}
ROOMY = {**LITE, "node": {"resources": {"limits": {"memory": "64Gi"}}}}
CARD = {**LITE, "backend": "cuda", "node": {"gpus": 3, "gpuMemory": "80Gi"}}
APART = {"layout": "apart"}
WHOLE = {"layout": "whole"}
HPA = {"autoscaling": {"replicasBy": "hpa"}}


def refusal(*layers):
    """What Helm says against these values, or None."""
    try:
        chart.render(chart.merged(*layers))
    except (helm_python.HelmValuesError, helm_python.HelmRenderError) as error:
        return str(error)
    return None


class RefusalsTest(unittest.TestCase):
    def expect(self, layers, *parts):
        said = refusal(*layers)
        self.assertIsNotNone(said, f"nothing is said against {layers}")
        for part in parts:
            self.assertIn(part, said)

    def test_what_the_others_change_is_accepted(self):
        for layers in (ROOMY, CARD, APART, WHOLE, HPA):
            self.assertIsNone(refusal(layers))
        for layers in ((ROOMY, WHOLE), (CARD, WHOLE), (WHOLE, HPA)):
            self.assertIsNone(refusal(*layers))

    def test_a_typing_mistake_is_named_wherever_it_is(self):
        for path in ("expertWorker.perNode", "expertWorkers.pernode", "router.que", "node.gpu",
                     "pod.toleration", "node.pod.toleration", "router.pod.toleration",
                     "attentionWorkers.node.shareMemory", "attentionWorkers.node.pod.label",
                     "router.service.prot", "monitoring.rules.enable", "model.pvc.claim",
                     "pod.startupProbe.period", "node.resources.limit"):
            with self.subTest(path):
                names = path.split(".")
                unknown = names[0] if names[0] not in chart.DEFAULTS else names[-1]
                self.expect([chart.at_path(path, 1)], f"additional properties '{unknown}' not allowed")

    def test_another_type_or_word_is_refused_at_its_place(self):
        for path, value in (("expertWorkers.perNode", "two"), ("expertWorkers.perNode", 1.5),
                            ("expertWorkers.perNode", -1), ("router.queue", 0), ("backend", "rocm"),
                            ("engine.dtype", "int8"), ("layout", "together"),
                            ("node.sharedMemory", "1 GB"), ("image.routerDigest", "latest"),
                            ("model.name", "a/b"), ("node.nccl", {"CUDA_X": "1"}),
                            ("model.download.files", {"../config.json": "0" * 64}),
                            ("model.download.files", {"config.json": "abc"}),
                            ("node.disruptionBudget", {"minAvailable": 1})):
            with self.subTest(path, value=value):
                self.expect([chart.at_path(path, value)], f"at '/{path.replace('.', '/')}")

    def test_no_worker_of_a_kind(self):
        self.expect([chart.at_path("expertWorkers.perNode", 0)],
                    "there is no expert worker", "set both to at least 1")
        self.expect([chart.at_path("expertWorkers.nodes", 0)], "there is no expert worker")
        self.expect([chart.at_path("attentionWorkers.perNode", 0)],
                    "there is no attention worker", "at least 1")
        self.expect([APART, chart.at_path("attentionWorkers.nodes", 0)], "there is no attention worker")

    def test_more_expert_workers_than_experts(self):
        self.expect([chart.at_path("expertWorkers.perNode", 70)],
                    "(70) is 70 expert workers", "64 experts", "at most 64")
        self.expect([{"expertWorkers": {"nodes": 9, "perNode": 8}}], "is 72 expert workers")
        self.expect([ROOMY, {"model": {"routedExperts": 8}, "expertWorkers": {"perNode": 9}}],
                    "8 experts", "at most 8")
        self.assertIsNone(refusal({"expertWorkers": {"nodes": 8, "perNode": 8}}))

    def test_too_many_attention_workers(self):
        self.expect([APART, {"attentionWorkers": {"nodes": 13, "perNode": 5}}], "65 attention workers")

    def test_numbers_of_whole_workers(self):
        for nodes, each in ((0, 1), (1, 0), (9, 8)):
            self.expect([WHOLE, {"wholeWorkers": {"nodes": nodes, "perNode": each}}],
                        f"is {nodes * each} whole workers", "1 to 64")
        self.assertIsNone(refusal(WHOLE, {"wholeWorkers": {"nodes": 8, "perNode": 8}}))
        # Those of the other layouts are not looked at.
        self.assertIsNone(refusal(WHOLE, chart.at_path("expertWorkers.perNode", 0)))

    def test_a_whole_worker_holds_the_whole_model(self):
        self.expect([LITE, WHOLE], "memory limit of 2Gi", "29.3 GiB of weights")
        self.assertIsNone(refusal(ROOMY, WHOLE, chart.at_path("node.resources.limits.memory", "31Gi")))
        # On CPUs those of a pod share the pages, on GPUs each has a card of its own.
        self.assertIsNone(refusal(ROOMY, WHOLE, {"wholeWorkers": {"perNode": 3},
                                                 "node": {"resources": {"limits": {"memory": "32Gi"}}}}))
        self.expect([CARD, WHOLE, {"wholeWorkers": {"perNode": 4}}], "4 whole workers and 3 GPUs",
                    "raise node.gpus")
        self.expect([CARD, WHOLE, {"node": {"gpus": 4, "gpuMemory": "24Gi"}, "wholeWorkers": {"perNode": 4}}],
                    "24Gi (node.gpuMemory)")
        self.assertIsNone(refusal(CARD, WHOLE, {"node": {"gpus": 4, "gpuMemory": "40Gi"},
                                                "wholeWorkers": {"perNode": 4}}))

    def test_a_gpu_computes_in_bf16_alone(self):
        fp32 = chart.at_path("engine.dtype", "fp32")
        self.expect([CARD, WHOLE, fp32], "a GPU computes in bf16 alone", "set engine.dtype to bf16")
        self.assertIsNone(refusal(ROOMY, WHOLE, fp32))

    def test_a_cache_without_a_size_is_what_the_backend_makes_of_it(self):
        unsized = chart.at_path("engine.cacheTokens", 0)
        memory = chart.at_path("node.resources.limits.memory", "30Gi")
        default = refusal(ROOMY, memory)
        self.assertIn("of latent cache", default)
        self.assertEqual(refusal(ROOMY, memory, unsized), default)
        self.assertIsNone(refusal(CARD, WHOLE, unsized))

    def test_settings_that_do_nothing_in_this_layout(self):
        self.expect([chart.at_path("attentionWorkers.nodes", 3)], "only with layout: apart",
                    "expertWorkers.nodes is their number")
        self.expect([chart.at_path("expertWorkers.node.gpus", 3)], "only with layout: apart")
        self.expect([WHOLE, chart.at_path("expertWorkers.node.gpus", 3)], "only with layout: apart")

    def test_memory_that_cannot_hold_the_model(self):
        self.expect([LITE], "memory limit of 2Gi", "need 30.2 GiB", "29.3 GiB of weights",
                    "raise node.resources.limits.memory")
        self.expect([ROOMY, chart.at_path("node.resources.limits.memory", "30G")], "30G")
        self.assertIsNone(refusal(ROOMY, chart.at_path("node.resources.limits.memory", "31Gi")))
        self.expect([ROOMY, chart.at_path("node.resources.limits.memory", "31Gi"),
                     chart.at_path("engine.cacheTokens", 65536)], "1.9 GiB of latent cache")
        # A part of the experts on each of several nodes; all of the attention weights.
        shared = chart.merged(ROOMY, {"expertWorkers": {"nodes": 4, "perNode": 1},
                                      "node": {"resources": {"limits": {"memory": "11Gi"}}}})
        self.assertIsNone(refusal(shared))
        self.expect([shared, chart.at_path("router.spareExperts", 8)], "memory limit of 11Gi")
        self.expect([shared, chart.at_path("router.replicatedExperts", 32)], "memory limit of 11Gi")
        self.expect([shared, chart.at_path("engine.dtype", "fp32")], "memory limit of 11Gi")
        self.expect([shared, chart.at_path("model.expertBytes", 900000000)], "memory limit of 11Gi")
        self.expect([shared, chart.at_path("model.attentionBytes", 9000000000)], "memory limit of 11Gi")
        self.expect([shared, chart.at_path("model.cacheTokenBytes", 900000)], "memory limit of 11Gi")

    def test_a_limit_of_one_kind_of_node(self):
        self.expect([ROOMY, APART, chart.at_path("expertWorkers.node.resources.limits.memory", "8Gi")],
                    "a pod of kind expert", "8Gi")
        self.assertIsNone(refusal(
            ROOMY, APART, chart.at_path("attentionWorkers.node.resources.limits.memory", "8Gi")))

    def test_cards_that_cannot_hold_the_model(self):
        self.expect([CARD, chart.at_path("node.gpuMemory", "24Gi")], "a GPU of a pod of kind node",
                    "24Gi (node.gpuMemory)", "larger GPUs")
        self.expect([CARD, {"node": {"gpus": 4, "gpuMemory": "16Gi"}, "expertWorkers": {"perNode": 1}}],
                    "16Gi")
        self.assertIsNone(refusal(CARD, {"node": {"gpus": 4, "gpuMemory": "16Gi"},
                                         "engine": {"expertSlots": 30},
                                         "expertWorkers": {"perNode": 3}}))
        # Two expert workers hold 32 each.
        self.expect([CARD, chart.at_path("engine.expertSlots", 30)], "engine.expertSlots is 30",
                    "holds 32 experts")
        self.expect([CARD, chart.at_path("engine.mostRanks", 2)], "there are 3 attention and expert workers",
                    "engine.mostRanks allows 2")

    def test_cards_and_workers_that_do_not_fit(self):
        self.expect([CARD, chart.at_path("node.gpus", 0)], "has no GPU", "set node.gpus")
        self.expect([CARD, {"node": {"gpus": 2}}], "3 workers and 2 GPUs", "raise node.gpus")
        self.expect([chart.at_path("node.gpus", 1)], "backend is cpu")

    def test_a_model_that_is_nowhere(self):
        for source, key in (("pvc", "pvc.claimName"), ("hostPath", "hostPath.path"),
                            ("image", "image.reference"), ("download", "download.url")):
            self.expect([{"model": {"name": "lite", "source": source}}],
                        f"model.source is {source}, but model.{key} is empty")
        self.expect([{"model": {"name": "lite"}}], "the bundled model is called demo")
        self.expect([ROOMY, {"model": {"source": "download", "download": {"url": "https://h/m"}}}],
                    "model.download.files must list every file")

    def test_an_image_as_volume_needs_a_kubernetes_that_has_them(self):
        # Only lint takes a version of Kubernetes, and what `fail` says it writes to standard error.
        values = chart.merged(ROOMY, {"model": {"source": "image", "image": {"reference": "a:1"}}})
        lint = "import helm_python, sys; helm_python.lint(sys.argv[1], {values!r}, kube_version='{version}')"
        for version, refused in (("v1.30.0", True), ("v1.33.0", False)):
            run = subprocess.run(
                [sys.executable, "-c", lint.format(values=values, version=version), chart.CHART],
                stderr=subprocess.PIPE, text=True, check=True, timeout=60)
            self.assertEqual("model.source image needs Kubernetes 1.31" in run.stderr, refused)

    def test_times_that_cut_streams_off(self):
        self.expect([{"drainSeconds": 90}], "router.waitSeconds (90) must be more than drainSeconds (90)")
        for path, needs in (("router.pod", 35), ("node.pod", 30)):
            self.expect([chart.at_path(f"{path}.terminationGracePeriodSeconds", needs)],
                        f"terminationGracePeriodSeconds ({needs}) must be more", f"({needs}), or streams")

    def test_an_autoscaler_out_of_bounds(self):
        self.expect([HPA, {"autoscaling": {"minNodes": 5, "maxNodes": 4}}], "autoscaling.minNodes")
        self.expect([HPA, {"autoscaling": {"maxNodes": 33}}], "autoscaling.maxNodes (33)")


if __name__ == "__main__":
    unittest.main()
