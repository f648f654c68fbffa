# SPDX-License-Identifier: Apache-2.0
"""What is released is of one version, and of the commit alone."""

from __future__ import annotations

import gzip
import re
import shutil
import tempfile
import unittest
from pathlib import Path

from lab.tools import REPOSITORY
from tests.scripts.load import load_script

release = load_script("release")
CHANGELOG = "# Changelog\n\n## Unreleased\n\n## 2.0.0 - 2027-01-02\n\nNew. [How](docs/upgrading.md)\n\n## 1.0.0 - 2026-01-02\n\nOld.\n"


class Versions(unittest.TestCase):
    """A copy of the files that name the version, all of them changed to 2.0.0."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.tree = Path(folder.name)
        for name in {name for name, _ in release.PLACES}:
            self.write(name, (REPOSITORY / name).read_text())
        current = re.search(r"^  version: '([^']*)'", (REPOSITORY / "meson.build").read_text(), re.M)
        assert current
        for name, pattern in release.PLACES:
            text = (self.tree / name).read_text()
            self.write(name, re.sub(pattern, lambda m: m[0].replace(current[1], "2.0.0"), text, flags=re.M))
        self.write("CHANGELOG.md", CHANGELOG)
        notes = (self.tree / "docs/upgrading.md").read_text()
        self.write("docs/upgrading.md", notes.replace(f"## To {current[1]}\n", "## To 2.0.0\n"))

    def write(self, name: str, text: str) -> None:
        (self.tree / name).parent.mkdir(parents=True, exist_ok=True)
        (self.tree / name).write_text(text)

    def wrong(self, version: str = "2.0.0") -> list[str]:
        return list(release.disagreements(self.tree, version))

    def test_all_of_one_version(self) -> None:
        self.assertEqual(self.wrong(), [])

    def test_each_place_counts(self) -> None:
        for name, pattern in release.PLACES:
            with self.subTest(f"{name} {pattern}"):
                kept = (self.tree / name).read_text()
                self.write(name, re.sub(pattern, lambda m: m[0].replace("2.0.0", "1.9.9"), kept, count=1, flags=re.M))
                self.assertEqual(self.wrong(), [f"{name} says 1.9.9"])
                self.write(name, kept)

    def test_words_under_unreleased_are_refused(self) -> None:
        self.write("CHANGELOG.md", CHANGELOG.replace("## Unreleased\n", "## Unreleased\n\n- More.\n"))
        self.assertEqual(self.wrong(), ["CHANGELOG.md has words under 'Unreleased': they belong to the version"])

    def test_a_version_without_a_section_or_upgrade_notes_is_refused(self) -> None:
        wrong = self.wrong("3.0.0")
        self.assertIn("CHANGELOG.md has no section '## 3.0.0 - YEAR-MONTH-DAY' with words in it", wrong)
        self.assertIn("docs/upgrading.md has no heading 'To 3.0.0'", wrong)

    def test_notes_are_the_section_of_the_version(self) -> None:
        self.assertEqual(release.notes(CHANGELOG, "2.0.0"), "New. [How](docs/upgrading.md)\n")
        self.assertEqual(release.notes(CHANGELOG, "1.0.0"), "Old.\n")
        self.assertEqual(release.notes(CHANGELOG, "Unreleased"), "")
        address = "https://github.com/pulltrace/pulltrace/blob/v2.0.0/docs/upgrading.md"
        self.assertEqual(release.notes_elsewhere(CHANGELOG, "2.0.0"), f"New. [How]({address})\n")


class Archives(unittest.TestCase):
    def test_nothing_depends_on_when_or_in_which_order_files_were_made(self) -> None:
        made = []
        for names in (["a", "b"], ["b", "a"]):
            with tempfile.TemporaryDirectory() as folder:
                for name in names:
                    (Path(folder) / name).write_text(name)
                    (Path(folder) / name).chmod(0o600 if names[0] == "a" else 0o755)
                target = Path(folder) / "x.tar.gz"
                release.pack(target, release.files_below(Path(folder), "x/"), 1_700_000_000)
                made.append(target.read_bytes())
        self.assertEqual(made[0], made[1])
        self.assertIn(b"x/a", gzip.decompress(made[0]))


@unittest.skipUnless(shutil.which("git"), "no git here")
class Repository(unittest.TestCase):
    """What is refused before any file is read."""

    def setUp(self) -> None:
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.git("init", "--quiet")

    def git(self, *words: str) -> None:
        release.run("git", "-c", "user.name=a", "-c", "user.email=a@example.org", *words, cwd=self.folder)

    def commit(self) -> None:
        self.git("commit", "--quiet", "--allow-empty", "--message", "x")

    def test_a_dirty_tree(self) -> None:
        shutil.copy(REPOSITORY / "CHANGELOG.md", self.folder)
        with self.assertRaisesRegex(release.Failed, "the tree is dirty: CHANGELOG.md"):
            release.check("0.1.0", self.folder)

    def test_a_version_whose_tag_is_at_another_commit(self) -> None:
        for options in (("v2.0.0",), ("--annotate", "--message", "x", "v2.0.1")):
            version = options[-1][1:]
            with self.subTest(version):
                self.commit()
                self.git("tag", *options)
                with self.assertRaises(FileNotFoundError):  # of what a tree must have: the tag itself is right
                    release.check(version, self.folder)
                self.commit()
                with self.assertRaisesRegex(release.Failed, f"v{version} is released already"):
                    release.check(version, self.folder)
