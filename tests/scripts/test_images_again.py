# SPDX-License-Identifier: Apache-2.0
"""What `scripts/images --again` calls different."""

from __future__ import annotations

import tempfile
import unittest
from pathlib import Path

from tests.scripts.load import load_script

images = load_script("images")


class Again(unittest.TestCase):
    def test_only_the_same_bytes_are_the_same(self) -> None:
        cases: list[tuple[dict[str, str], dict[str, str], list[str]]] = [
            ({}, {}, []),
            ({"a": "1", "b": "2"}, {"a": "1", "b": "2"}, []),
            ({"a": "1", "b": "2"}, {"a": "1", "b": "3"}, ["b"]),
            ({"a": "1"}, {}, ["a"]),
            ({}, {"a": ""}, ["a"]),
        ]
        for first, second, wanted in cases:
            with self.subTest(first=first, second=second), tempfile.TemporaryDirectory() as folder:
                for name, files in (("first", first), ("second", second)):
                    (Path(folder) / name).mkdir()
                    for file, text in files.items():
                        (Path(folder) / name / file).write_text(text)
                images.DIST = Path(folder) / "first"
                self.assertEqual(images.differences(Path(folder) / "second"), wanted)


if __name__ == "__main__":
    unittest.main()
