# SPDX-License-Identifier: Apache-2.0
"""The Dockerfiles make what deploy/images/pack.py packs: no engine is needed to see that they say the same."""

from __future__ import annotations

import ast
import json
import re
import shlex
import unittest

from lab.tools import REPOSITORY

FOLDER = REPOSITORY / "deploy/images"
PROGRAMS = ("agent", "server")
PACK = (FOLDER / "pack.py").read_text()


def instructions(program: str) -> list[tuple[str, str]]:
    """Of the Dockerfile, with what is continued on one line; comments left out."""
    text = (FOLDER / f"{program}.Dockerfile").read_text()
    lines = re.sub(r"\\\n\s*", "", re.sub(r"^#.*\n", "", text, flags=re.M)).splitlines()
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines if line)]


def last_stage(program: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for word, rest in instructions(program):
        if word == "FROM":
            found = {}
        found.setdefault(word, []).append(rest)
    return found


def packed(table: str, program: str) -> object:
    """The entry of a table of pack.py."""
    text = re.search(rf"^{table} = (\{{.*?\}})$", PACK, re.M | re.S)
    assert text, table
    entries: dict[str, object] = ast.literal_eval(text[1])
    return entries[f"pulltrace-{program}"]


class Dockerfiles(unittest.TestCase):
    def test_user_ports_and_program_are_those_of_the_archives(self) -> None:
        for program in PROGRAMS:
            with self.subTest(program):
                stage = last_stage(program)
                self.assertEqual(stage["FROM"], ["scratch"])
                self.assertEqual(stage["USER"], [packed("USERS", program)])
                ports = [port for line in stage.get("EXPOSE", []) for port in line.split()]
                self.assertEqual(ports, list(packed("PORTS", program)))  # type: ignore[call-overload]
                self.assertEqual(json.loads(stage["ENTRYPOINT"][0]), [f"/usr/bin/pulltrace-{program}"])
                self.assertIn(f'"WorkingDir": "{stage["WORKDIR"][0]}"', PACK)
                self.assertIn(f'"Env": ["{stage["ENV"][0]}"]', PACK)
                for label in shlex.split(stage["LABEL"][0]):
                    name, _, value = label.removeprefix("org.opencontainers.image.").partition("=")
                    self.assertRegex(PACK, f'"{name}": ("{re.escape(value)}"|program)')

    def test_both_layers_and_nothing_else_are_copied(self) -> None:
        for program in PROGRAMS:
            folder = f"--from=build /out/image/pulltrace-{program}"
            self.assertEqual(last_stage(program)["COPY"], [f"{folder}/libraries /", f"{folder}/program /"])

    def test_what_is_built_comes_from_the_lock_alone(self) -> None:
        """The base of the first stage only unpacks; the second has nothing but the lock's packages, and no network."""
        for program in PROGRAMS:
            with self.subTest(program):
                words = instructions(program)
                bases = [rest for word, rest in words if word == "FROM"]
                self.assertEqual(bases[0], "--platform=linux/amd64 debian:trixie-slim AS root")
                self.assertEqual(bases[1:], ["scratch AS build", "scratch"])
                self.assertIn(("COPY", "--from=root /locked /"), words)
                runs = [rest for word, rest in words if word == "RUN"]
                self.assertIn("/pulltrace/scripts/images --root /locked", runs[1])
                self.assertRegex(runs[2], r"^--network=none .*deploy/images/build \"\$TARGETARCH\" /out")
                self.assertEqual(len(runs), 3)

    def test_they_differ_in_the_program_alone(self) -> None:
        texts = []
        for program in PROGRAMS:
            own = [(w, r) for w, r in instructions(program) if w not in ("USER", "EXPOSE")]
            texts.append([(word, rest.replace(f"pulltrace-{program}", "PROGRAM")) for word, rest in own])
        self.assertEqual(texts[0], texts[1])


if __name__ == "__main__":
    unittest.main()
