# SPDX-License-Identifier: Apache-2.0
"""The page, its stream and the API behind a real nginx: under a path, signed in, and buffering as it does by itself."""

from __future__ import annotations

import http.client
import re
import socket
import subprocess
import time

from lab.proxy import Proxy
from lab.pulltrace import Server
from lab.tools import REPOSITORY
from tests.integration.http_json import get
from tests.integration.server_case import ServerCase, layer, pull

PREFIX = "/tools/pulls"
TOKEN = "e" * 2500  # a JWT is of that size
# What OAuth2 Proxy adds for who is signed in: https://oauth2-proxy.github.io/oauth2-proxy/configuration/overview
SIGNED_IN = (
    f'proxy_set_header Authorization "Bearer {TOKEN}"',
    "proxy_set_header X-Forwarded-User jane",
    "proxy_set_header X-Forwarded-Email jane@example.org",
    "proxy_set_header X-Forwarded-Groups staff,ops",
    "proxy_set_header X-Forwarded-Preferred-Username jane",
    f"proxy_set_header X-Forwarded-Access-Token {TOKEN}",
    "proxy_set_header X-Forwarded-Proto https",
    "proxy_set_header X-Forwarded-Host pulls.example.org",
    "proxy_set_header X-Forwarded-For 192.0.2.7",
    f'proxy_set_header Cookie "_oauth2_proxy_0={"c" * 3800}; _oauth2_proxy_1={"d" * 50}"',
    "proxy_set_header Host pulls.example.org",
)
SOON_S = 2.0  # a change is at its reader; nginx's buffers would keep it for good


class BehindNginx(ServerCase):
    server: Server

    def setUp(self) -> None:
        super().setUp()
        self.server = self.start_server(
            PULLTRACE_ALLOWED_HOSTS="pulls.example.org", PULLTRACE_LOG_LEVEL="warn"
        )
        self.say("first")

    def say(self, image: str) -> None:
        self.deliver(self.server, "n", pull("first", "first", layer(1, 9)), pull(image, image, layer(2)))

    def proxy(self, name: str, *settings: str, prefix: str = "", version: str = "1.0") -> Proxy:
        proxy = Proxy(self.folder / name, self.server.port, prefix, settings, version)
        self.addCleanup(proxy.stop)
        return proxy

    def check_answers(self, proxy: Proxy) -> None:
        page = get(proxy.port, f"{proxy.prefix}/")
        self.assertEqual(page.body, get(self.server.port, "/").body)
        files = re.findall(r'(?:src|href)="\./([^"]+)"', page.text())
        self.assertGreater(len(files), 1)
        self.assertEqual(re.findall(r'(?:src|href)="/', page.text()), [], "not under the prefix")
        for name in files:
            self.assertEqual(get(proxy.port, f"{proxy.prefix}/{name}").status, 200, name)
        images = {
            each["imageRef"]
            for each in get(proxy.port, f"{proxy.prefix}/api/v1/pulls").json()["pulls"]
        }
        self.assertIn("first", images)
        self.assertEqual(get(proxy.port, f"{proxy.prefix}/api/v1/nothing").status, 404)

    def check_stream(self, proxy: Proxy, image: str) -> None:
        with socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as connection:
            connection.sendall(
                f"GET {proxy.prefix}/api/v1/events?hello=1 HTTP/1.1\r\nHost: x\r\n\r\n".encode()
            )
            stream = http.client.HTTPResponse(connection)
            stream.begin()
            self.assertEqual(stream.status, 200)
            self.assertEqual(stream.headers["Content-Type"], "text/event-stream")
            received = b""
            while b"event: synced" not in received:
                received += stream.read1(65536)
            self.say(image)
            began = time.monotonic()
            while image.encode() not in received:
                received += stream.read1(65536)
            self.assertLess(time.monotonic() - began, SOON_S)

    def test_all_of_it_comes_through(self) -> None:
        for name, settings, prefix, version in (
            ("defaults", (), "", "1.0"),
            ("prefix", (), PREFIX, "1.0"),
            ("buffering", ("proxy_buffering on", "proxy_buffers 16 64k"), "", "1.1"),
            ("compressing", ("gzip on", "gzip_proxied any", "gzip_types *"), "", "1.1"),
            ("signed-in", SIGNED_IN, "", "1.1"),
            ("signed-in-prefix", SIGNED_IN, PREFIX, "1.0"),
        ):
            with self.subTest(name):
                proxy = self.proxy(name, *settings, prefix=prefix, version=version)
                self.check_answers(proxy)
                self.check_stream(proxy, f"seen-{name}")

    def test_the_page_is_live_under_a_path_for_who_is_signed_in(self) -> None:
        proxy = self.proxy("browser", *SIGNED_IN, prefix=PREFIX)
        command = ["node", "tests/browser/behind_proxy.mjs", f"{proxy.url}/", "first", "second"]
        with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as run:
            assert run.stdout
            self.assertEqual(run.stdout.readline(), "first\n")
            self.say("second")
            self.assertEqual(run.stdout.read(), "second\n")
        self.assertEqual(run.returncode, 0)
