"""What the chart's images hold: as they were built, or put together from the programs of this build,
the bundled model, and this machine's libraries."""

import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[3]
PROGRAMS = {
    "sextant-router": ("router", "sextant"),
    "sextant-worker-cpu": ("sextant", "attention_worker", "expert_worker"),
}
MODELS = "/usr/share/sextant/models"


def name_of(image):
    """"sextant-router" of "registry.example.com/sextant-router:1.0@sha256:..."."""
    return image.rsplit("/", 1)[-1].split("@")[0].split(":")[0]


class BuiltImages:
    """`folder` holds the files of each image, as tests/deploy/images leaves them."""

    def __init__(self, folder):
        self._folder = pathlib.Path(folder)

    def root(self, image):
        return str(self._folder / name_of(image).removeprefix("sextant-"))

    def mounts(self, _):
        return []

    def are_of(self, programs):
        """Whether they are there, and were built after the programs."""
        built = [self._folder / name.removeprefix("sextant-") / "usr/local/bin" / program
                 for name, inside in PROGRAMS.items() for program in inside]
        return all(path.exists() and path.stat().st_mtime >= (programs / path.name).stat().st_mtime
                   for path in built)


class ProgramsOfThisBuild:
    """`programs` is the folder that they were built in."""

    def __init__(self, programs):
        self._programs = pathlib.Path(programs)

    def root(self, _):
        return None

    def mounts(self, image):
        found = [(self._programs / program, f"/usr/local/bin/{program}")
                 for program in PROGRAMS[name_of(image)]]
        found.append((ROOT / "models", MODELS))
        return [{"source": str(source), "target": target, "read_only": True}
                for source, target in found]
