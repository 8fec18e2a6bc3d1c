"""The examples of the documentation, run: Python blocks, and consoles that are typed in.

A console block shows commands behind ``$`` (continued behind ``>``) and what they print. Every
page is run in a directory of its own, with the samples in ``docs`` where a checkout has them.

    python tests/docs_support.py    writes into the pages what their consoles print now
"""

import contextlib
import doctest
import os
import re
import shutil
import subprocess
import sys
import tempfile
from difflib import unified_diff
from itertools import takewhile
from pathlib import Path

import warm
from sybil import Document
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))]

#: Stands for the directory that a page is run in; as long as those that tempfile makes, so that
#: what stands in columns stays straight.
_HOME = "/home/me/project"

# What differs from run to run, and what stands for it while two consoles are compared: the times
# at which the store recorded something (no time in the sample has a fraction), how long a run
# took, and the widths of columns that hold either.
_MASKS = (
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\.\d{3,6}Z?"), "<recorded>"),
    (
        re.compile(r"(known since|until|arrived|changed it)\s+\d{4}-\d\d-\d\d\s+\d\d:\d\d:\d\d"),
        r"\1 <recorded>",
    ),
    (re.compile(r"in \d+\.\d s\b"), "in <seconds>"),
    (re.compile(r'"seconds": [\d.]+'), '"seconds": <seconds>'),
    (re.compile(r" {2,}"), " "),
    (re.compile(r"─+"), "─"),
)


@contextlib.contextmanager
def room(directory):
    """Work in a directory that looks like a checkout, as far as examples need one."""
    (directory / "docs").mkdir()
    shutil.copy(ROOT / "docs" / "sample.jsonl", directory / "docs")
    shutil.copytree(ROOT / "docs" / "samples", directory / "docs" / "samples")
    with contextlib.chdir(directory):
        yield


def read(page):
    """Return a page and the examples on it."""
    python = PythonCodeBlockParser(doctest_optionflags=doctest.ELLIPSIS)
    console = CodeBlockParser(language="console", evaluator=check_console)
    return Document.parse(str(page), python, console)


def check_console(example):
    """Type a console in; the difference between what the page shows and what was printed."""
    printed = type_in(example.parsed)
    shown = _masked(example.parsed)
    if _masked(printed) == shown:
        return None
    difference = unified_diff(shown, _masked(printed), "shown", "printed", lineterm="", n=99)
    return "\n".join(difference)


def _masked(text):
    for pattern, stands_for in _MASKS:
        text = pattern.sub(stands_for, text)
    return text.splitlines()


def type_in(console):
    """Return the console as it looks when its commands are run now."""
    lines, status = [], 0
    for command in _commands(console):
        if status and not command[0].startswith("$ echo $?"):
            raise AssertionError(f"exit status {status} before: {command[0]}")
        text = "\n".join(line[2:] for line in command)
        done = _run(f"(exit {status})\n{text}")
        status = done.returncode
        lines += command
        lines += [line.rstrip() for line in done.stdout.splitlines()]
    if status:
        raise AssertionError(f"exit status {status} at the end: {lines[-1]}")
    here = str(Path.cwd().resolve())
    return "\n".join(lines).replace(here, _HOME) + "\n"


def _commands(console):
    """Each command, with the lines that go on with it."""
    lines = console.splitlines()
    for number, line in enumerate(lines):
        if line.startswith("$ "):
            more = takewhile(lambda line: line.startswith("> "), lines[number + 1 :])
            yield [line, *more]


def _run(script):
    places = [warm.commands(), str(Path(sys.executable).parent), os.environ["PATH"]]
    return subprocess.run(
        ["/bin/sh", "-c", script],
        env=os.environ
        | {"PATH": os.pathsep.join(places), "COLUMNS": "100"}
        | {"NO_COLOR": "1", "PYTHONUTF8": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


def update(page):
    """Write into a page what its consoles print now."""
    document = read(page)
    parts, end = [], 0
    for example in document.examples():
        source = example.parsed
        if example.region.evaluator is not check_console:
            example.evaluate()
            continue
        start = document.text.index(source, example.region.start)
        parts += [document.text[end:start], type_in(source)]
        end = start + len(source)
    page.write_text("".join([*parts, document.text[end:]]), "utf-8")


if __name__ == "__main__":
    for one in PAGES:
        with tempfile.TemporaryDirectory() as place, room(Path(place)):
            update(one)
