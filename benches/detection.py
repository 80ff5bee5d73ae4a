#!/usr/bin/env python3
"""Makes the tables of docs/detection.md and README.md and the output in docs/guide/explain.md anew.

    NF_DATA=.. benches/detection.py [--only NAME,..] [--from DIR]

Between `<!-- NAME | INTRO -->` and `<!-- end -->` stands the first table that the command of that name (below) prints behind the line
with INTRO in it; with `| ROW,..` behind it only the rows named so. Between `<!-- text NAME | FROM | TO -->` and `<!-- end -->` stand the
lines that it prints from the first with FROM in it to the next with TO in it, which is left out, or so many where TO is a number. Each command runs once; what it printed is kept in
target/detection/NAME.txt, and taken from DIR/NAME.txt instead of running where --from says so.
"""

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "docs" / "detection.md", ROOT / "docs" / "guide" / "explain.md", ROOT / "README.md"]
BLOCK = re.compile(r"(<!-- (\w+) \| ([^|\n]*?)(?: \| ([^|\n]*?))? -->\n).*?(<!-- end -->)", re.DOTALL)
TEXT = re.compile(r"(<!-- text (\w+) \| ([^|\n]*?) \| ([^|\n]*?) -->\n).*?(<!-- end -->)", re.DOTALL)

STRICT = "evaluate --strict --seed 1 --seeds 3"
COMMANDS = {
    "lab": f"{STRICT} --baselines --contaminate 0.01 --contaminate 0.05",
    "loose": "evaluate --seed 1",
    "train": f"{STRICT} --calibrate train",
    "long": f"{STRICT} --calibrate val-long",
    "westermo": "evaluate --corpus westermo --seed 1 --seeds 3",
    "maxf": "evaluate --corpus maxf_dns --seed 1 --seeds 3",
    "packets": "evaluate --strict --heads session,packets",
    "clone": "evaluate --strict",
    "ablation": "ablation",
    "objectives": "objectives",
    "timeline": "timeline --only pair",
    "budget": "budget",
    "drift": "drift",
    "grouping": "grouping",
    "quickstart": "quickstart",
    "explain": "explain 10.77.0.66 10.77.0.11",
}
ON_THE_CUT = ["clone", "packets"]


def output(name: str, before: Path | None) -> str:
    """What the command of that name prints."""
    kept = ROOT / "target" / "detection" / f"{name}.txt"
    if before and (before / kept.name).exists():
        return (before / kept.name).read_text()
    example, *arguments = COMMANDS[name].split()
    command = ["cargo", "run", "--quiet", "--release", "--locked", "-p", "nf-examples", "--example", example, "--", *arguments]
    print(" ".join(command), flush=True)
    # Without NF_DATA the corpus is the cut of it that is in the repository.
    environment = {key: value for key, value in os.environ.items() if key != "NF_DATA" or name not in ON_THE_CUT}
    text = subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(text)
    return text


def lines_from(text: str, intro: str) -> list[str]:
    """All lines from the first with `intro` in it on."""
    lines = text.splitlines()
    start = next((i for i, line in enumerate(lines) if intro in line), None)
    if start is None:
        raise SystemExit(f"no line has {intro!r} in it")
    return lines[start:]


def passage(text: str, first: str, last: str) -> str:
    """The lines from the first with `first` in it to the one before `last`, or so many, as a block of text."""
    lines = lines_from(text, first)
    count = int(last) if last.isdigit() else next((i for i, line in enumerate(lines) if i and last in line), len(lines))
    return "```text\n" + "\n".join(line.rstrip() for line in lines[:count]).rstrip() + "\n```\n"


def table(text: str, intro: str, only: str | None) -> str:
    """The first table behind the first line with `intro` in it."""
    lines = lines_from(text, intro)
    first = next(i for i in range(len(lines)) if lines[i].startswith("|"))
    last = next((i for i in range(first, len(lines)) if not lines[i].startswith("|")), len(lines))
    rows = lines[first:last]
    if only:
        names = [name.strip() for name in only.split(",")]
        rows = rows[:2] + [row for row in rows[2:] if row.split("|")[1].strip() in names]
    return "".join(f"{row}\n" for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", type=lambda names: names.split(","), default=list(COMMANDS))
    parser.add_argument("--from", dest="before", type=Path, metavar="DIR")
    options = parser.parse_args()
    if unknown := set(options.only) - set(COMMANDS):
        sys.exit(f"{', '.join(sorted(unknown))}: no such command, there are {', '.join(COMMANDS)}")
    printed: dict[str, str] = {}

    def said(name: str) -> str:
        if name not in printed:
            printed[name] = output(name, options.before)
        return printed[name]

    def made(block: re.Match[str]) -> str:
        head, name, intro, only, end = block.groups()
        return head + table(said(name), intro, only) + end if name in options.only else block[0]

    def quoted(block: re.Match[str]) -> str:
        head, name, first, last, end = block.groups()
        return head + passage(said(name), first, last) + end if name in options.only else block[0]

    for page in PAGES:
        page.write_text(TEXT.sub(quoted, BLOCK.sub(made, page.read_text())))


if __name__ == "__main__":
    main()
