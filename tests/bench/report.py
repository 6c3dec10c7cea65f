#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# report: makes a table (Markdown, also on stdout; tab-separated) and a chart (SVG) of what tests/bench/bench has
# measured, and says which of the project's bars are met. Input: the other .tsv files of that directory, all our own.
# It must never leave out what is missing or bad: it says so.
#
# usage: report.py DIR
import csv
import math
import pathlib
import statistics
import sys

NAMES = {"ours": "coreferry", "cat": "cat >/dev/null", "file": "kernel to a file", "zstd": "zstd -1 >file",
         "systemd": "systemd-coredump"}
COLORS = {"ours": "#1b7f5c", "cat": "#9aa0a6", "file": "#c58b2a", "zstd": "#4a78b5", "systemd": "#a5445c"}
CASES = {"tiny": "1 MiB", "100m": "100 MiB", "1g": "1 GiB", "1g-random": "1 GiB, random",
         "python-400m": "Python, 400 MiB", "8g-sparse": "8 GiB mapped, 64 MiB touched",
         "64g-sparse": "64 GiB mapped, 64 MiB touched", "200x16m": "200 at once, 16 MiB each"}
RATIO_BARS = [("tiny", "cat", 0.7), ("tiny", "systemd", 0.08), ("1g", "cat", 0.8), ("1g", "systemd", 0.20),
              ("python-400m", "cat", 0.8), ("python-400m", "systemd", 0.08), ("8g-sparse", "cat", 0.04),
              ("8g-sparse", "systemd", 0.008)]
SPARSE_BAR = ("64g-sparse", 0.3)  # seconds
MEMORY_BAR_MIB = 24
CPU_BAR = 1.0  # of zstd -1 >file


class Runs:
    """What was measured: dictionaries of numbers, by case, handler and round."""

    def __init__(self, directory):
        self.rows = {}
        with open(directory / "runs.tsv", newline="") as file:
            for fields in csv.reader(file, delimiter="\t"):
                case, number, handler = fields[:3]
                names = ["crashes", "reap", "victim_cpu", "handler_cpu", "rss", "disk", "stored", "done"]
                row = dict(zip(names, map(int, fields[3:]), strict=True))
                for name in ("reap", "victim_cpu", "handler_cpu", "done"):
                    row[name] /= 1e6  # seconds
                row["cpu"] = row["victim_cpu"] + row["handler_cpu"]
                self.rows.setdefault((case, handler), {})[int(number)] = row
        with open(directory / "absent.tsv", newline="") as file:
            self.absent = dict(csv.reader(file, delimiter="\t"))
        with open(directory / "about.tsv", newline="") as file:
            self.about = dict(csv.reader(file, delimiter="\t"))
        with open(directory / "failed.tsv", newline="") as file:
            self.failed = [(case, handler) for case, _, handler in csv.reader(file, delimiter="\t")]
        self.cases = [c for c in CASES if any(c == case for case, _ in [*self.rows, *self.failed])]
        asked = {h for _, h in self.rows} | set(self.absent)
        self.handlers = [h for h in NAMES if h in asked]

    def median(self, case, handler, what):
        rounds = self.rows.get((case, handler))
        return statistics.median(r[what] for r in rounds.values()) if rounds else None

    def ratio(self, case, other, what="reap"):
        """The median of ours / the other's, of the rounds that both have; and how many these are."""
        ours, theirs = self.rows.get((case, "ours"), {}), self.rows.get((case, other), {})
        pairs = [ours[n][what] / theirs[n][what] for n in ours if n in theirs and theirs[n][what]]
        return (statistics.median(pairs), len(pairs)) if pairs else (None, 0)


def number(value, digits=2):
    """Three digits or so that matter."""
    if value is None:
        return "-"
    return f"{value:.{max(0, digits - math.floor(math.log10(value)))}f}" if 0 < value < 100 else f"{value:.0f}"


def seconds(value):
    if value is None:
        return "-"
    return f"{number(value * 1000)} ms" if value < 0.1 else f"{number(value)} s"


def mib(value):
    return "-" if value is None else f"{number(value, 1)} MiB"


def table(runs):
    """Header and rows of text."""
    yield ["case", "handler", "time to reap", "coreferry / this", "CPU", "the handler's", "peak memory", "on disk",
           "stored", "all done after", "runs"]
    for case in runs.cases:
        for handler in runs.handlers:
            name = NAMES[handler]
            if handler in runs.absent:
                yield [CASES[case], name, f"n/a: {runs.absent[handler]}"] + [""] * 8
                continue
            rounds = runs.rows.get((case, handler))
            failed = runs.failed.count((case, handler))
            if not rounds:
                yield [CASES[case], name, "FAILED" if failed else "not run: takes minutes"] + [""] * 8
                continue
            crashes = next(iter(rounds.values()))["crashes"]
            stores = handler != "cat"
            least = min(r["stored"] for r in rounds.values())
            dropped = stores and least < crashes
            ratio = "1" if handler == "ours" else "drops cores" if dropped else number(runs.ratio(case, handler)[0])
            yield [CASES[case], name, seconds(runs.median(case, handler, "reap")), ratio,
                   seconds(runs.median(case, handler, "cpu")),
                   seconds(runs.median(case, handler, "handler_cpu")) if handler != "file" else "-",
                   mib(runs.median(case, handler, "rss") / 1024) if handler != "file" else "-",
                   mib(runs.median(case, handler, "disk") / 2**20) if stores else "-",
                   f"{least} of {crashes}" if stores else "-",
                   seconds(runs.median(case, handler, "done")), str(len(rounds)) + f", {failed} FAILED" * bool(failed)]


