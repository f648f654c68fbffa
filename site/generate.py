#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes those parts of docs/ anew that are made of the programs and of the chart.

Usage: site/generate.py [--check]     with --check nothing is written: exit status 1 and the names of what differs

  docs/man/PROGRAM.8    of each program's --help
  docs/metrics.md       its two tables: a scrape of the server, and the chart's alerts
Takes the programs of $PULLTRACE_BIN_DIR, else of build/.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

SITE = Path(__file__).resolve().parent
sys.path[:0] = [str(SITE), str(SITE.parent)]

from manual import manual  # noqa: E402
from programs import BUILD, PROGRAMS, REPOSITORY, help_of, version_of  # noqa: E402
from tables import row  # noqa: E402

from lab.waiting import free_port  # noqa: E402

ALERTS = REPOSITORY / "deploy/helm/pulltrace/files/alerts.yaml"
CHANGELOG = REPOSITORY / "CHANGELOG.md"
METRICS = REPOSITORY / "docs/metrics.md"
UNITS = ("_bucket", "_sum", "_count")


def scrape() -> str:
    """What /metrics says of a server that has just started, one of several whose Valkey cannot be reached."""
    addresses = {f"PULLTRACE_{name}_ADDR": f"127.0.0.1:{free_port()}" for name in ("HTTP", "METRICS")}
    addresses["PULLTRACE_SHARE_URL"] = f"valkey://127.0.0.1:{free_port()}"
    with subprocess.Popen([BUILD / "pulltrace-server"], env=os.environ | addresses, stdout=subprocess.DEVNULL) as server:
        try:
            url = f"http://{addresses['PULLTRACE_METRICS_ADDR']}/metrics"
            deadline = time.monotonic() + 20
            while True:
                try:
                    return urllib.request.urlopen(url, timeout=5).read().decode()
                except OSError:
                    if time.monotonic() > deadline or server.poll() is not None:
                        raise
                    time.sleep(0.1)
        finally:
            server.terminate()


def metrics_table(scraped: str) -> str:
    rows = ["| metric | type | labels | what |", "|---|---|---|---|"]
    for name, words in sorted(re.findall(r"^# HELP (\S+) (.*)$", scraped, re.M)):
        kind = re.search(rf"^# TYPE {name} (\S+)$", scraped, re.M)
        assert kind, name
        samples = re.findall(rf"^{name}(?:{'|'.join(UNITS)})?\{{([^}}]*)\}}", scraped, re.M)
        labels = sorted({label for sample in samples for label in re.findall(r'(\w+)="', sample)} - {"le"})
        rows.append(row(f"`{name}`", kind[1], ", ".join(f"`{label}`" for label in labels), words))
    return "\n".join(rows)


def alerts_table(rules: str) -> str:
    rows = ["| alert | for | fires when | what it says |", "|---|---|---|---|"]
    for rule in rules.split("      - alert: ")[1:]:
        name = rule.split("\n", 1)[0]
        rows.append(row(f"`{name}`", entry(rule, "for") or "at once", f"`{entry(rule, 'expr')}`", entry(rule, "summary")))
    return "\n".join(rows)


def entry(rule: str, key: str) -> str:
    """The value of a key: on its line, or folded (>-) in the deeper lines behind it."""
    found = re.search(rf"^( *){key}: (.*)\n((?:\1 +.*\n)*)", rule + "\n", re.M)
    if not found:
        return ""
    value = found[3] if found[2] == ">-" else found[2]
    return " ".join(value.split()).strip("'")


def between(text: str, what: str, content: str) -> str:
    begin, end = f"<!-- made by site/generate.py: {what} -->", f"<!-- end: {what} -->"
    before, found, rest = text.partition(begin)
    assert found, f"no {begin}"
    return f"{before}{begin}\n{content}\n{end}{rest.partition(end)[2]}"


def version_and_date(program: str) -> tuple[str, str]:
    """The program's version, and the day on which the changelog says that it came."""
    version = version_of(program)
    found = re.search(rf"^## {re.escape(version)} - (\S+)$", CHANGELOG.read_text(), re.M)
    assert found, f"CHANGELOG.md has no section '## {version} - DATE'"
    return version, found[1]


def generated() -> dict[Path, str]:
    pages = {
        REPOSITORY / f"docs/man/{program}.8": manual(program, help_of(program), *version_and_date(program))
        for program in PROGRAMS
    }
    text = between(METRICS.read_text(), "metrics", metrics_table(scrape()))
    return pages | {METRICS: between(text, "alerts", alerts_table(ALERTS.read_text()))}


def main() -> int:
    differing = {
        path: content
        for path, content in generated().items()
        if not path.exists() or path.read_text() != content
    }
    for path, content in differing.items():
        if "--check" in sys.argv:
            print(f"{path.relative_to(REPOSITORY)} is not as the programs and the chart are now: site/generate.py")
        else:
            path.parent.mkdir(exist_ok=True)
            path.write_text(content)
    return 1 if differing and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
