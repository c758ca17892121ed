"""Every preset lints without a finding, and what it renders is valid in every Kubernetes from 1.29
to the newest whose schemas are at hand."""

import unittest

import chart
import helm_python


class PresetsTest(unittest.TestCase):
    cases = {"the defaults": {}, **chart.PRESETS}

    def test_the_presets_are_those_that_the_documentation_names(self):
        self.assertEqual(sorted(chart.PRESETS), ["cpu-demo", "disaggregated", "multi-node-8x80g",
                                                 "node-8x80g", "single-40g"])

    def test_helm_lint_has_no_finding(self):
        for name, values in self.cases.items():
            with self.subTest(name):
                report = helm_python.lint(chart.CHART, values, strict=True, kube_version="v1.29.0")
                self.assertEqual((report["messages"], report["errors"]), ([], []))

    def test_objects_are_valid_in_every_kubernetes(self):
        versions = chart.kubernetes_versions()
        self.assertGreaterEqual(len(versions), 9)
        self.assertEqual(versions[0], "1.29")
        for name, values in self.cases.items():
            # With everything on that only some want.
            everything = chart.merged(values, {"monitoring": {
                part: {"enabled": True} for part in ("podMonitor", "rules", "dashboards")}})
            rendered = chart.objects(everything)
            self.assertGreater(len(rendered), 14)
            for version in versions:
                with self.subTest(name, version=version):
                    problems = [problem for item in rendered.values()
                                for problem in chart.kubernetes_problems(item, version)]
                    self.assertEqual(problems, [])

    def test_the_check_of_objects_sees_a_mistake(self):
        item = chart.objects()["Deployment", "demo-sextant-router"]
        item["spec"]["template"]["spec"]["containers"][0]["imagePullPolicies"] = "Always"
        item["spec"]["replicas"] = "two"
        self.assertEqual(len(list(chart.kubernetes_problems(item, "1.29"))), 2)


if __name__ == "__main__":
    unittest.main()
