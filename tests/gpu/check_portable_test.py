#!/usr/bin/env python3
"""Shows what check_portable accepts, and that it refuses a program with libraries of its own.

    check_portable_test.py PROGRAM portable|shared

PROGRAM is one of this build, linked in that way.
"""

import pathlib
import subprocess
import sys
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).parent / "check_portable"


def check(*files):
    return subprocess.run([SCRIPT, *files], capture_output=True, text=True, check=False)


class CheckPortableTest(unittest.TestCase):
    program = ""
    portable = False

    def test_a_program_with_glibc_alone_passes(self):
        run = check("/bin/true")
        self.assertEqual((run.returncode, run.stdout), (0, ""))

    def test_the_program_of_this_build(self):
        run = check("/bin/true", self.program)
        if self.portable:
            self.assertEqual((run.returncode, run.stdout), (0, ""))
        else:
            self.assertEqual(run.returncode, 1)
            self.assertIn(f"{self.program}: needs libstdc++.so.6\n", run.stdout)
            self.assertNotIn("/bin/true", run.stdout)

    def test_what_is_no_program_is_refused(self):
        with tempfile.NamedTemporaryFile() as file:
            run = check(file.name)
            self.assertEqual((run.returncode, run.stdout),
                             (1, f"{file.name}: is no program or shared library\n"))

    def test_nccl_is_for_its_own_module(self):
        """readelf is replaced by one that tells of NCCL."""
        with tempfile.TemporaryDirectory() as folder:
            readelf = pathlib.Path(folder, "readelf")
            readelf.write_text('#!/bin/sh\ncase "$1" in --dynamic) echo "Dynamic section"; '
                               'echo " (NEEDED) Shared library: [libnccl.so.2]" ;; esac\n',
                               encoding="utf-8")
            readelf.chmod(0o755)
            for program, says in (("a/sextant_nccl.so", ""),
                                  ("a/sextant_cuda.so", "a/sextant_cuda.so: needs libnccl.so.2\n")):
                run = subprocess.run([SCRIPT, program], capture_output=True, text=True,
                                     check=False, env={"PATH": f"{folder}:/usr/bin:/bin"})
                self.assertEqual((run.returncode, run.stdout), (1 if says else 0, says))

    def test_newer_symbols_are_refused(self):
        """readelf is replaced by one that tells of a newer glibc."""
        with tempfile.TemporaryDirectory() as folder:
            readelf = pathlib.Path(folder, "readelf")
            for newest, status in (("2.36", 0), ("2.4", 0), ("2.38", 1), ("2.100", 1)):
                readelf.write_text('#!/bin/sh\ncase "$1" in\n'
                                   '--dynamic) echo "Dynamic section"; '
                                   'echo " (NEEDED) Shared library: [libc.so.6]" ;;\n'
                                   f'*) echo "GLIBC_2.17 GLIBC_{newest} GLIBC_2.3.4" ;;\nesac\n',
                                   encoding="utf-8")
                readelf.chmod(0o755)
                run = subprocess.run([SCRIPT, "program"], capture_output=True, text=True,
                                     check=False, env={"PATH": f"{folder}:/usr/bin:/bin"})
                self.assertEqual(run.returncode, status, run.stdout)
                if status:
                    self.assertEqual(run.stdout, f"program: needs glibc {newest}, not only 2.36\n")


if __name__ == "__main__":
    CheckPortableTest.program, CheckPortableTest.portable = sys.argv[1], sys.argv[2] == "portable"
    unittest.main(argv=sys.argv[:1])
