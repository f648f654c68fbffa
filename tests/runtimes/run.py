# SPDX-License-Identifier: Apache-2.0
"""Runs the classes of this folder beside each other: python3 -m tests.runtimes.run BUILD [--long | CLASS...]

What each writes is in BUILD/test-runtimes/.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
import unittest
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

PACKAGE = "tests.runtimes"
LONG = "half_hour"
AT_ONCE = int(os.environ.get("RUNTIMES_AT_ONCE", "3"))
# What waits for slow links comes first: it is at its end when the others are.
SLOWEST_FIRST = ("Slow", "Broken", "Silent", "Images", "Transfer", "Soci")
TIMEOUT_S = 900
TIMEOUT_LONG_S = 3600
# A class in mounts, processes and a network of its own, which all end with it.
ALONE = ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child"]
ALONE += ["--mount-proc", sys.executable, "-m", "lab.loopback", sys.executable, "-u", "-m"]
RESULT = re.compile(r"RESULT\t(.*)")
RAN = re.compile(r"^Ran (\d+) tests?", re.M)
WRONG = re.compile(r"^(?:FAIL|ERROR): ", re.M)


@dataclass(frozen=True)
class Outcome:
    name: str
    seconds: float
    tests: int
    wrong: int
    results: list[str]


def classes_of(suite: unittest.TestSuite) -> Iterator[str]:
    for part in suite:
        if isinstance(part, unittest.TestSuite):
            yield from classes_of(part)
        else:
            kind = type(part)
            yield f"{kind.__module__}.{kind.__qualname__}".removeprefix(f"{PACKAGE}.")


def rank(name: str) -> int:
    kind = name.rsplit(".", 1)[1]
    found = [i for i, start in enumerate(SLOWEST_FIRST) if kind.startswith(start)]
    return found[0] if found else len(SLOWEST_FIRST)


def chosen(arguments: list[str]) -> list[str]:
    loader = unittest.TestLoader()
    if arguments == ["--long"]:
        suite = loader.loadTestsFromName(f"{PACKAGE}.{LONG}")
    elif arguments:
        return arguments
    else:
        suite = loader.discover("tests/runtimes", top_level_dir=".")
    if loader.errors:
        sys.exit("\n".join(loader.errors))
    return sorted(dict.fromkeys(classes_of(suite)), key=rank)


def run(name: str, folder: Path, timeout_s: int) -> Outcome:
    began = time.monotonic()
    log = folder / f"{name}.log"
    environment = dict(os.environ, PULLTRACE_BIN_DIR=str(folder))
    command = [*ALONE, "unittest", "-v", f"{PACKAGE}.{name}"]
    with log.open("wb") as output:
        try:
            status = subprocess.run(
                command, stdout=output, stderr=output, env=environment, timeout=timeout_s
            ).returncode
        except subprocess.TimeoutExpired:
            status = 1
    text = log.read_text(errors="replace")
    ran = RAN.search(text)
    wrong = max(len(WRONG.findall(text)), 1 if status else 0)
    tests = max(int(ran[1]) if ran else 0, wrong)
    return Outcome(name, time.monotonic() - began, tests, wrong, RESULT.findall(text))


def main() -> None:
    build, *arguments = sys.argv[1:]
    folder = Path(build, "test-runtimes").resolve()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for program in ("pulltrace-agent", "pulltrace-server"):  # a build meanwhile leaves these alone
        shutil.copy2(Path(build, program), folder)
    names = chosen(arguments)
    is_long = arguments == ["--long"]
    at_once, timeout_s = (len(names), TIMEOUT_LONG_S) if is_long else (AT_ONCE, TIMEOUT_S)
    outcomes = []
    with ThreadPoolExecutor(at_once) as pool:
        for done in as_completed([pool.submit(run, name, folder, timeout_s) for name in names]):
            outcome = done.result()
            outcomes.append(outcome)
            word = f"{outcome.wrong} FAILED: {folder}/{outcome.name}.log" if outcome.wrong else "ok"
            print(
                f"test-runtimes: {len(outcomes)} of {len(names)}: {outcome.name}, "
                f"{outcome.seconds:.0f} s: {word}",
                file=sys.stderr,
                flush=True,
            )
    for outcome in sorted(outcomes, key=lambda outcome: outcome.name):
        for line in outcome.results:
            kind, what, figure, true, shown = line.split("\t")
            print(f"{kind:24} {what:28} {figure:12} {true:>10} {shown:>10}")
    wrong = sum(outcome.wrong for outcome in outcomes)
    print(f"{sum(outcome.tests for outcome in outcomes) - wrong} passed, {wrong} failed")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
