"""promtool on the alerts and on every query of the dashboards: they parse, each alert fires when it
should and not before, and each has a runbook."""

import json
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

import chart
import yaml

PROMTOOL = os.environ.get("PROMTOOL") or "promtool"
ALERTS = chart.CHART / "files" / "alerts.yaml"
CASES = chart.ROOT / "tests" / "deploy" / "alerts.yaml"
RUNBOOKS = chart.ROOT / "docs" / "operations.md"


def alerts(text=None):
    groups = yaml.safe_load(text or ALERTS.read_text(encoding="utf-8"))["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def promtool(*arguments):
    return subprocess.run([PROMTOOL, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False, timeout=60)


class RulesTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="sextant-rules-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def check(self, rules):
        file = self.folder / "rules.yaml"
        file.write_text(yaml.safe_dump(rules), encoding="utf-8")
        return promtool("check", "rules", file)

    def test_the_alerts_parse_also_as_the_chart_renders_them(self):
        run = promtool("check", "rules", ALERTS)
        self.assertEqual(run.returncode, 0, run.stdout)
        rendered = chart.objects({"monitoring": {"rules": {"enabled": True}}})
        run = self.check(rendered["PrometheusRule", "demo-sextant-alerts"]["spec"])
        self.assertEqual(run.returncode, 0, run.stdout)

    def test_each_alert_fires_when_it_should(self):
        cases = yaml.safe_load(CASES.read_text(encoding="utf-8"))
        tested = {case["alertname"] for test in cases["tests"] for case in test["alert_rule_test"]
                  if case["exp_alerts"]}
        self.assertEqual(tested, alerts().keys())
        file = self.folder / "cases.yaml"
        file.write_text(yaml.safe_dump({"rule_files": [str(ALERTS)], **cases}), encoding="utf-8")
        run = promtool("test", "rules", file)
        self.assertEqual(run.returncode, 0, run.stdout)

    def test_a_wrong_expectation_fails(self):
        file = self.folder / "cases.yaml"
        file.write_text(yaml.safe_dump({"rule_files": [str(ALERTS)], "tests": [{
            "interval": "1m", "input_series": [], "alert_rule_test": [
                {"eval_time": "9m", "alertname": "SextantNoRouter", "exp_alerts": []}]}]}),
            encoding="utf-8")
        self.assertNotEqual(promtool("test", "rules", file).returncode, 0)

    def test_every_query_of_a_dashboard_parses(self):
        rules = []
        for path in sorted((chart.CHART / "files" / "dashboards").glob("*.json")):
            board = json.loads(path.read_text(encoding="utf-8"))
            queries = [target["expr"] for panel in board["panels"]
                       for target in panel.get("targets", [])]
            queries += [annotation["expr"] for annotation in board["annotations"]["list"]]
            for query in queries:
                query = query.replace("$__rate_interval", "5m")
                rules.append({"record": f"query:{len(rules)}",
                              "expr": re.sub(r"\$\w+", ".*", query)})
        self.assertGreater(len(rules), 50)
        run = self.check({"groups": [{"name": "dashboards", "rules": rules}]})
        self.assertEqual(run.returncode, 0, run.stdout)

    def test_each_alert_has_a_runbook_and_the_chart_says_where(self):
        sections = re.findall(r"^### (\w+)$", RUNBOOKS.read_text(encoding="utf-8"), re.MULTILINE)
        self.assertEqual(sections, list(alerts()))
        rendered = chart.objects({"monitoring": {"rules": {
            "enabled": True, "runbookUrl": "https://example.com/operations"}}})
        rules = yaml.safe_dump(rendered["PrometheusRule", "demo-sextant-alerts"]["spec"])
        for name, rule in alerts(rules).items():
            self.assertEqual(rule["annotations"]["runbook_url"],
                             f"https://example.com/operations#{name.lower()}")
            self.assertLessEqual({"summary", "description"}, rule["annotations"].keys())
            self.assertIn(rule["labels"]["severity"], ("critical", "warning", "info"))

    def test_an_alert_can_be_left_out(self):
        rendered = chart.objects({"monitoring": {"rules": {
            "enabled": True, "disabled": ["SextantExpertsUneven"]}}})
        rules = yaml.safe_dump(rendered["PrometheusRule", "demo-sextant-alerts"]["spec"])
        self.assertEqual(alerts().keys() - alerts(rules).keys(), {"SextantExpertsUneven"})


if __name__ == "__main__":
    unittest.main()
