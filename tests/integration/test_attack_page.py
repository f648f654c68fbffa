# SPDX-License-Identifier: Apache-2.0
"""HTML in every text that an agent or Kubernetes can send, on every page, in a real browser."""

from __future__ import annotations

import json
import subprocess
import urllib.parse
from typing import Any

from lab.tools import REPOSITORY
from lab.waiting import wait_for
from tests.integration.http_json import get
from tests.integration.server_case import ServerCase, layer, pull
from tests.kubernetes.cluster import event, pod
from tests.kubernetes.fake_api import FakeApi

HOSTILE = (
    "<x-evil onclick=1>e</x-evil><img src=x onerror=window.pwned=1><svg onload=window.pwned=1>"
    "<script>window.pwned=1</script><iframe src=javascript:parent.pwned=1></iframe>"
    '"><x-evil \'><x-evil </title></style></script><x-evil>{{1}}${1}javascript:window.pwned=1'
)
# In the address of a pod's page a slash ends its namespace.
HOSTILE_NAME = "<x-evil onclick=1><img src=x onerror=window.pwned=1>\"'<x-evil>"


class HostileTexts(ServerCase):
    def hostile_pull(self, number: int, **more: Any) -> dict[str, Any]:
        text = f"{HOSTILE}{number}"
        long_layer = layer(number, 500, mediaType=text, extractionError=text)
        fields = {"repository": text, "namespace": text, "platform": text, "snapshotter": text}
        return pull(text, text, long_layer, **fields, **more)

    def test_no_script_runs_and_no_element_appears(self) -> None:
        api = FakeApi()
        self.addCleanup(api.close)
        evil = pod(HOSTILE_NAME, HOSTILE, "evil", HOSTILE_NAME, "ErrImagePull", HOSTILE)
        evil["spec"]["containers"][0]["name"] = HOSTILE_NAME
        evil["status"]["containerStatuses"][0]["name"] = HOSTILE_NAME
        api.put("pods", evil)
        api.put("events", event(evil, "Failed", f'Failed to pull image "{HOSTILE}": {HOSTILE}'))
        server = self.start_server(PULLTRACE_KUBE_URL=api.url)
        end = {"phase": "failed", "completedAt": "2026-01-01T00:01:00Z", "error": HOSTILE}
        self.deliver(
            server,
            "evil",
            self.hostile_pull(1),
            self.hostile_pull(2, **end),
            agentVersion=HOSTILE[:100],
            runtime={"name": HOSTILE[:100], "version": HOSTILE[:100]},
        )
        wait_for("the pod is known", lambda: get(server.port, "/api/v1/pods").json()["pods"], 20)
        found = [each["id"] for each in get(server.port, "/api/v1/pulls").json()["pulls"]]
        of_pod = urllib.parse.quote(f"{HOSTILE_NAME}/{HOSTILE_NAME}", safe="")
        pages = ["./", "?page=images", "?page=nodes", f"?q={urllib.parse.quote('<x-evil')}"]
        pages += [f"?open={each}" for each in found] + [f"?pod={of_pod}"]
        command = ["node", "tests/browser/hostile.mjs", f"{server.url}/", *pages]
        run = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=150)
        self.assertEqual((run.returncode, run.stdout, run.stderr), (0, "", ""), json.dumps(pages))
