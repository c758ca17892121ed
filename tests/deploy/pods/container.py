"""Becomes a container: one process in namespaces, a root and a user of its own.

    container.py SPEC.json

As a container runtime would, as root and with Linux' own means: mount, process, host-name and IPC
namespaces, the pod's network namespace, a root that holds what the image holds, a user without
capabilities. The process is the first of its namespace, so that all of the container dies with it.
Ends as the process did: with its status, or 128 and the number of the signal that killed it.
"""

import ctypes
import json
import os
import pathlib
import signal
import sys

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x20000, 0x4000000, 0x8000000
CLONE_NEWPID, CLONE_NEWNET = 0x20000000, 0x40000000
MS_RDONLY, MS_NOSUID, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 2, 32, 4096, 16384, 1 << 18
PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38
# Of this machine, for a container whose image is not built: libraries alone, no program.
LIBRARIES = ("/usr/lib", "/usr/lib64", "/lib", "/lib64", "/etc/ld.so.cache")
DEVICES = ("null", "zero", "random", "urandom")


def check(result, what):
    if result != 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


def mount(source, target, kind=None, flags=0, data=None):
    encoded = [None if text is None else str(text).encode() for text in (source, target, kind, data)]
    check(LIBC.mount(encoded[0], encoded[1], encoded[2], flags, encoded[3]), f"mount on {target}")


def bind(source, target, read_only):
    """Both are folders, or both files; the target is made."""
    source, target = pathlib.Path(source), pathlib.Path(target)
    if source.is_dir():
        target.mkdir(parents=True, exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    mount(source, target, flags=MS_BIND | MS_REC)
    if read_only:
        mount(None, target, flags=MS_BIND | MS_REMOUNT | MS_RDONLY)


def enter_namespaces(spec):
    with open(spec["network"], encoding="utf-8") as network:
        check(LIBC.setns(network.fileno(), CLONE_NEWNET), "setns")
    check(LIBC.unshare(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID), "unshare")
    check(LIBC.sethostname(spec["hostname"].encode(), len(spec["hostname"])), "sethostname")
    mount(None, "/", flags=MS_REC | MS_PRIVATE)


def make_root(spec):
    """A root that is gone with the mount namespace."""
    root = pathlib.Path(spec["root"])
    mount("root", root, "tmpfs", data="mode=755")
    if spec["image"]:
        for entry in pathlib.Path(spec["image"]).iterdir():
            if entry.is_symlink():
                (root / entry.name).symlink_to(entry.readlink())
            elif entry.name not in ("proc", "sys", "dev", "etc", "tmp", "run"):
                bind(entry, root / entry.name, True)
            elif entry.name == "etc":
                (root / "etc").mkdir()
                for file in entry.iterdir():
                    if file.name not in ("hosts", "resolv.conf") and not file.is_symlink():
                        bind(file, root / "etc" / file.name, True)
    else:
        for path in map(pathlib.Path, LIBRARIES):
            if path.is_symlink() and path.is_dir():
                (root / path.relative_to("/")).symlink_to(path.readlink())
            elif path.exists():
                bind(path, root / path.relative_to("/"), True)
        (root / "etc").mkdir(exist_ok=True)
        (root / "etc" / "nsswitch.conf").write_text("hosts: files dns\n", encoding="utf-8")
    for item in spec["mounts"]:
        bind(item["source"], root / item["target"].lstrip("/"), item["read_only"])
    for name in ("proc", "dev", "tmp", "run"):
        (root / name).mkdir(exist_ok=True)
    for name in DEVICES:
        bind(f"/dev/{name}", root / "dev" / name, False)
    bind("/sys", root / "sys", True)
    return root


def become(spec, root):
    """The first process of the container."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    mount("proc", root / "proc", "proc", MS_NOSUID)
    if spec["read_only"]:
        mount(None, root, flags=MS_REMOUNT | MS_RDONLY)
    os.chroot(root)
    os.chdir(spec["folder"])
    os.setgroups(spec["groups"])
    os.setgid(spec["gid"])
    os.setuid(spec["uid"])
    LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    os.execvpe(spec["arguments"][0], spec["arguments"], spec["environment"])


def main():
    spec = json.loads(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8"))
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    enter_namespaces(spec)
    root = make_root(spec)
    child = os.fork()
    if child == 0:
        try:
            become(spec, root)
        except OSError as error:
            print(f"the container cannot start: {error}", file=sys.stderr, flush=True)
        os._exit(127)
    # Renamed into place, so that whoever sees it sees it whole.
    part = pathlib.Path(spec["pid_file"] + ".part")
    part.write_text(str(child), encoding="utf-8")
    part.rename(spec["pid_file"])
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    os._exit(code if code >= 0 else 128 - code)


if __name__ == "__main__":
    main()
