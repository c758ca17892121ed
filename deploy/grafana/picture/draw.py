"""Draws a dashboard as a picture: its panels at their places, with what a Prometheus answers to their
queries. A stand-in for Grafana's own renderer: same queries, units and thresholds, plainer looks."""

import json
import math
import re
import urllib.parse
import urllib.request

import matplotlib
from PIL import Image

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

COLUMN, LINE = 0.62, 0.36  # inches of the dashboard's grid
COLORS = {"green": "#37872d", "orange": "#e0752d", "red": "#c4162a", "text": "#333333"}
STEPS = 120


class Source:
    """A Prometheus, asked about the time from `start` to `end`."""

    def __init__(self, url, start, end):
        self.url, self.start, self.end = url, start, end

    def get(self, path, **parameters):
        url = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=30) as answer:
            return json.load(answer)["data"]["result"]

    def query(self, expression):
        expression = expression.replace("$__rate_interval", "15s")
        return re.sub(r"\$\w+", ".*", expression)

    def now(self, target):
        return [(row["metric"], float(row["value"][1])) for row in
                self.get("query", query=self.query(target["expr"]), time=self.end)]

    def lines(self, target):
        step = max(1, (self.end - self.start) / STEPS)
        for row in self.get("query_range", query=self.query(target["expr"]), start=self.start,
                            end=self.end, step=step):
            points = [(float(t) - self.start, float(value)) for t, value in row["values"]]
            yield row["metric"], [(t, value) for t, value in points if math.isfinite(value)]


def legend(target, labels):
    text = target["legendFormat"]
    if text == "__auto":
        return ", ".join(labels.values())
    return re.sub(r"{{(\w+)}}", lambda match: labels.get(match[1], ""), text).strip()


def shown(value, unit):
    """A number with its unit, short."""
    if not math.isfinite(value):
        return "none"
    if unit == "percentunit":
        return f"{100 * value:.3g}%"
    if unit == "s":
        return f"{value:.3g} s" if value >= 1 or value == 0 else f"{1000 * value:.3g} ms"
    tail = {"bytes": "B", "Bps": "B/s", "cps": "/s", "reqps": "/s"}.get(unit, "")
    for factor, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= factor:
            return f"{value / factor:.3g} {prefix}{tail}"
    return f"{value:.3g}{' ' if tail else ''}{tail}"


def color(value, panel):
    steps = panel["fieldConfig"]["defaults"].get("thresholds", {}).get("steps", [])
    passed = [step["color"] for step in steps if step["value"] is None or value >= step["value"]]
    return COLORS[passed[-1]] if passed else COLORS["text"]


def draw_stat(axes, panel, source):
    rows = source.now(panel["targets"][0])
    value = rows[0][1] if rows else math.nan
    unit = panel["fieldConfig"]["defaults"]["unit"]
    text = shown(value, unit)
    if unit == "dateTimeFromNow" and rows:
        text = shown(source.end - value / 1000, "s") + " ago"
    axes.axis("off")
    axes.text(0.5, 0.42, text, ha="center", va="center", fontsize=19, weight="bold",
              color=color(value, panel) if math.isfinite(value) else "#999999",
              transform=axes.transAxes)
    return bool(rows)


def draw_timeseries(axes, panel, source):
    defaults = panel["fieldConfig"]["defaults"]
    series = [(legend(target, labels), points) for target in panel["targets"]
              for labels, points in source.lines(target) if points]
    stacked = "stacking" in defaults.get("custom", {})
    below = {}
    for name, points in series:
        if stacked:
            points = [(t, value + below.get(t, 0)) for t, value in points]
        times, values = zip(*points)
        line, = axes.plot(times, values, linewidth=1.2, label=name or panel["title"])
        if stacked:
            axes.fill_between(times, [below.get(t, 0) for t in times], values, alpha=0.3,
                              color=line.get_color(), linewidth=0)
            below.update(points)
    axes.set_xlim(0, source.end - source.start)
    axes.set_ylim(bottom=defaults.get("min"))
    if "max" in defaults:
        axes.set_ylim(top=defaults["max"])
    axes.yaxis.set_major_formatter(lambda value, _: shown(value, defaults["unit"]))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0f} s")
    if 0 < len(series) <= 10:
        axes.legend(fontsize=5.5, ncols=2, frameon=False, loc="upper left")
    return bool(series)


def draw_bars(axes, panel, source, horizontal):
    unit = panel["fieldConfig"]["defaults"]["unit"]
    bars = [(legend(target, labels), value) for target in panel["targets"]
            for labels, value in source.now(target) if math.isfinite(value)]
    if horizontal:
        for place, (name, value) in enumerate(bars):
            axes.barh(place, 1, height=0.4, color="#eeeeee")
            axes.barh(place, value, height=0.4, color=color(value, panel))
            axes.text(0, place - 0.25, f"{name}: {shown(value, unit)}", fontsize=7, va="bottom")
        axes.set_ylim(len(bars) - 0.6, -0.7)
        axes.set_yticks([])
        axes.set_xlim(0, 1)
        axes.xaxis.set_major_formatter(lambda value, _: shown(value, unit))
    else:
        axes.bar(range(len(bars)), [value for _, value in bars], color="#5794f2")
        axes.set_xticks(range(len(bars)), [name for name, _ in bars], fontsize=4, rotation=90)
        axes.yaxis.set_major_formatter(lambda value, _: shown(value, unit))
    return bool(bars)


def draw_panel(axes, panel, source):
    if panel["type"] == "stat":
        return draw_stat(axes, panel, source)
    if panel["type"] == "timeseries":
        return draw_timeseries(axes, panel, source)
    return draw_bars(axes, panel, source, horizontal=panel["type"] == "bargauge")


def draw(board, source, file):
    """Writes the picture, and gives the titles of the panels that have nothing to show."""
    height = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in board["panels"])
    figure = plt.figure(figsize=(24 * COLUMN, (height + 1) * LINE), facecolor="#f4f5f5")
    figure.text(0.01, 1 - 0.5 / (height + 1), board["title"], fontsize=14, weight="bold", va="center")
    empty = []
    for panel in board["panels"]:
        place = panel["gridPos"]
        left, bottom = place["x"] / 24, 1 - (place["y"] + place["h"] + 1) / (height + 1)
        width, tall = place["w"] / 24, place["h"] / (height + 1)
        if panel["type"] == "row":
            figure.text(left + 0.01, bottom + tall / 2, panel["title"], fontsize=11, va="center")
            continue
        axes = figure.add_axes((left + 0.03, bottom + 0.9 / (height + 1), width - 0.04,
                                tall - 2 / (height + 1)), facecolor="white")
        axes.set_title(panel["title"], fontsize=8, loc="left")
        axes.tick_params(labelsize=6)
        axes.spines[["top", "right"]].set_visible(False)
        if not draw_panel(axes, panel, source):
            empty.append(panel["title"])
    figure.savefig(file, dpi=80)
    # Few colours, so that the file is small.
    Image.open(file).convert("RGB").quantize(64).save(file, optimize=True)
    return empty
