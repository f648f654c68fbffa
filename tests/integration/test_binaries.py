# SPDX-License-Identifier: Apache-2.0
"""How the released programs are linked: what makes a memory error hard to use."""

from __future__ import annotations

import re
import subprocess
import unittest
from pathlib import Path

from tests.integration.case import BINARIES

PROGRAMS = [BINARIES / "release" / name for name in ("pulltrace-agent", "pulltrace-server")]
# Objects that the linker takes from the C library; they say what it was built with.
START_FILES = ("Scrt1.o", "crti.o", "crtn.o")


def readelf(path: Path | str, *options: str) -> str:
    done = subprocess.run(
        ["readelf", "--wide", *options, str(path)], capture_output=True, text=True, check=True
    )
    return done.stdout


def has_cet(path: Path | str) -> bool:
    return "IBT, SHSTK" in readelf(path, "--notes")


def start_files() -> list[str]:
    compiler = [["cc", f"-print-file-name={name}"] for name in START_FILES]
    return [subprocess.run(c, capture_output=True, text=True).stdout.strip() for c in compiler]


class Hardening(unittest.TestCase):
    def test_each_program(self) -> None:
        for program in PROGRAMS:
            with self.subTest(program.name):
                header, segments = readelf(program, "--file-header"), readelf(program, "--segments")
                dynamic, symbols = readelf(program, "--dynamic"), readelf(program, "--dyn-syms")
                self.assertRegex(header, r"Type:\s+DYN", "at another address each time (PIE)")
                self.assertIn("PIE", dynamic)
                self.assertIn("GNU_RELRO", segments)
                self.assertIn("BIND_NOW", dynamic, "with RELRO: no writable table of functions")
                self.assertRegex(segments, r"GNU_STACK.* RW +0x", "no code on the stack")
                self.assertNotRegex(segments, r"LOAD.* RWE ", "no memory writable and executable")
                self.assertNotRegex(dynamic, r"\((RPATH|RUNPATH|TEXTREL)\)")
                self.assertIn("__stack_chk_fail", symbols)
                fortified = set(re.findall(r"\b__\w+_chk\b", symbols))
                self.assertLessEqual({"__snprintf_chk", "__memcpy_chk"}, fortified)

    def test_fortify_looks_at_sizes_of_run_time(self) -> None:
        """Level 3, in the compiler's own words (the note that GNU's linker keeps is optional)."""
        commands = (BINARIES / "release" / "compile_commands.json").read_text()
        self.assertIn("-D_FORTIFY_SOURCE=3", commands)
        self.assertIn("-fstack-clash-protection", commands)

    def test_indirect_jumps_are_checked_where_the_libraries_allow(self) -> None:
        """The linker keeps the note only if each object has it (Debian 12's start files have not)."""
        if not all(has_cet(path) for path in start_files()):
            self.skipTest("the C library's start files have no CET note here")
        for program in PROGRAMS:
            with self.subTest(program.name):
                self.assertTrue(has_cet(program))
