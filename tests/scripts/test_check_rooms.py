# SPDX-License-Identifier: Apache-2.0
"""scripts/check-rooms: which tree is right, and the sentence about one that is not."""

from __future__ import annotations

import subprocess
import tempfile
import unittest
from pathlib import Path

from lab.tools import REPOSITORY

# | room | what is in it | may include |
ROWS = """\
| `src/agent/` | wiring | the rooms of the agent below, pull, base |
| `src/agent/observe/` | asks | track (its `observation.h`), pull, base |
| `src/agent/track/` | follows | pull, base |
| `src/server/` | wiring | the rooms of the server below, base |
| `src/server/store/` | pulls | server/http, base |
| `src/server/http/` | connections | base |
| `src/pull/` | the model | base |
| `src/base/` | the ground | |
| `web/src/` | puts it together | the rooms of the page below |
| `web/src/testing/` | for tests | state |
| `web/src/ui/` | draws | state |
| `web/src/state/` | knows | |
| `lab/` | is not looked at | anything |
"""
TREE = {
    "src/agent/main.c": '#include "agent/observe/round.h"\n#include <stdio.h>\n#include "base/log.h"',
    "src/agent/observe/round.c": '#include "round.h"\n#include "agent/track/observation.h"',
    "src/agent/observe/round.h": "",
    "src/agent/track/observation.h": '#include "pull/model.h"',
    "src/server/main.c": '#include "server/store/store.h"\n#include "server/http/http.h"',
    "src/server/store/store.h": '#include "server/http/http.h"',
    "src/server/http/http.h": '#include "base/log.h"',
    "src/pull/model.h": "",
    "src/base/log.h": "",
    "web/src/main.tsx": "import './ui/base.css';\nconst Row = lazy(() => import('./ui/Row'));",
    "web/src/ui/Row.tsx": "import { useState } from 'react';\nimport type { Pull } from '../state/pull';",
    "web/src/ui/Row.test.tsx": "import { sample } from '../testing/samples';",
    "web/src/state/pull.ts": "export type Pull = {};",
    "web/src/testing/samples.ts": "import { Pull } from '../state/pull';",
}