def bar_line(what, value, limit, shown, unit=""):
    if value is None:
        return f"- {what}: not measured (bar: {limit:g}{unit})"
    verdict = "met" if value <= limit else "NOT MET"
    return f"- {what}: {shown} (bar: {limit:g}{unit}): {verdict}"


def bars(runs):
    for case, other, limit in RATIO_BARS:
        value, pairs = runs.ratio(case, other)
        yield bar_line(f"{CASES[case]}: time to reap, coreferry / {NAMES[other]}", value, limit,
                       f"{number(value)}, median of {pairs}" if pairs else "")
    case, limit = SPARSE_BAR
    value = runs.median(case, "ours", "reap")
    yield bar_line(f"{CASES[case]}: time to reap", value, limit, seconds(value), " s")
    peaks = [(r["rss"] / 1024, case) for (case, handler), rounds in runs.rows.items() if handler == "ours"
             for r in rounds.values()]
    value, case = max(peaks, default=(None, None))
    yield bar_line("peak memory, the highest of all runs", value, MEMORY_BAR_MIB,
                   value is not None and f"{mib(value)} ({CASES[case]})", " MiB")
    for case in runs.cases:
        value, pairs = runs.ratio(case, "zstd", "cpu")
        if pairs:
            yield bar_line(f"{CASES[case]}: CPU, coreferry / {NAMES['zstd']}", value, CPU_BAR,
                           f"{number(value)}, median of {pairs}")


def markdown(runs, rows):
    widths = [max(map(len, column)) for column in zip(*([cell if cell.find(":") < 0 else "" for cell in row]
                                                        for row in rows))]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |" for row in rows]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    yield "# Benchmarks\n"
    yield "".join(f"- {key}: {value}\n" for key, value in runs.about.items())
    yield "\n".join(lines) + "\n"
    yield NOTES
    yield "## The bars\n\n" + "\n".join(bars(runs)) + "\n"


NOTES = """\
Medians. "Time to reap": from the crash until the parent's waitpid returns; of many at once: until the last of them does.
"coreferry / this": the median of the ratios of the runs of one round each, so that what the machine does meanwhile
concerns both; below 1, coreferry is faster. "CPU": of the victim from the crash on (the kernel dumps on its account) and
of all of the handler's processes until the last of them has ended, also long after the release. "Peak memory": the sum of
these processes' highest resident sizes, per core; what they share, or do not use at once, counts more than once; page
cache (also a spool there) is not in it. "Stored": the fewest, of all runs, of the cores that were there at the end.
"""


def chart_bars(runs):
    """(case or None, handler, seconds or None) from top to bottom; None, None is a gap."""
    for case in runs.cases:
        yield case, None, None
        for handler in runs.handlers:
            yield case, handler, runs.median(case, handler, "reap")


def chart(runs):
    left, width, height, step = 170, 560, 15, 19
    values = [v for _, _, v in chart_bars(runs) if v]
    low = math.floor(math.log10(min(values)))
    high = max(low + 1, math.ceil(math.log10(max(values))))

    def x(value):
        return left + width * (math.log10(value) - low) / (high - low)

    body, y = [], 62
    for case, handler, value in chart_bars(runs):
        if handler is None:
            y += 8
            body.append(f'<text x="12" y="{y + 12}" class="case">{CASES[case]}</text>')
        else:
            name = NAMES[handler].replace(">", "&gt;")
            body.append(f'<text x="{left - 8}" y="{y + 12}" text-anchor="end">{name}</text>')
            if value:
                body.append(f'<rect x="{left}" y="{y}" width="{x(value) - left:.1f}" height="{height}" rx="2" '
                            f'fill="{COLORS[handler]}"/>')
            said = seconds(value) if value else "n/a" if handler in runs.absent else "not run"
            body.append(f'<text x="{(x(value) if value else left) + 6:.1f}" y="{y + 12}">{said}</text>')
        y += step
    grid = []
    for power in range(low, high + 1):
        at = x(10**power)
        said = f"{10**power:g} s" if power >= 0 else f"{10**(power + 3):g} ms"
        grid.append(f'<path d="M{at:.1f} 56V{y}" stroke="#dddddd"/>')
        grid.append(f'<text x="{at:.1f}" y="50" text-anchor="middle">{said}</text>')
    about = f'{runs.about["kernel"]}, {runs.about["CPUs"].split(" x ")[0]} CPUs, {runs.about["file system"]}, ' \
            f'{runs.about["date"]}'
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 90}" height="{y + 16}" '
        'font-family="sans-serif" font-size="12" fill="#222222">',
        '<style>.case { font-weight: bold }</style>', '<rect width="100%" height="100%" fill="#ffffff"/>',
        '<text x="12" y="20" font-size="15" class="case">',
        "From the crash until the parent is told (median, log scale)</text>",
        f'<text x="12" y="36" fill="#666666">{about}</text>', *grid, *body, "</svg>", ""])


def main():
    directory = pathlib.Path(sys.argv[1])
    runs = Runs(directory)
    rows = list(table(runs))
    text = "\n".join(markdown(runs, rows))
    print("\n" + text)
    (directory / "table.md").write_text(text)
    (directory / "table.tsv").write_text("".join("\t".join(row) + "\n" for row in rows))
    if runs.rows:
        (directory / "chart.svg").write_text(chart(runs))


main()
