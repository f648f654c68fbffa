# SPDX-License-Identifier: Apache-2.0
"""What /api/v1/pods and /api/v1/registries say while pods wait."""

from __future__ import annotations

from lab.waiting import wait_for
from tests.integration.http_json import get
from tests.kubernetes.case import FakeCase
from tests.kubernetes.cluster import Object
from tests.kubernetes.scene import Scene
from tests.kubernetes.test_stories import SIDE, WEB, agent_pull


class Pods(FakeCase):
    def test_a_pod_says_what_each_container_waits_for(self) -> None:
        server = self.start()
        self.wait_for_watches()
        scene = Scene(self.api, server.port, "pods")

        def pod() -> Object:
            answer = get(server.port, "/api/v1/pods/pods/p")
            return answer.json() if answer.status == 200 else {}

        def names() -> list[str]:
            pods = get(server.port, "/api/v1/pods").json()["pods"]
            return [each["podName"] for each in pods]

        scene.create("p", web=WEB, side=SIDE)
        wait_for("it is known", pod, 5)
        scene.asks("p", "web", WEB)
        scene.report(agent_pull(WEB))
        wait_for("the other one is queued", lambda: SIDE in scene.rows(), 5)
        rows = scene.rows()
        wait_for("its hold-up is known", lambda: "holdUp" in pod()["containers"][1], 5)
        found = pod()
        web, side = found["containers"]
        self.assertEqual((web["name"], web["kind"], web["state"]), ("web", "main", "waiting"))
        self.assertEqual(web["pullId"], rows[WEB]["id"])
        self.assertEqual(side["holdUp"]["kind"], "queue")
        self.assertEqual(side["holdUp"]["pullId"], rows[WEB]["id"])
        self.assertNotIn("readyEtaSeconds", found)  # of the queued one nobody can know
        self.assertTrue(found["waiting"])
        registries = get(server.port, "/api/v1/registries").json()["registries"]
        self.assertEqual([each["registry"] for each in registries], ["registry.example"])
        self.assertEqual(registries[0]["activePulls"], 1)
        self.assertEqual(set(registries[0]["history"]), {"bytesPerSec", "stalledPulls", "failed"})
        scene.delete("p")
        wait_for("it waits no more", lambda: not pod()["waiting"], 10)
        for what in ("it has just gone", "it has gone for a while"):
            last = pod()
            self.assertIn(last["outcome"], ("deleted", "left"), what)
            self.assertGreaterEqual(last["endedAt"], last["waitingSince"])
            self.assertEqual([each["state"] for each in last["containers"]], ["waiting"] * 2)
            self.assertNotIn("holdUp", last["containers"][1])
            wait_for("it is in no list", lambda: "p" not in names(), 15)

    def test_pods_come_in_pages(self) -> None:
        server = self.start()
        self.wait_for_watches()
        scene = Scene(self.api, server.port, "pages")
        for number in range(25):
            scene.create(f"p{number}", web=WEB)

        def names(query: str) -> list[str]:
            found: list[str] = []
            cursor = ""
            while True:
                page = get(server.port, f"/api/v1/pods?waiting=1{query}{cursor}").json()
                found += [each["podName"] for each in page["pods"]]
                if "nextCursor" not in page:
                    return found
                cursor = f"&cursor={page['nextCursor']}"

        wait_for("all are known", lambda: len(names("")) == 25, 5)
        self.assertEqual(names("&limit=10"), names(""))
        self.assertEqual(get(server.port, "/api/v1/pods?cursor=x").status, 400)
        self.assertEqual(get(server.port, "/api/v1/pods/none/none").status, 404)
        self.assertEqual(get(server.port, "/api/v1/pods/none").status, 404)