class CheckRooms(unittest.TestCase):
    def check(self, changed: dict[str, str], rows: str = ROWS) -> tuple[int, list[str]]:
        """The exit status and the sentences of a tree that is right but for what is changed."""
        with tempfile.TemporaryDirectory() as folder:
            for name, text in (TREE | changed | {"docs/architecture.md": rows}).items():
                path = Path(folder, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            done = subprocess.run(
                [REPOSITORY / "scripts/check-rooms", folder], capture_output=True, text=True
            )
        sentences = [line.removeprefix("check-rooms: ") for line in done.stderr.splitlines()]
        return done.returncode, sentences

    def test_a_tree_that_is_right(self) -> None:
        self.assertEqual(self.check({}), (0, []))

    def test_a_wrong_arrow_names_both_files_and_the_rule(self) -> None:
        for what, changed, sentence in (
            (
                "up",
                {"src/pull/model.c": '#include "agent/track/observation.h"'},
                "src/pull/model.c includes src/agent/track/observation.h,"
                " but `src/pull/` may include only base (docs/architecture.md).",
            ),
            (
                "to a neighbour",
                {"src/server/http/http.c": '#include "server/store/store.h"'},
                "src/server/http/http.c includes src/server/store/store.h,"
                " but `src/server/http/` may include only base (docs/architecture.md).",
            ),
            (
                "from the ground",
                {"src/base/log.c": '#  include "pull/model.h"'},
                "src/base/log.c includes src/pull/model.h,"
                " but `src/base/` may include no other room (docs/architecture.md).",
            ),
            (
                "from the agent to the server",
                {"src/agent/main.c": '#include "server/http/http.h"'},
                "src/agent/main.c includes src/server/http/http.h, but `src/agent/` may include"
                " only agent/observe, agent/track, pull, base (docs/architecture.md).",
            ),
            (
                "of the page",
                {"web/src/state/pull.ts": "export { Row } from '../ui/Row';"},
                "web/src/state/pull.ts includes web/src/ui/Row,"
                " but `web/src/state/` may include no other room (docs/architecture.md).",
            ),
            (
                "of the page, loaded later",
                {"web/src/state/pull.ts": "void import('../ui/Row');"},
                "web/src/state/pull.ts includes web/src/ui/Row,"
                " but `web/src/state/` may include no other room (docs/architecture.md).",
            ),
            (
                "of the page, over two lines",
                {"web/src/state/pull.ts": "import {\n  Row,\n} from\n  '../ui/Row';"},
                "web/src/state/pull.ts includes web/src/ui/Row,"
                " but `web/src/state/` may include no other room (docs/architecture.md).",
            ),
            (
                "to what only tests may import",
                {"web/src/ui/Row.tsx": "import { sample } from '../testing/samples';"},
                "web/src/ui/Row.tsx includes web/src/testing/samples,"
                " but `web/src/ui/` may include only state (docs/architecture.md).",
            ),
        ):
            with self.subTest(what):
                self.assertEqual(self.check(changed), (1, [sentence]))

    def test_a_room_with_doors_is_entered_by_them(self) -> None:
        rows = ROWS.replace("| pulls |", "| `store.h`, `reader.h`: pulls, in `state.h` |")
        self.assertEqual(self.check({}, rows), (0, []))
        inside = {
            "src/server/store/state.h": "",
            "src/server/store/store.c": '#include "server/store/state.h"',
        }
        self.assertEqual(self.check(inside, rows), (0, []), "its own files go where they like")
        sentence = (
            "src/server/other.c includes src/server/store/state.h,"
            " but the doors of `src/server/store/` are store.h, reader.h (docs/architecture.md)."
        )
        outside = inside | {"src/server/other.c": '#include "server/store/state.h"'}
        self.assertEqual(self.check(outside, rows), (1, [sentence]))

    def test_an_unknown_room(self) -> None:
        for what, changed, sentence in (
            (
                "of the agent",
                {"src/cellar/wine.c": ""},
                "src/cellar/ is no room: give it a row in docs/architecture.md, with what it may include.",
            ),
            (
                "of the page",
                {"web/src/cellar/wine.ts": ""},
                "web/src/cellar/ is no room: give it a row in docs/architecture.md, with what it may include.",
            ),
        ):
            with self.subTest(what):
                self.assertEqual(self.check(changed), (1, [sentence]))

    def test_a_room_without_a_folder(self) -> None:
        rows = ROWS + "| `src/attic/` | nothing | |\n"
        sentence = "docs/architecture.md: `src/attic/` has a row, but there is no such folder."
        self.assertEqual(self.check({}, rows), (1, [sentence]))

    def test_a_folder_has_at_most_fourteen_modules(self) -> None:
        many = {f"src/pull/m{i}.{kind}": "" for i in range(13) for kind in "ch"}
        self.assertEqual(self.check(many), (0, []), "with model.h these are fourteen")
        sentence = "src/pull/ has 15 modules; a folder of src has at most 14."
        self.assertEqual(self.check(many | {"src/pull/another.c": ""}), (1, [sentence]))
        in_base = {name.replace("pull", "base"): "" for name in many} | {"src/base/another.c": ""}
        self.assertEqual(self.check(in_base), (0, []), "of base there may be more")

    def test_a_wrong_table(self) -> None:
        for what, row, sentence in (
            (
                "an unknown name",
                "| `src/cli/` | | track |",
                '`src/cli/` may include "track", which is no room.',
            ),
            (
                "an arrow up",
                "| `src/cli/` | | pull |",
                '`src/cli/` may include "pull", which does not stand below it.',
            ),
            ("a second row", "| `src/pull/` | | |", "`src/pull/` has more than one row."),
        ):
            with self.subTest(what):
                found = self.check({}, ROWS + row + "\n")
                self.assertEqual(found, (2, [f"docs/architecture.md: {sentence}"]))

    def test_agent_and_server_never_include_each_other(self) -> None:
        rows = ROWS.replace(
            "| `src/agent/` | wiring | the", "| `src/agent/` | wiring | server/http, the"
        )
        sentence = (
            'docs/architecture.md: `src/agent/` may include "server/http",'
            " but agent and server never include each other."
        )
        self.assertEqual(self.check({}, rows), (2, [sentence]))

    def test_without_a_table(self) -> None:
        sentence = "docs/architecture.md has no table of rooms."
        self.assertEqual(self.check({}, "# Architecture\n"), (2, [sentence]))
