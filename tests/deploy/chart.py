"""The chart as the tests of this folder see it: rendered by Helm itself."""

import functools
import json
import pathlib

import helm_python
import jsonschema
import kubernetes_validate
import referencing
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHART = ROOT / "deploy" / "helm" / "sextant"
PRESETS = {path.stem: yaml.safe_load(path.read_text(encoding="utf-8"))
           for path in sorted((CHART / "presets").glob("*.yaml"))}
DEFAULTS = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
# Of the Prometheus operator, whose objects kubernetes-validate does not know.
FOREIGN = {"monitoring.coreos.com/v1"}
OLDEST = (1, 29)


@functools.cache
def loaded():
    return helm_python.Chart.load(CHART)


def render(values=None, name="demo", namespace="inference"):
    """The texts of the templates, by their paths in the chart."""
    return {path.removeprefix("sextant/templates/"): text for path, text in
            loaded().render(values or {}, name=name, namespace=namespace).items()}


def objects(values=None, **release):
    """The rendered objects by kind and name; two of one name are an error."""
    found = {}
    for path, text in sorted(render(values, **release).items()):
        if not path.endswith(".txt"):
            for item in yaml.load_all(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
                if item is not None:
                    key = (item["kind"], item["metadata"]["name"])
                    if key in found:
                        raise ValueError(f"{path} renders a second {key}")
                    found[key] = item
    return found


def merged(*layers):
    """Helm's merging of values files: the later ones win, maps are merged."""
    out = {}
    for layer in layers:
        for key, value in layer.items():
            have = out.get(key)
            both = isinstance(have, dict) and isinstance(value, dict)
            out[key] = merged(have, value) if both else value
    return out


def at_path(path, value):
    """{"a": {"b": value}} for "a.b"."""
    for key in reversed(path.split(".")):
        value = {key: value}
    return value


def kubernetes_versions():
    versions = kubernetes_validate.utils.all_versions()
    return [text for text in dict.fromkeys(".".join(v.split(".")[:2]) for v in versions)
            if tuple(map(int, text.split("."))) >= OLDEST]


@functools.cache
def _schema_file(version, name):
    folder = (pathlib.Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema" /
              f"v{version}.0-local-strict")
    return json.loads((folder / name).read_text(encoding="utf-8"))


@functools.cache
def _definitions(version):
    return referencing.Resource.from_contents(
        _schema_file(version, "_definitions.json")) @ referencing.Registry()


@functools.cache
def _validator(version, kind, api_version):
    group, _, number = api_version.rpartition("/")
    name = "-".join(part for part in (kind.lower(), group.split(".")[0], number) if part)
    return jsonschema.Draft202012Validator(_schema_file(version, f"{name}.json"),
                                           registry=_definitions(version))


def kubernetes_problems(item, version):
    """What the strict schema of that Kubernetes finds wrong with an object."""
    if item["apiVersion"] in FOREIGN:
        return
    where = f"{item['kind']} {item['metadata']['name']} in Kubernetes {version}"
    try:
        validator = _validator(version, item["kind"], item["apiVersion"])
    except FileNotFoundError:
        yield f"{where}: there is no such kind in {item['apiVersion']}"
        return
    for error in validator.iter_errors(item):
        yield f"{where}: {error.json_path}: {error.message}"


def pod_templates(rendered):
    """The pod specifications of all objects, with their metadata, by kind and name."""
    for key, item in rendered.items():
        if item["kind"] == "Pod":
            yield key, item
        elif item["kind"] in ("Deployment", "StatefulSet"):
            yield key, item["spec"]["template"]
