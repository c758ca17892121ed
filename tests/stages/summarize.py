#!/usr/bin/env python3
"""Prints failures and skips of a test run, then "N passed, N failed, N skipped".

Reads the record that tests/stages/stages.sh writes. A suite counts each GoogleTest test, from
build/PRESET/results/*.xml, and each ctest entry that is no GoogleTest program. An entry that
ctest calls failed although none of its tests failed (a crash, a leak, a timeout) is one failure.
"""

import pathlib
import sys
import xml.etree.ElementTree as ElementTree

ROOT = pathlib.Path(__file__).resolve().parents[2]
OUTPUT_LINES = 150


class Summary:
    def __init__(self):
        self.passed = 0
        self.failed = []  # (name, output)
        self.skipped = []  # (name, reason)

    def add_check(self, status, name, reason):
        if status == "passed":
            self.passed += 1
        elif status == "failed":
            self.failed.append((name, reason))
        elif status == "skipped":
            self.skipped.append((name, reason))
        else:
            self.failed.append((name, f"unknown status {status!r} in the record"))

    def add_suite(self, preset):
        build = ROOT / "build" / preset
        junit = build / "ctest.xml"
        if not junit.exists():
            log = f"build/logs/test-{preset}.log"
            self.failed.append((f"[{preset}] ctest", f"it wrote no results; see {log}"))
            return
        for entry in ElementTree.parse(junit).getroot().iter("testcase"):
            name = entry.get("name")
            failures = len(self.failed)
            results = build / "results" / f"{name}.xml"
            if results.exists() and results.stat().st_size > 0:
                self.add_googletest(preset, name, results)
            elif entry.get("status") == "run":
                self.passed += 1
            elif entry.get("status") in ("notrun", "disabled"):
                self.skipped.append((f"[{preset}] {name}", skip_reason(entry)))
            if entry.get("status") == "fail":
                output = entry.findtext("system-out", "")
                if len(self.failed) == failures:
                    self.failed.append((f"[{preset}] {name}", output))
                else:
                    self.failed[-1] = (self.failed[-1][0], output)

    def add_googletest(self, preset, program, results):
        for case in ElementTree.parse(results).getroot().iter("testcase"):
            name = f"[{preset}] {program}: {case.get('classname')}.{case.get('name')}"
            if case.find("failure") is not None:
                self.failed.append((name, ""))
            elif case.get("result") == "skipped":
                self.skipped.append((name, skip_reason(case)))
            elif case.get("status") == "run":
                self.passed += 1
            elif case.get("result") == "suppressed" and "DISABLED_" in name:
                self.skipped.append((name, "it is disabled in the source"))


def skip_reason(case):
    # A script of ctest's ends with the status for "skipped" and prints why.
    for line in case.findtext("system-out", "").splitlines():
        if line.startswith("skipped: "):
            return line[len("skipped: "):]
    element = case.find("skipped")
    text = "" if element is None else element.get("message") or element.text or ""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    # GoogleTest puts file:line on the first line, then what the test said.
    if len(lines) > 1 and ".cc:" in lines[0]:
        lines = lines[1:]
    return " ".join(lines) or "no reason given"


def print_summary(summary):
    if summary.skipped:
        print("\nskipped:")
        for name, reason in summary.skipped:
            print(f"  {name}: {reason}")
    if summary.failed:
        print("\nfailed:")
        for name, output in summary.failed:
            print(f"  {name}")
            for line in output.splitlines()[-OUTPUT_LINES:]:
                print(f"    | {line}")
    counts = (summary.passed, len(summary.failed), len(summary.skipped))
    print("\n{} passed, {} failed, {} skipped".format(*counts))


def main():
    summary = Summary()
    for line in pathlib.Path(sys.argv[1]).read_text(encoding="utf-8").splitlines():
        status, name, reason = line.split("\t")
        if status == "suite":
            summary.add_suite(name)
        else:
            summary.add_check(status, name, reason)
    print_summary(summary)
    return 1 if summary.failed or summary.passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
