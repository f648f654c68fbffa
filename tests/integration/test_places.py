# SPDX-License-Identifier: Apache-2.0
"""The agent finds containerd's socket by itself, and says what it finds: where distributions have it, in a
mount namespace of the agent's own, as in a pod that has the socket's folder mounted."""

from __future__ import annotations

import shlex
import socket
import subprocess
from pathlib import Path
from typing import ClassVar

from lab.containerd import Containerd
from lab.laboratory import HOST
from lab.pulltrace import Agent
from lab.waiting import wait_for
from tests.integration.case import ADDRESS_SANITIZER, AGENT, RELEASE_AGENT, LabCase
from tests.integration.certificates import make_certificates
from tests.integration.events import EventLog

USUAL = "/run/containerd"
K3S = "/run/k3s/containerd"
K0S = "/run/k0s"
MICROK8S = "/var/snap/microk8s/common/run"


class PlacesCase(LabCase):
    other: ClassVar[Containerd]  # that nobody pulls Kubernetes' images with, as Docker's

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.other = Containerd(cls.lab.path / "other", cls.binaries)
        cls.addClassCleanup(cls.other.stop)

    def setUp(self) -> None:
        super().setUp()
        self.pull(self.push(f"places/{self.id().rsplit('.', 1)[-1].replace('_', '-')}", 10_000))

    def program(self, places: dict[str, Path], binary: Path) -> Path:
        """A script that runs the program where these folders are mounted at these places."""
        lines = ["#!/bin/sh -e", "mount -t tmpfs tmpfs /run", "mount -t tmpfs tmpfs /var"]
        for place, folder in places.items():
            lines += [f"mkdir -p {place}", f"mount --bind {shlex.quote(str(folder))} {place}"]
        lines.append(f'exec {shlex.quote(str(binary))} "$@"')
        inner = self.folder / "inner"
        inner.write_text("\n".join(lines) + "\n")
        inner.chmod(0o755)
        outer = self.folder / "agent-with-places"
        outer.write_text(
            f'#!/bin/sh\nexec unshare --mount --propagation private {inner} "$@"\n'
        )
        outer.chmod(0o755)
        return outer

    def start_in(self, places: dict[str, Path], server_url: str, **settings: str) -> Agent:
        nothing = {"PULLTRACE_CONTAINERD_SOCKET": "", "PULLTRACE_CONTAINERD_SOCKET_DIRS": ""}
        return self.start_agent(server_url, self.program(places, AGENT), **(nothing | settings))

    def check(
        self, places: dict[str, Path], server_url: str, binary: Path = RELEASE_AGENT, **settings: str
    ) -> tuple[int, str]:
        given = ADDRESS_SANITIZER | {"PULLTRACE_SERVER_URL": server_url} | settings
        return self.answer_of(self.program(places, binary), "--check", **given)

    def assert_seen(self, log: EventLog, repository: str) -> None:
        self.pull(self.push(repository, 300_000))
        self.assertEqual(log.wait_for_end(repository)[-1].pull["phase"], "completed")


class Found(PlacesCase):
    def start(self, places: dict[str, Path]) -> tuple[Agent, EventLog]:
        server = self.start_server()
        log = self.listen(server)
        agent = self.start_in(places, server.url)
        wait_for(
            "it is connected", lambda: "containerd.connected" in agent.process.stdout_text(), 15
        )
        return agent, log

    def test_each_place_of_a_distribution(self) -> None:
        for number, place in enumerate((K3S, K0S, MICROK8S, USUAL)):
            with self.subTest(place):
                self.folder = self.lab.path / f"place-{number}"
                self.folder.mkdir()
                agent, log = self.start({place: self.lab.containerd.folder})
                self.assertIn(f'"{place}/containerd.sock"', agent.process.stdout_text())
                self.assert_seen(log, f"found/place-{number}")

    def test_the_one_that_has_the_namespace_is_taken_and_the_other_logged(self) -> None:
        agent, log = self.start({K3S: self.other.folder, USUAL: self.lab.containerd.folder})
        self.assert_seen(log, "found/usual")
        [left_out] = [
            line for line in agent.process.stdout_text().splitlines() if "left_out" in line
        ]
        self.assertIn(f"{K3S}/containerd.sock", left_out)
        self.assertIn("it has no namespace k8s.io", left_out)

    def test_a_node_that_has_not_pulled_yet_is_waited_for(self) -> None:
        """Its first pull, which makes the namespace, is seen."""
        fresh = Containerd(self.folder / "fresh", self.binaries)
        self.addCleanup(fresh.stop)
        server = self.start_server()
        log = self.listen(server)
        agent = self.start_in({USUAL: fresh.folder}, server.url)
        wait_for("it says why", lambda: "no namespace k8s.io" in agent.process.stdout_text(), 15)

        image = self.push("found/first", 2_500_000)
        fresh.serve_registry(HOST, self.lab.throttle.port)
        fresh.pull(self.lab.reference(image))

        self.assertEqual(log.wait_for_end("found/first")[-1].pull["phase"], "completed")

    def hang_up(self, socket_path: Path, looks: int) -> None:
        """Listens there instead of containerd until the agent has come so often."""
        with socket.socket(socket.AF_UNIX) as listener:
            listener.settimeout(10)
            listener.bind(str(socket_path))
            listener.listen()
            for _ in range(looks):
                listener.accept()[0].close()
        socket_path.unlink()

    def test_a_socket_that_is_made_anew_in_a_mounted_folder(self) -> None:
        """containerd removes and makes it when it starts; a socket that was mounted itself would be dead."""
        agent, log = self.start({K3S: self.lab.containerd.folder, USUAL: self.other.folder})
        for number in range(2):
            self.lab.containerd.kill()
            self.lab.containerd.socket.unlink()
            wait_for(
                "the agent says so",
                lambda: agent.process.stdout_text().count("containerd.unreachable") > number,
                10,
            )
            self.hang_up(self.lab.containerd.socket, 3)  # all looks are in vain, with the other one at hand
            self.lab.containerd.start()
            wait_for(
                "the agent is connected",
                lambda: agent.process.stdout_text().count("containerd.connected") > number + 1,
                10,
            )
            self.assert_seen(log, f"found/made-anew-{number}")
        self.assertNotIn(f'"{USUAL}', agent.process.stdout_text().split("containerd.connected")[-1])


