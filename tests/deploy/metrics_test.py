"""Every metric that a dashboard, an alert, an autoscaler or a page of the documentation names is one
that a process exports; docs/metrics.md lists those, and another test holds it to running processes."""

import json
import re
import unittest

import chart

LISTED = re.compile(r"^\| `([a-zA-Z0-9_:]+)` \| (counter|gauge|histogram) \|", re.MULTILINE)
NAME = re.compile(r"(?<![\w.:/$-])(?:vllm:|sextant_|process_)[a-z0-9_]+(?:_\*)?(?![\w(-])(?!\.so)")
DASHBOARDS = {path.name: json.loads(path.read_text(encoding="utf-8"))
              for path in sorted((chart.CHART / "files" / "dashboards").glob("*.json"))}
PARTS_OF_HISTOGRAMS = ("_bucket", "_sum", "_count")


def exported():
    page = (chart.ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    names = set()
    for name, kind in LISTED.findall(page):
        names.add(name)
        if kind == "histogram":
            names |= {name + part for part in PARTS_OF_HISTOGRAMS}
    return names


def pages():
    yield chart.CHART / "files" / "alerts.yaml"
    yield chart.ROOT / "tests" / "deploy" / "alerts.yaml"
    yield from sorted((chart.CHART / "files" / "dashboards").glob("*.json"))
    yield from sorted((chart.CHART / "templates").rglob("*.yaml"))
    yield from sorted(chart.CHART.parent.rglob("examples/*.yaml"))
    yield chart.CHART / "values.yaml"
    yield from sorted((chart.ROOT / "docs").rglob("*.md"))
    yield from sorted((chart.ROOT / "deploy").rglob("*.md"))


class MetricsTest(unittest.TestCase):
    def test_every_metric_that_is_named_is_exported(self):
        known = exported()
        self.assertGreater(len(known), 30)
        named = 0
        for page in pages():
            text = page.read_text(encoding="utf-8")
            found = {name for name in NAME.findall(text) if not name.endswith("_")}
            named += len(found)
            with self.subTest(page=str(page.relative_to(chart.ROOT))):
                self.assertEqual(sorted(found - known), [])
        self.assertGreater(named, 80)

    def test_the_check_sees_a_name_that_is_none(self):
        self.assertEqual(NAME.findall("rate(sextant_exprt_tokens_total[5m]) / vllm:x"),
                         ["sextant_exprt_tokens_total", "vllm:x"])

    def test_the_overview_and_the_exchange_show_what_their_process_exports(self):
        """What is exported and of ours is on a dashboard: a metric that nobody looks at is noise."""
        shown = "".join(json.dumps(board) for board in DASHBOARDS.values())
        page = (chart.ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
        unseen = {name for name, _ in LISTED.findall(page) if name not in shown}
        self.assertEqual(unseen, {"vllm:request_prompt_tokens", "vllm:request_generation_tokens"})


class DashboardsTest(unittest.TestCase):
    def test_panels_have_what_a_reader_needs(self):
        self.assertEqual(sorted(DASHBOARDS), ["experts.json", "overview.json"])
        for name, board in DASHBOARDS.items():
            ids = [panel["id"] for panel in board["panels"]]
            self.assertEqual(len(ids), len(set(ids)), name)
            taken = set()
            for panel in board["panels"]:
                with self.subTest(name, panel=panel["title"]):
                    place = panel["gridPos"]
                    cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                             for y in range(place["y"], place["y"] + place["h"])}
                    self.assertLessEqual(place["x"] + place["w"], 24)
                    self.assertFalse(cells & taken, "two panels in one place")
                    taken |= cells
                    if panel["type"] != "row":
                        self.assertTrue(panel["description"].endswith("."))
                        self.assertTrue(panel["fieldConfig"]["defaults"]["unit"])
                        self.assertTrue(panel["targets"])

    def test_the_overview_asks_the_three_questions(self):
        rows = [panel["title"] for panel in DASHBOARDS["overview.json"]["panels"]
                if panel["type"] == "row"]
        self.assertEqual(rows, ["Is it healthy?", "Is it fast?", "What will run out first?"])

    def test_each_dashboard_becomes_a_config_map_that_holds_it(self):
        rendered = chart.objects({"monitoring": {"dashboards": {"enabled": True}}})
        for name, board in DASHBOARDS.items():
            item = rendered["ConfigMap", f"demo-sextant-dashboard-{name.removesuffix('.json')}"]
            self.assertEqual(json.loads(item["data"][f"sextant-{name}"]), board)
            self.assertEqual(item["metadata"]["labels"]["grafana_dashboard"], "1")


if __name__ == "__main__":
    unittest.main()
