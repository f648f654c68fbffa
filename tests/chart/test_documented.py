# SPDX-License-Identifier: Apache-2.0
"""What the documents say to install with can be rendered, with the arguments that they give."""

from __future__ import annotations

import re
import shlex
import unittest

from lab.tools import REPOSITORY
from tests.chart.helm import CHART, HELM, objects, run
from tests.docs.commands import all_commands

INSTALL = re.compile(r"(?:microk8s helm3|helm) (?:install|upgrade) (pulltrace) (\S+) (.*)")
REUSE = "--reset-then-reuse-values"  # an upgrade's: the consent of before counts
ADDRESS = "oci://ghcr.io/pulltrace/charts/pulltrace"  # where a release is pushed


class Documented(unittest.TestCase):
    def test_each_way_to_install(self) -> None:
        commands = [command for command in all_commands() if INSTALL.fullmatch(command.text)]
        self.assertGreater(len(commands), 9)
        for command in commands:
            with self.subTest(str(command)):
                found = INSTALL.fullmatch(command.text)
                assert found
                chart = CHART if found[2] == ADDRESS else REPOSITORY / found[2]
                words = shlex.split(found[3].replace(REUSE, "--set agent.runtimeSocket.risksAcknowledged=true"))
                rendered = objects(run(HELM, "template", found[1], chart, *words))
                kinds = {each["kind"] for each in rendered}
                self.assertIn("Deployment", kinds)
                self.assertEqual("DaemonSet" in kinds, "agent.enabled=false" not in command.text)

    def test_each_distribution_has_its_command(self) -> None:
        presets = re.findall(r"^(\w+):$", (CHART / "files/distributions.yaml").read_text(), re.M)
        given = " ".join(command.text for command in all_commands())
        missing = [name for name in presets if name != "generic" and f"distribution={name}" not in given]
        self.assertEqual(missing, [])
