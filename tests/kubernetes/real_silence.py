# SPDX-License-Identifier: Apache-2.0
"""A proxy between the server and a real API server that holds connections on which nothing comes any more."""

from __future__ import annotations

import random
import time

from lab.pulltrace import Server
from lab.waiting import wait_for
from tests.faults.link import Link
from tests.kubernetes.cluster import event, pod
from tests.kubernetes.real_case import CURRENT_EVENTS, CURRENT_PODS, RealCase

NOTICED_S = 125  # a watch of 90 s at most, and half a minute
BACK_S = 35  # a try of 20 s at most, and what it waits in between
LISTS = [f'pulltrace_kubernetes_lists_total{{resource="{kind}"}}' for kind in ("pods", "events")]


class Silence(RealCase):
    def start_behind(self, link: Link) -> Server:
        server = self.start_server(
            PULLTRACE_KUBE_URL=f"https://127.0.0.1:{link.port}",
            PULLTRACE_KUBE_TOKEN_FILE=str(self.token_file("pulltrace")),
            PULLTRACE_KUBE_CA_FILE=str(self.api.authority),
        )
        self.wait_until_ready(server)
        self.wait_until_current(server)
        return server

    def link(self) -> Link:
        link = Link(0, self.api.port)
        self.addCleanup(link.close)
        return link

    def test_what_is_held_is_left_and_what_passes_nothing_is_known_within_two_minutes(self) -> None:
        held, closed = self.link(), self.link()
        behind_held, behind_closed = self.start_behind(held), self.start_behind(closed)
        for link, fault in ((held, "forgotten"), (closed, "black hole")):
            link.set(fault, random.Random(1))  # type: ignore[arg-type]
        held.heal()  # for new connections
        began = time.monotonic()
        late = self.create(pod("late", "a.io/late:1", "real-20"))
        self.api.write_event(event(late, "Pulling", 'Pulling image "a.io/late:1"'))
        self.wait_for_pull(
            behind_held, "the pod is known", NOTICED_S, imageRef="a.io/late:1", pods=["late"]
        )
        print(f"known after {time.monotonic() - began:.0f} s")
        self.wait_until_current(behind_held, NOTICED_S)
        for series in LISTS:
            self.assertEqual(self.metric(behind_held, series), 1, "it goes on from where it was")
        for series in (CURRENT_PODS, CURRENT_EVENTS):
            left_s = max(0, began + NOTICED_S - time.monotonic())
            wait_for("that is known", lambda: self.metric(behind_closed, series) == 0, left_s)
        print(f"missed after {time.monotonic() - began:.0f} s")
        closed.heal()
        healed = time.monotonic()
        self.wait_for_pull(
            behind_closed, "the pod is known", BACK_S, imageRef="a.io/late:1", pods=["late"]
        )
        self.wait_until_current(behind_closed, BACK_S)
        print(f"back after {time.monotonic() - healed:.0f} s")
