# SPDX-License-Identifier: Apache-2.0
"""Whatever goes away comes back: containerd, the server, the agent itself."""

from __future__ import annotations

import random
import time
from collections import Counter

from lab.laboratory import HOST
from lab.waiting import wait_for
from tests.faults.link import Link
from tests.integration.case import MB, LabCase
from tests.integration.events import EventLog
from tests.integration.receiver import ReportReceiver


def completions(log: EventLog, part: str) -> Counter[str]:
    """How often each pull was announced as completed."""
    return Counter(e.pull["id"] for e in log.of_image(part) if e.type == "pull.completed")


class ContainerdComesAndGoes(LabCase):
    def test_away_when_the_agent_starts(self) -> None:
        self.lab.containerd.stop()
        server = self.start_server()
        log = self.listen(server)
        agent = self.start_agent(server.url)
        wait_for("the agent says so", lambda: '"warn' in agent.process.stdout_text(), 10)

        self.lab.containerd.start()

        self.pull(self.push("away/at-start", 1_500_000))
        self.assertEqual(log.wait_for_end("away/at-start")[-1].pull["phase"], "completed")

    def test_restarted_while_nothing_is_pulled(self) -> None:
        _, agent, log = self.start_all()

        self.lab.containerd.stop()
        wait_for("the agent says so", lambda: '"warn' in agent.process.stdout_text(), 10)
        self.lab.containerd.start()

        self.pull(self.push("away/restarted", 1_500_000))
        self.assertEqual(log.wait_for_end("away/restarted")[-1].pull["phase"], "completed")

    def test_the_socket_is_replaced_under_the_agent(self) -> None:
        _, _, log = self.start_all()
        self.lab.containerd.kill()
        self.lab.containerd.socket.unlink()
        self.lab.containerd.start()

        self.pull(self.push("away/replaced", 1_500_000))
        self.assertEqual(log.wait_for_end("away/replaced")[-1].pull["phase"], "completed")


class ContainerdFallsSilent(LabCase):
    def test_a_connection_on_which_nothing_comes_any_more_is_left(self) -> None:
        relay = self.folder / "relay"
        relay.mkdir()
        link = Link(relay / "containerd.sock", self.lab.containerd.socket)
        self.addCleanup(link.close)
        server = self.start_server()
        log = self.listen(server)
        names = ("PULLTRACE_CONTAINERD_SOCKET", "PULLTRACE_CONTAINERD_SOCKET_DIRS")
        settings = dict(zip(names, (str(relay / "containerd.sock"), str(relay))))
        agent = self.start_agent(server.url, **settings)
        self.wait_for_agent(server)

        def connected() -> int:
            return agent.process.stdout_text().count("containerd.connected")

        self.assertEqual(connected(), 1)
        link.set("forgotten", random.Random(1))
        link.heal()

        wait_for("it has connected anew", lambda: connected() == 2, 20)
        self.pull(self.push("silent/app", 1_500_000))
        story = log.wait_for_end("silent/app")
        self.assertEqual(story[-1].pull["phase"], "completed")
        extracted = [layer.get("extractCompletedAt") for layer in story[-1].pull["layers"]]
        self.assertNotIn(None, extracted, "containerd's events come again")


class ServerComesAndGoes(LabCase):
    def test_away_for_a_minute_nothing_is_lost_and_each_is_announced_once(self) -> None:
        server, _, _ = self.start_all()
        server.stop()
        away_since = time.monotonic()
        repositories = [f"lost/app-{number}" for number in range(5)]
        for repository in repositories:
            self.pull(self.push(repository, 300_000))
        wait_for("a minute is over", lambda: time.monotonic() - away_since > 60, 70, every_s=0.5)

        server.start()
        log = self.listen(server)

        for repository in repositories:
            with self.subTest(repository):
                final = log.wait_for_end(repository, timeout_s=40)[-1]
                self.assertEqual(final.pull["imageRef"], f"{HOST}/{repository}:1.0")
                self.assertEqual(final.pull["phase"], "completed")
                self.assertLessEqual(set(completions(log, repository).values()), {1})
        self.assertEqual(len(self.pulls(server)), len(repositories))
        self.assertEqual(self.metric(server, "pulltrace_pulls_total"), len(repositories))

    def test_restarted_in_mid_pull(self) -> None:
        server, _, log = self.start_all()
        image = self.push("server/restarted", 6 * MB)
        pull = self.client.start(self.lab.reference(image))
        begun = log.wait_for("a tenth is there", lambda event: event.pull["percent"] > 10)

        server.stop()
        server.start()

        pull.finish()
        final = log.wait_for_end("server/restarted", timeout_s=30)[-1]
        self.assertEqual(final.pull["id"], begun.pull["id"])
        self.assertEqual(final.pull["startedAt"], begun.pull["startedAt"])
        self.assertEqual(final.pull["phase"], "completed")


