"""The report of a run as one page of Markdown."""

from steps import Result, Step

SHOWN_LINES = 100  # of a failed step's output


def block(text: str) -> list[str]:
    return ["", "```", text.strip().replace("```", "'''"), "```"]


def conclusion(results: list[Result], waiting: list[Step]) -> str:
    """One line; a run that was cut off has steps that wait."""
    counts = {status: sum(result.status == status for result in results)
              for status in ("passed", "failed", "not run")}
    text = ", ".join(f"{count} {status}" for status, count in counts.items())
    return text + (f", {len(waiting)} were still to come" if waiting else "")


def succeeded(results: list[Result], waiting: list[Step]) -> bool:
    return not waiting and bool(results) and all(result.status == "passed" for result in results)


def row(result: Result) -> str:
    what = result.what.replace("|", "\\|")
    return (f"| {result.step.title} | {result.status} | {result.seconds:.1f} s | {what} | "
            f"{result.step.log} |")


def render(machine: list[tuple[str, str]], results: list[Result], waiting: list[Step],
           left_out: list[str]) -> str:
    title = "passed" if succeeded(results, waiting) else "FAILED"
    lines = [f"# Sextant on a GPU: {title}", "", f"{conclusion(results, waiting)}.", "",
             "| | |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in machine]
    lines += ["", "## Steps", "", "| step | result | time | what | log |", "|---|---|---|---|---|"]
    lines += [row(result) for result in results]
    lines += [f"| {step.title} | still to come | | | {step.log} |" for step in waiting]
    if left_out:
        lines += ["", "## Left out", "", *(f"- {text}" for text in left_out)]
    failures = [result for result in results if result.status == "failed"]
    if failures:
        lines += ["", "## Failures"]
    for result in failures:
        lines += ["", f"### {result.step.title}", "", result.what]
        lines += block("\n".join(result.output.splitlines()[-SHOWN_LINES:]))
    shown = [result for result in results if result.step.shows_output and
             result.status == "passed"]
    if shown:
        lines += ["", "## Measured"]
    for result in shown:
        lines += ["", f"### {result.step.title}", *block(result.output)]
    return "\n".join(lines) + "\n"
