"""What a GoogleTest program says of itself: a skipped test is a failure here, as is none at all."""

import json
import pathlib

from steps import Verdict

NAMED = 3  # of the tests that failed; the log has all


def judge(results: pathlib.Path, status: int, _: str) -> Verdict:
    """`results`: what --gtest_output=json:FILE has written, absent after a crash."""
    try:
        suites = json.loads(results.read_text(encoding="utf-8"))["testsuites"]
    except (OSError, ValueError, KeyError):
        return "", f"exit status {status}, and it wrote no results: it has crashed"
    passed, wrong = 0, []
    for suite in suites:
        for test in suite["testsuite"]:
            name = f"{suite['name']}.{test['name']}"
            if test.get("failures"):
                wrong.append(f"{name} failed")
            elif test.get("result") == "SKIPPED":
                wrong.append(f"{name} was skipped")
            elif test.get("status") == "RUN":
                passed += 1
    if passed == 0 and not wrong:
        wrong.append("no test ran")
    if status != 0 and not wrong:
        wrong.append(f"exit status {status} although no test failed")
    return f"{passed} passed", shortened(wrong)


def shortened(wrong: list[str]) -> str:
    text = ", ".join(wrong[:NAMED])
    return text + (f" and {len(wrong) - NAMED} more" if len(wrong) > NAMED else "")