class Checked(PlacesCase):
    def test_all_is_well(self) -> None:
        server = self.start_server(PULLTRACE_AGENT_TOKEN="secret")
        for binary in (RELEASE_AGENT, AGENT):
            with self.subTest(binary.parent.name):
                status, text = self.check(
                    {K3S: self.other.folder, USUAL: self.lab.containerd.folder},
                    server.url,
                    binary,
                    PULLTRACE_AGENT_TOKEN="secret",
                )
                self.assertEqual(status, 0, text)
                for words in (
                    f"  ok    {USUAL}/containerd.sock (the usual one): containerd ",
                    f"  -     {K3S}/containerd.sock (k3s, RKE2): containerd ",
                    "it has no namespace k8s.io",
                    f"  -     {K0S}/containerd.sock (k0s): nothing is there",
                    "  ok    leases: may be read",
                    "  ok    events: may be read",
                    "  ok    content: may be read",
                    "  ok    token: it is the right one",
                ):
                    self.assertIn(words, text)
        self.assertEqual(self.metric(server, "pulltrace_agent_reports_total"), 0)

    def test_each_namespace_is_looked_at(self) -> None:
        here = {USUAL: self.lab.containerd.folder}
        self.lab.containerd.ctr("namespaces", "create", "second")
        names = "mobi, k8s.io ,second"
        status, text = self.check(here, "", PULLTRACE_CONTAINERD_NAMESPACES=names)
        self.assertEqual(status, 0, text)
        self.assertIn("  note  namespace mobi: containerd has none of this name", text)
        for name in ("k8s.io", "second"):
            self.assertIn(f"what the agent reads there, in namespace {name}\n  ok", text)
        self.assertNotIn("in namespace mobi", text)
        self.assertEqual(text.count("  ok    events: may be read"), 1)
        status, text = self.check(here, "", PULLTRACE_CONTAINERD_NAMESPACES="*")
        self.assertEqual(status, 0, text)
        self.assertIn("in namespace k8s.io", text)

    def test_what_is_missing_is_said_with_what_to_do(self) -> None:
        server = self.start_server(PULLTRACE_AGENT_TOKEN="secret")
        here = {USUAL: self.lab.containerd.folder}
        for name, places, url, settings, words in (
            ("nothing", {}, "", {}, "mounted"),
            ("another containerd", {USUAL: self.other.folder}, "", {}, "uses another containerd"),
            ("no token", here, server.url, {}, "none is set"),
            ("a wrong token", here, server.url, {"PULLTRACE_AGENT_TOKEN": "no"}, "a wrong one"),
            ("nobody", here, "http://127.0.0.1:9", {}, "Is it running"),
            ("no name", here, "http://no.such.host", {}, "is not known here"),
            ("no server", here, f"http://127.0.0.1:{server.metrics_port}", {}, "no pulltrace-server"),
            (
                "not allowed",
                here,
                "",
                {
                    "PULLTRACE_CONTAINERD_SOCKET": f"{USUAL}/containerd.sock",
                    "PULLTRACE_CONTAINERD_SOCKET_DIRS": "/run/elsewhere",
                },
                "must be root's and lie under",
            ),
        ):
            with self.subTest(name):
                self.folder = self.lab.path / f"missing-{name.replace(' ', '-')}"
                self.folder.mkdir()
                status, text = self.check(places, url, **settings)
                self.assertEqual(status, 1, text)
                self.assertIn(words, text)
                self.assertIn("FAULT", text)

    def test_a_socket_that_nobody_serves(self) -> None:
        dead = self.folder / "dead"
        dead.mkdir()
        code = "import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])"
        subprocess.run(["python3", "-c", code, dead / "containerd.sock"], check=True)
        status, text = self.check({K3S: dead}, "")
        self.assertEqual(status, 1)
        self.assertIn("mount the socket's directory, not the file", text)

    def test_a_certificate_of_a_ca_that_is_not_known(self) -> None:
        files = make_certificates(self.folder / "tls")
        server = self.start_server(
            PULLTRACE_TLS_CERT_FILE=str(files.certificate), PULLTRACE_TLS_KEY_FILE=str(files.key)
        )
        here = {USUAL: self.lab.containerd.folder}
        url = f"https://127.0.0.1:{server.port}"
        status, text = self.check(here, url)
        self.assertEqual(status, 1)
        self.assertIn("Set PULLTRACE_CA_FILE", text)
        status, text = self.check(here, url, PULLTRACE_CA_FILE=str(files.authority))
        self.assertEqual((status, "token: none is needed" in text), (0, True), text)
