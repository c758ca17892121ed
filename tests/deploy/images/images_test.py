"""Builds the images of deploy/docker and runs them as an operator's cluster would.

    images_test.py PROGRAMS OUT

The programs are those that this build has put into the folder PROGRAMS, the base is a Debian made by
debootstrap, which is kept in the user's cache folder. The image for GPUs is among them where the
module for GPUs lies beside the programs. What the images hold is left in OUT/NAME, for
tests/deploy/pods. Skipped, with the reason, where buildah and debootstrap are not there, or not root,
or where debootstrap reaches no mirror.
"""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[3]
DOCKER = ROOT / "deploy" / "docker"
NEEDED = ("router", "sextant", "attention_worker", "expert_worker")
MODULE = "sextant_cuda.so"
SKIPPED = 77
PROGRAMS = pathlib.Path()
OUT = pathlib.Path()
MODEL = "/usr/share/sextant/models/demo"


def cached_base():
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return pathlib.Path(cache) / "sextant" / "debian-base.tar"


def libraries():
    """The packages that the images install, which the base then has already."""
    text = (DOCKER / "router.Dockerfile").read_text(encoding="utf-8")
    return re.search(r'^ARG LIBRARIES="(.*)"$', text, re.MULTILINE)[1].split()


def make_base(tar):
    """A Debian of this machine's release; takes a minute or two, once."""
    tar.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="sextant-base-") as folder:
        subprocess.run(["debootstrap", "--variant=minbase", f"--include={','.join(libraries())}",
                        "bookworm", folder], check=True, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, text=True)
        part = tar.with_suffix(".part")
        subprocess.run(["tar", "--create", "--file", part, "--directory", folder,
                        "--exclude=./var/cache/apt", "--exclude=./var/lib/apt/lists/*", "."],
                       check=True)
        part.rename(tar)


def descendants(pid):
    """The folders in /proc of the processes that a process has started, and those have."""
    parents = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
                parents.setdefault(int(fields[1]), []).append(entry)
            except OSError:
                pass  # it has ended meanwhile
    found = list(parents.get(pid, []))
    for entry in found:
        found += parents.get(int(entry.name), [])
    return found


class ImagesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(cls.enterClassContext(
            tempfile.TemporaryDirectory(prefix="sextant-images-")))
        cls.addClassCleanup(cls.buildah, "rm", "--all", check=False)
        base = cls.container("scratch")
        cls.buildah("add", "--quiet", base, cached_base(), "/")
        cls.buildah("commit", "--quiet", base, "base")
        programs = cls.folder / "programs"
        programs.mkdir()
        images = ["router", "worker-cpu"]
        wanted = list(NEEDED)
        if (PROGRAMS / MODULE).exists():
            images.append("worker-cuda")
            wanted.append(MODULE)
        for name in wanted:
            subprocess.run(["strip", "-o", programs / name, PROGRAMS / name], check=True)
        scratch = cls.container("scratch")
        cls.buildah("copy", "--quiet", scratch, programs, "/programs/")
        cls.buildah("commit", "--quiet", scratch, "programs")
        cls.roots = {}
        for image in images:
            began = time.monotonic()
            cls.buildah("bud", "--quiet", "--build-arg", "BASE=localhost/base", "--build-arg",
                        "PROGRAMS=localhost/programs", "--file", DOCKER / f"{image}.Dockerfile",
                        "--tag", image, ROOT)
            cls.roots[image] = pathlib.Path(cls.buildah("mount", cls.container(image)).strip())
            print(f"  {image}: {cls.size(image):.1f} MB, built after "
                  f"{time.monotonic() - began:.0f} s", flush=True)

    @classmethod
    def buildah(cls, *words, check=True):
        return subprocess.run(
            ["buildah", "--root", cls.folder / "storage", "--runroot", cls.folder / "run", *words],
            check=check, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "BUILDAH_ISOLATION": "chroot", "STORAGE_DRIVER": "vfs"}).stdout

    @classmethod
    def container(cls, image):
        name = image if image == "scratch" else f"localhost/{image}"
        return cls.buildah("from", "--quiet", name).strip()

    @classmethod
    def size(cls, image):
        """Of its files, in MB."""
        return sum(path.lstat().st_size for path in cls.roots[image].rglob("*")
                   if path.is_file() and not path.is_symlink()) / 1e6

    def test_they_are_small(self):
        for image in self.roots:
            self.assertLess(self.size(image), 100)

    def test_they_run_as_a_user_without_rights(self):
        for image in self.roots:
            config = json.loads(self.buildah("inspect", "--type", "image", f"localhost/{image}"))
            self.assertEqual(config["OCIv1"]["config"]["User"], "65532:65532")

    def test_they_hold_no_shell_and_no_program_but_ours(self):
        for image, root in self.roots.items():
            programs = sorted(path.name for path in root.rglob("*")
                              if path.is_file() and path.stat().st_mode & 0o111 and
                              ".so" not in path.name)
            self.assertLessEqual(set(programs), set(NEEDED), image)
            self.assertIn("sextant", programs)
        self.assertFalse((self.roots["router"] / "usr/local/bin/expert_worker").exists())

    def test_every_library_is_of_a_package_that_is_listed(self):
        for image, root in self.roots.items():
            listed = {path.name for path in (root / "var/lib/dpkg/status.d").iterdir()}
            self.assertLessEqual({"libc6", "libgrpc++1.51", "libprotobuf32", "libstdc++6"}, listed)
            for name in listed:
                status = (root / "var/lib/dpkg/status.d" / name).read_text(encoding="utf-8")
                self.assertRegex(status, rf"(?m)^Package: {re.escape(name)}$")
                self.assertRegex(status, r"(?m)^Version: ")
                self.assertTrue((root / "usr/share/doc" / name / "copyright").exists())

    def test_each_program_finds_its_libraries(self):
        for image, root in self.roots.items():
            for program in (root / "usr/local/bin").iterdir():
                if program.name == MODULE:
                    continue
                run = self.run_in(root, program.name, "--help")
                self.assertEqual(run.returncode, 0, f"{image}: {program.name}")
                self.assertIn("Usage:", run.stdout)

    def test_the_image_for_gpus_loads_the_module_and_computes_on_cpus_without_one(self):
        if "worker-cuda" not in self.roots:
            self.skipTest(f"this build has made no {MODULE}")
        container = self.container("worker-cuda")

        def generate(*words):  # with /proc, by which a program knows where it lies
            return subprocess.run(
                ["buildah", "--root", self.folder / "storage", "--runroot", self.folder / "run",
                 "run", "--isolation=chroot", container, "--", "sextant", "generate", "--model",
                 MODEL, "--prompt", "Hello!", "--max-tokens", "4", *words],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False,
                env={**os.environ, "STORAGE_DRIVER": "vfs"})

        on_cpu = generate("--device", "cpu")
        self.assertEqual(on_cpu.returncode, 0, on_cpu.stderr)
        if pathlib.Path("/dev/nvidiactl").exists():
            return  # what follows is of machines without a GPU
        self.assertEqual(generate().stdout, on_cpu.stdout)
        on_gpu = generate("--device", "cuda")
        self.assertNotEqual(on_gpu.returncode, 0)
        self.assertIn("no GPU can be used", on_gpu.stderr)

    @staticmethod
    def run_in(root, program, *words):
        return subprocess.run(["chroot", "--userspec=65532:65532", root,
                               f"/usr/local/bin/{program}", *words],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)

    def test_a_router_serves_the_bundled_model_under_its_user(self):
        container = self.container("router")
        process = subprocess.Popen(
            ["buildah", "--root", self.folder / "storage", "--runroot", self.folder / "run", "run",
             "--isolation=chroot", container, "--", "router", "--model", MODEL, "--listen",
             "127.0.0.1:0"],
            stdout=subprocess.PIPE, text=True, env={**os.environ, "STORAGE_DRIVER": "vfs"})
        try:
            self.assertRegex(process.stdout.readline(), r"^ready router 127\.0\.0\.1:\d+$")
            router, = (entry for entry in descendants(process.pid)
                       if (entry / "comm").read_text(encoding="utf-8") == "router\n")
            self.assertRegex((router / "status").read_text(encoding="utf-8"),
                             r"(?m)^Uid:\s65532\s65532")
            os.kill(int(router.name), signal.SIGTERM)
            self.assertEqual(process.wait(timeout=30), 0)
        finally:
            for entry in descendants(process.pid):
                os.kill(int(entry.name), signal.SIGKILL)
            process.kill()
            process.wait()
            process.stdout.close()

    def test_what_they_hold_is_left_for_the_pods(self):
        for image, root in self.roots.items():
            shutil.rmtree(OUT / image, ignore_errors=True)
            OUT.mkdir(parents=True, exist_ok=True)
            subprocess.run(["cp", "--archive", root, OUT / image], check=True)
            self.assertTrue((OUT / image / "usr/local/bin/sextant").exists())


def reason_to_skip():
    if os.geteuid() != 0:
        return "images are built as root here"
    for program in ("buildah", "debootstrap", "strip"):
        if shutil.which(program) is None:
            return f"the program {program} is not installed"
    if "VERSION_CODENAME=bookworm" not in pathlib.Path("/etc/os-release").read_text("utf-8"):
        return "these programs were not built on Debian 12, which the images hold"
    if not cached_base().exists():
        try:
            make_base(cached_base())
        except subprocess.CalledProcessError as error:
            said = (error.stdout or "").strip().splitlines()
            return f"debootstrap could not make a Debian: {said[-1] if said else error}"
    return None


if __name__ == "__main__":
    reason = reason_to_skip()
    if reason is not None:
        print(f"skipped: {reason}")
        sys.exit(SKIPPED)
    OUT = pathlib.Path(sys.argv.pop(2))
    PROGRAMS = pathlib.Path(sys.argv.pop(1))
    unittest.main()
