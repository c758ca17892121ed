"""Renders the chart by Helm: a program of its own, for Helm's library is in a virtual environment that
gRPC's is not in.

    chart_objects.py PRESET < VALUES.json > OBJECTS.json
"""

import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import chart  # noqa: E402


def main():
    values = chart.merged(chart.PRESETS[sys.argv[1]], json.load(sys.stdin))
    json.dump(list(chart.objects(values, name="demo", namespace="default").values()), sys.stdout)


if __name__ == "__main__":
    main()
