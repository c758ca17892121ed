#!/usr/bin/env python3
"""Holds docs/metrics.md to common/observability: the same names, of the same types.

    metrics.py [ROOT]
"""

import pathlib
import re
import sys

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
IN_CODE = re.compile(rf'constexpr (Counter|Gauge|Histogram)Name \w+ = \{{\s*"({NAME})"')
OF_PROCESS = re.compile(rf'Append\(families, "({NAME})",[^;]*?MetricType::(\w+)', re.DOTALL)
IN_PAGE = re.compile(rf"^\| `({NAME})` \| (counter|gauge|histogram) \|", re.MULTILINE)


def in_code(names_header, process_source):
    found = {name: kind.lower() for kind, name in IN_CODE.findall(names_header)}
    found |= {name: kind.lower() for name, kind in OF_PROCESS.findall(process_source)}
    return found


def problems(code, page):
    listed = dict(IN_PAGE.findall(page))
    for name in sorted(code.keys() | listed.keys()):
        if name not in listed:
            yield f"docs/metrics.md does not explain {name}"
        elif name not in code:
            yield f"docs/metrics.md explains {name}, which no process exports"
        elif code[name] != listed[name]:
            yield f"docs/metrics.md calls {name} a {listed[name]}; it is a {code[name]}"


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    folder = root / "common" / "observability"
    code = in_code((folder / "metric_names.h").read_text(encoding="utf-8"),
                   (folder / "process_metrics.cc").read_text(encoding="utf-8"))
    found = list(problems(code, (root / "docs" / "metrics.md").read_text(encoding="utf-8")))
    if len(code) < 20:
        found.append(f"only {len(code)} metrics were found in the code; is the pattern still right?")
    print("\n".join(found) or f"{len(code)} metrics are explained")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
