# SPDX-License-Identifier: Apache-2.0
"""`--make-secrets` at an API server that never lets it come to its end."""

from __future__ import annotations

import json
import subprocess
import unittest

from lab.pulltrace import environment
from lab.waiting import wait_for
from tests.integration.case import ADDRESS_SANITIZER, SERVER
from tests.kubernetes.fake_api import FakeApi

PATH = "/api/v1/namespaces/here/secrets/token"
MOST_REQUESTS = 100


class Endless(unittest.TestCase):
    def setUp(self) -> None:
        self.api = FakeApi()
        self.addCleanup(self.api.close)
        settings = {
            "PULLTRACE_KUBE_URL": self.api.url,
            "PULLTRACE_SECRETS_NAMESPACE": "here",
            "PULLTRACE_SECRETS_TOKEN": "token",
        }
        self.environment = environment(ADDRESS_SANITIZER | settings)

    def test_what_is_written_is_never_read(self) -> None:
        self.api.documents[PATH] = (404, b"{}")
        self.api.on_post = lambda path, body: (201, body)
        done = subprocess.run(
            [SERVER, "--make-secrets"], env=self.environment, capture_output=True, text=True, timeout=30
        )
        self.assertEqual((done.returncode, done.stderr.count("\n")), (1, 1), done.stderr)
        self.assertIn("not what is read", done.stderr)
        self.assertLess(len(self.api.asked), MOST_REQUESTS)

    def test_conflicts_without_an_end_are_asked_about_once_a_second(self) -> None:
        words = json.dumps({"kind": "Status", "code": 409, "message": "a conflict"}).encode()
        self.api.documents[PATH] = (409, words)
        maker = subprocess.Popen(
            [SERVER, "--make-secrets"], env=self.environment, stdout=subprocess.PIPE, text=True
        )
        self.addCleanup(maker.wait)
        self.addCleanup(maker.kill)
        assert maker.stdout is not None
        self.addCleanup(maker.stdout.close)
        wait_for("it asks", lambda: len(self.api.asked) > 0, 20)
        for _ in range(3):  # a second lies between two of these lines
            self.assertIn("a conflict", maker.stdout.readline())
        self.assertLess(len(self.api.asked), MOST_REQUESTS)