class AgentComesAndGoes(LabCase):
    def test_killed_and_restarted_in_mid_pull_keeps_ids(self) -> None:
        server, agent, log = self.start_all()
        images = [self.push("agent/killed-one", 7 * MB), self.push("agent/killed-two", 8 * MB)]
        pulls = [self.client.start(self.lab.reference(image)) for image in images]
        for image in images:
            log.wait_for(
                "a tenth is there",
                lambda event: (
                    event.pull["percent"] > 10 and image.repository in event.pull["imageRef"]
                ),
            )

        agent.process.kill()
        agent.start()
        for pull in pulls:
            pull.finish()

        for image in images:
            with self.subTest(image.repository):
                log.wait_for_end(image.repository)
                self.assertEqual(list(completions(log, image.repository).values()), [1])
        self.assertEqual(len(self.pulls(server)), 2)

    def test_stopped_and_started_after_a_pull_reports_nothing_twice(self) -> None:
        server, agent, log = self.start_all()
        self.pull(self.push("agent/once", 400_000))
        log.wait_for_end("agent/once")

        self.assertEqual(agent.stop(), 0)
        agent.start()
        self.pull(self.push("agent/marker", 1_500_000))
        log.wait_for_end("agent/marker")

        self.assertEqual(list(completions(log, "agent/once").values()), [1])
        self.assertEqual(len(self.pulls(server)), 2)


class DeliveryToAReceiver(LabCase):
    def setUp(self) -> None:
        super().setUp()
        self.receiver = ReportReceiver()
        self.addCleanup(self.receiver.close)

    def test_a_finished_pull_stays_until_a_2xx_answer(self) -> None:
        for status in (500, 503, 429):
            with self.subTest(status):
                repository = f"refused/with-{status}"
                self.receiver.status = status
                agent = self.start_agent(self.receiver.url)
                wait_for("a report", lambda: self.receiver.reports(status), 15)
                self.pull(self.push(repository, 300_000))
                wait_for("it is reported", lambda: self._completed(repository, status), 20)
                refused = len(self._completed(repository, status))
                wait_for("again", lambda: len(self._completed(repository, status)) > refused, 40)

                self.receiver.status = 200
                wait_for("it is delivered", lambda: self._completed(repository, 200), 40)
                before = len(self.receiver.reports(200))
                wait_for("more reports", lambda: len(self.receiver.reports(200)) > before + 1, 40)
                self.assertEqual(len(self._completed(repository, 200)), 1)
                agent.stop()

    def _completed(self, repository: str, status: int) -> list[object]:
        pulls = self.receiver.pulls_of(repository, status)
        return [pull for pull in pulls if pull["phase"] == "completed"]

    def test_a_token_is_sent_and_a_file_is_read_again_when_it_changes(self) -> None:
        token_file = self.folder / "token"
        token_file.write_text("first-secret\n")
        agent = self.start_agent(self.receiver.url, PULLTRACE_AGENT_TOKEN_FILE=str(token_file))
        wait_for("the first token", lambda: "Bearer first-secret" in self._tokens(), 15)

        token_file.write_text("second-secret\n")

        wait_for("the second token", lambda: "Bearer second-secret" in self._tokens(), 90)
        self.assertNotIn("secret", agent.process.stdout_text() + agent.process.stderr_text())

    def _tokens(self) -> set[str]:
        return {headers.get("Authorization", "") for headers in self.receiver.headers()}

    def test_reports_come_no_sooner_than_they_say(self) -> None:
        self.start_agent(self.receiver.url)
        wait_for("a report", self.receiver.reports, 15)
        self.pull(self.push("paced/app", 2_500_000))
        wait_for("it is reported", lambda: self._completed("paced/app", 200), 20)

        intervals = [report["intervalMs"] / 1000 for report in self.receiver.reports()]
        times = self.receiver.times()

        gaps = [later - earlier for earlier, later in zip(times, times[1:])]
        self.assertGreater(len(gaps), 5, "a pull of a few seconds is followed closely")
        # News of a pull's start or end may come before its time, as the server allows.
        for gap, interval in zip(gaps, intervals[1:]):
            self.assertGreater(gap, min(interval / 2, 0.5))
