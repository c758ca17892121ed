"""Each value of the chart, changed alone: the schema takes it, Helm renders it, the objects are valid,
and something of them has changed, as a value that does nothing is a mistake.

What only decides whether the model fits into memory is flipped in refusals_test.py.
"""

import unittest

import chart
import yaml

FLIPS = yaml.safe_load((chart.ROOT / "tests" / "deploy" / "flips.yaml").read_text(encoding="utf-8"))
ONLY_FOR_REFUSALS = {"model.routedExperts", "model.expertBytes", "model.attentionBytes",
                     "model.cacheTokenBytes", "node.gpuMemory"}


def leaves(values, path=""):
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{path}{key}.")
        else:
            yield path + key


class ValuesTest(unittest.TestCase):
    maxDiff = None

    def test_every_value_is_flipped(self):
        flipped = {path for group in FLIPS for path in group["flips"]}
        expected = {path.replace("dashboards.labels.grafana_dashboard", "dashboards.labels")
                    for path in leaves(chart.DEFAULTS)}
        self.assertEqual(flipped | ONLY_FOR_REFUSALS, expected)

    def test_each_value_alone_renders_something_valid_and_different(self):
        for group in FLIPS:
            before = chart.objects(group["with"])
            for path, value in group["flips"].items():
                with self.subTest(path):
                    after = chart.objects(chart.merged(group["with"], chart.at_path(path, value),
                                                       group.get("besides", {})))
                    changed = [item for key, item in after.items() if before.get(key) != item]
                    self.assertTrue(changed or before.keys() - after.keys(),
                                    "this value changes nothing")
                    for version in (group.get("from", "1.29"), chart.kubernetes_versions()[-1]):
                        problems = [problem for item in changed
                                    for problem in chart.kubernetes_problems(item, version)]
                        self.assertEqual(problems, [])

    def test_every_value_has_a_description(self):
        def undescribed(schema, path=""):
            for key, value in schema.get("properties", {}).items():
                if "description" not in value:
                    yield path + key
                yield from undescribed(value, f"{path}{key}.")

        schema = chart.loaded().schema
        found = list(undescribed(schema))
        for name, definition in schema["$defs"].items():
            found += undescribed(definition, f"{name}.")
        self.assertEqual(found, [])


if __name__ == "__main__":
    unittest.main()
