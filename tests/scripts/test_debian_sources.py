# SPDX-License-Identifier: Apache-2.0
"""Where scripts/test-debian and scripts/images take their packages from."""

from __future__ import annotations

import unittest

from lab.debian_sources import sources_of

# As apt-get indextargets prints it, of a Debian 12 with other sources besides.
TARGETS = """\
http://mirror.example/debian/ bookworm main
http://mirror.example/debian/ bookworm contrib
http://mirror.example/debian/ bookworm-updates main
http://mirror.example/security/ bookworm-security main
http://mirror.example/security/ bookworm-security main
http://other.example/node/ nodistro main
http://mirror.example/debian/ trixie main
http://other.example/ bookworm-backports main
"""


class Sources(unittest.TestCase):
    def test_those_of_the_machine_with_the_other_release(self) -> None:
        expected = [
            "deb http://mirror.example/debian/ trixie main",
            "deb http://mirror.example/debian/ trixie-updates main",
            "deb http://mirror.example/security/ trixie-security main",
        ]
        self.assertEqual(sources_of(TARGETS, "bookworm"), expected)

    def test_on_debian_13_itself(self) -> None:
        found = sources_of(TARGETS, "trixie")
        self.assertEqual(found, ["deb http://mirror.example/debian/ trixie main"])

    def test_the_release_that_is_asked_for(self) -> None:
        self.assertEqual(
            sources_of(TARGETS, "trixie", "bookworm"), ["deb http://mirror.example/debian/ bookworm main"]
        )
        own = sources_of(TARGETS, "bookworm", "bookworm")
        self.assertEqual(own[1], "deb http://mirror.example/debian/ bookworm-updates main")

    def test_none(self) -> None:
        self.assertEqual(
            sources_of("http://other.example/node/ nodistro main", "bookworm"), []
        )
