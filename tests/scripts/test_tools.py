# SPDX-License-Identifier: Apache-2.0
"""How what scripts/fetch-* bring comes into .tools."""

from __future__ import annotations

import tempfile
import unittest
from pathlib import Path
from unittest import mock

from lab.tools import put_in_place


class PutInPlace(unittest.TestCase):
    def setUp(self) -> None:
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.ready, self.target = folder / "ready", folder / "tools/it"
        (self.ready / "bin").mkdir(parents=True)
        (self.ready / "bin/program").write_text("newer")
        (self.ready / "lib").symlink_to("bin")

    def test_it_takes_the_place_of_what_was_there(self) -> None:
        (self.target / "former").mkdir(parents=True)
        put_in_place(self.ready, self.target)
        self.assertEqual((self.target / "lib/program").read_text(), "newer")
        self.assertTrue((self.target / "lib").is_symlink())
        self.assertFalse((self.target / "former").exists())
        self.assertEqual([path.name for path in self.target.parent.iterdir()], ["it"])

    def test_half_of_it_is_not_taken_for_it(self) -> None:
        def copy_half(source: Path, target: Path, **options: bool) -> None:
            (target / "bin").mkdir(parents=True)
            raise KeyboardInterrupt

        with mock.patch("shutil.copytree", copy_half), self.assertRaises(KeyboardInterrupt):
            put_in_place(self.ready, self.target)
        self.assertFalse(self.target.exists())
        put_in_place(self.ready, self.target)
        self.assertTrue((self.target / "bin/program").exists())


if __name__ == "__main__":
    unittest.main()
