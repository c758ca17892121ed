"""The commands of the pages about the chart: Helm renders what they set, and kubectl's objects are
among those that it renders. What they run of `sextant` is held to the program by tests/docs."""

import pathlib
import re
import shlex
import sys
import tempfile
import unittest

import chart
import helm_python
import yaml

sys.path.insert(0, str(chart.ROOT / "tests" / "docs"))
import commands  # noqa: E402

PAGES = [chart.ROOT / "docs" / "operations.md", chart.CHART / "README.md"]
OPTIONS = {"--namespace", "--values", "--set", "--create-namespace", "--reset-then-reuse-values", "--logs",
           "--dry-run=server"}
OBJECT = re.compile(r"(?:^|\s)(deployment|statefulset|service|pod)/([a-z0-9-]+)")
KINDS = {"deployment": "Deployment", "statefulset": "StatefulSet", "service": "Service"}


def values_of(words, before):
    """The values of a `helm install` or `helm upgrade`."""
    values = before if "--reset-then-reuse-values" in words else {}
    for option, argument in zip(words, words[1:]):
        if option == "--values":
            file = chart.ROOT / argument
            values = chart.merged(values, yaml.safe_load(file.read_text(encoding="utf-8")))
        elif option == "--set":
            values = chart.merged(values, helm_python.parse_set_string(argument))
    return values


def problems(page):
    text = page.read_text(encoding="utf-8")
    values, rendered = {}, {}
    for command in commands.commands(text):
        words = shlex.split(command)
        if words[:2] in (["helm", "install"], ["helm", "upgrade"]):
            if not (chart.ROOT / words[3]).samefile(chart.CHART):
                yield f"{command}: {words[3]} is not the chart"
            options = {word for word in words[4:] if word.startswith("-")}
            if not options <= OPTIONS:
                yield f"{command}: {sorted(options - OPTIONS)}"
            try:
                values = values_of(words, values)
                rendered = rendered | chart.objects(values, name=words[2])
            except (helm_python.HelmError, OSError) as error:
                yield f"{command}: {error}"
        elif words[0] == "kubectl":
            for kind, name in OBJECT.findall(command):
                if kind == "pod":
                    kind, name = "statefulset", name.rpartition("-")[0]
                if (KINDS[kind], name) not in rendered:
                    yield f"{command}: there is no {kind} {name}"


class DocumentsTest(unittest.TestCase):
    def test_the_commands_of_the_pages_hold(self):
        for page in PAGES:
            with self.subTest(page=page.name):
                self.assertEqual(list(problems(page)), [])

    def test_a_command_that_would_fail_is_found(self):
        folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        page = folder / "page.md"
        page.write_text("```console\n"
                        "$ helm install demo deploy/helm/sextant --set expertWorkers.perNodes=4\n"
                        "$ kubectl get pod/other-node-0\n```\n", encoding="utf-8")
        self.assertEqual(len(list(problems(page))), 2)

    def test_the_notes_after_an_installation_name_what_is_there(self):
        for name, values in chart.PRESETS.items():
            rendered = chart.objects(values)
            notes = chart.render(values)["NOTES.txt"]
            found = OBJECT.findall(notes)
            self.assertGreaterEqual(len(found), 3, name)
            for kind, title in found:
                self.assertIn((KINDS[kind], title), rendered, name)


if __name__ == "__main__":
    unittest.main()
