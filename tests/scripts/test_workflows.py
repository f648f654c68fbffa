# SPDX-License-Identifier: Apache-2.0
"""What GitHub runs: each job by make, and each target of make that tests something in a job."""

from __future__ import annotations

import re
import unittest

from lab.tools import REPOSITORY

WORKFLOWS = {path.name: path.read_text() for path in sorted((REPOSITORY / ".github/workflows").glob("*.yml"))}
MAKEFILE = (REPOSITORY / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z0-9-]+):", MAKEFILE, re.M))
IN_NO_JOB = {
    "help": "prints the list",
    "web": "a part of build",
    "run": "watches a machine's own containerd, and a runner has none",
    "test-debian": "the jobs run in Debian's own images of 12 and 13",
    "lint-workflows": "a part of lint",
    "bench": "figures of a shared runner say nothing",
    "format": "changes the sources",
    "clean": "removes what was built",
}


def targets_of(text: str) -> set[str]:
    """What its jobs give to make.yml, and what its steps run by themselves."""
    given = re.findall(r'target: ("[^"]*"|[^,}\n]*)', text) + re.findall(r"\bmake ([a-z][^\n]*)", text)
    words = {word for line in given if "${{" not in line for word in line.strip('"').split()}
    return {word for word in words if re.fullmatch(r"[a-z][a-z0-9-]*", word)}


def run_by_a_job() -> set[str]:
    return set().union(*(targets_of(text) for text in WORKFLOWS.values()))


class Jobs(unittest.TestCase):
    def test_each_target_is_one_of_make(self) -> None:
        for name in ("ci.yml", "weekly.yml"):
            text = WORKFLOWS[name]
            found = re.findall(r'target: (?:"([^"]*)"|([^,}$\n]*?)) *[,}]', text)
            self.assertGreater(len(found), 8)
            for quoted, plain in found:
                words = re.sub(r"'[^']*'", "", quoted or plain).split()
                targets = [word for word in words if "=" not in word]
                with self.subTest(name, words=words):
                    self.assertTrue(targets)
                    self.assertLessEqual(set(targets), TARGETS)

    def test_each_target_is_run_or_says_why_not(self) -> None:
        self.assertEqual(TARGETS - run_by_a_job() - set(IN_NO_JOB), set(), "no workflow runs these")
        self.assertEqual(set(IN_NO_JOB) - TARGETS, set(), "no targets any more")

    def test_each_job_ends(self) -> None:
        for name, text in WORKFLOWS.items():
            jobs = re.split(r"^jobs:\n", text, flags=re.M)[1]
            for job in re.split(r"^  (?=[a-z]+:\n)", jobs, flags=re.M)[1:]:
                with self.subTest(name, job=job.partition(":")[0]):
                    self.assertTrue("timeout-minutes:" in job or re.search(r"uses: \./\.github/workflows/", job))

    def test_no_secret_but_the_run_s_own_token(self) -> None:
        for name, text in WORKFLOWS.items():
            with self.subTest(name):
                self.assertNotRegex(text, r"\bsecrets\.|pull_request_target|workflow_run")
                self.assertRegex(text, r"(?m)^permissions: \{\}$")


if __name__ == "__main__":
    unittest.main()
