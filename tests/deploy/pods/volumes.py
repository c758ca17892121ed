"""The volumes of a pod as folders, filled and kept up to date as a kubelet does."""

import base64
import itertools
import os
import pathlib


def _contents(item):
    """File names and bytes of a ConfigMap or Secret."""
    files = {name: text.encode() for name, text in item.get("data", {}).items()
             if item["kind"] == "ConfigMap"}
    files |= {name: base64.b64decode(text) for name, text in item.get("data", {}).items()
              if item["kind"] == "Secret"}
    files |= {name: text.encode() for name, text in item.get("stringData", {}).items()}
    files |= {name: base64.b64decode(text) for name, text in item.get("binaryData", {}).items()}
    return files


class ProjectedVolume:
    """A ConfigMap or Secret: each file is a link through `..data` to a folder, and the link `..data`
    is swapped when the object changes, so that a reader sees all of the old files or all of the new."""

    def __init__(self, path, kind, source):
        self.path = path
        self.key = (kind, source.get("secretName") or source["name"])
        self._items = source.get("items")
        self._versions = itertools.count(1)
        self._written = None
        path.mkdir(parents=True)

    def update(self, objects):
        if self.key not in objects:
            raise LookupError(f"there is no {self.key[0]} {self.key[1]}")
        files = _contents(objects[self.key])
        if self._items is not None:
            files = {item["path"]: files[item["key"]] for item in self._items}
        if files == self._written:
            return
        folder = self.path / f"..version-{next(self._versions)}"
        folder.mkdir()
        for name, content in files.items():
            (folder / name).write_bytes(content)
        link = self.path / "..new"
        link.symlink_to(folder.name)
        link.rename(self.path / "..data")
        for name in files:
            if not (self.path / name).is_symlink():
                (self.path / name).symlink_to(f"..data/{name}")
        for file in self.path.iterdir():
            if not file.name.startswith("..") and file.name not in files:
                file.unlink()
        self._written = files


class EmptyVolume:
    def __init__(self, path, group):
        self.path = path
        path.mkdir(parents=True)
        os.chown(path, 0, group)
        path.chmod(0o2775)

    def update(self, _):
        pass


class HostVolume:
    def __init__(self, path):
        self.path = pathlib.Path(path)

    def update(self, _):
        pass


def make_volume(spec, folder, group):
    path = folder / spec["name"]
    if "configMap" in spec:
        return ProjectedVolume(path, "ConfigMap", spec["configMap"])
    if "secret" in spec:
        return ProjectedVolume(path, "Secret", spec["secret"])
    if "emptyDir" in spec:
        return EmptyVolume(path, group)
    if "hostPath" in spec:
        return HostVolume(spec["hostPath"]["path"])
    raise ValueError(f"a volume of an unknown kind: {spec}")
