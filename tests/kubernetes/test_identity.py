# SPDX-License-Identifier: Apache-2.0
"""Who speaks for which node, with an API server that misbehaves."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from lab.pulltrace import Agent, Server
from lab.waiting import wait_for
from tests.integration.case import ADDRESS_SANITIZER, AGENT
from tests.integration.http_json import Answer, get
from tests.kubernetes.case import FakeCase
from tests.kubernetes.cluster import answer_in_turn, answer_to_report, pull
from tests.kubernetes.tokens import BY, ISSUER, REFUSED, SUBJECT, Object, Signer

CONFIGURATION = "/.well-known/openid-configuration"
KEYS = "/openid/v1/jwks"
REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"
POD = "/api/v1/namespaces/pulltrace/pods/agent-x"


def body(document: Object) -> bytes:
    return json.dumps(document).encode()


class IdentityCase(FakeCase):
    def setUp(self) -> None:
        super().setUp()
        self.signer = Signer(self.folder / "cluster.key")

    def publish(self, *signers: Signer) -> None:
        keys = [signer.jwk() for signer in signers or (self.signer,)]
        self.api.documents[CONFIGURATION] = (200, body({"issuer": ISSUER, "jwks_uri": "https://elsewhere/"}))
        self.api.documents[KEYS] = (200, body({"keys": keys}))

    def review(self, **changed: Any) -> None:
        """Lets tokens be reviewed; each is good, as one of that user."""
        user = {"username": SUBJECT, "extra": {"authentication.kubernetes.io/node-name": ["node-1"]}}
        status = {"authenticated": True, "audiences": ["pulltrace"], "user": user} | changed
        self.api.on_post = lambda path, review: (201, review | {"status": status})

    def start_by(self, source: str, **settings: str) -> Server:
        server = self.start_server(
            PULLTRACE_KUBE_URL=self.api.url, PULLTRACE_AGENT_IDENTITY="kubernetes", **settings
        )
        wait_for(f"it knows agents by {source}", lambda: self.metric(server, BY.format(source)) == 1, 15)
        return server

    def send(self, server: Server, token: str, node: str = "node-1", *pulls: Object) -> Answer:
        return answer_in_turn(server.port, node, *pulls, token=token)

    def assert_answer(self, answer: Answer, status: int, code: str = "", words: str = "") -> None:
        said = answer.json()
        self.assertEqual((answer.status, said.get("code", "")), (status, code), said)
        self.assertIn(words, said.get("error", ""))

    def wait_until_taken(self, server: Server, token: str, node: str = "node-1") -> None:
        def is_taken() -> bool:
            answer = answer_to_report(server.port, node, token=token)
            self.assertIn(answer.status, (200, 429, 503), answer.body)
            return answer.status == 200

        wait_for("the report is taken", is_taken, 20)

    def reviews(self) -> int:
        return sum(asked.path == REVIEWS for asked in self.api.asked)


class ByKeys(IdentityCase):
    def test_a_token_speaks_for_its_node_only(self) -> None:
        self.publish()
        server = self.start_by("keys")
        token = self.signer.token("node-1")
        self.assert_answer(self.send(server, token), 200)
        for _ in range(3):
            answer = self.send(server, token, "node-2")
            self.assert_answer(answer, 403, "report_node", "speaks for node node-1, the report is of node-2")
        many = [pull(f"p{i}", f"a.io/{'b' * 200}{i}") for i in range(200)]  # it is read in steps
        self.assert_answer(self.send(server, token, "node-2", *many), 403, "report_node")
        self.assert_answer(self.send(server, token, "node-1", *many), 200)
        self.assertEqual(self.metric(server, REFUSED.format("node")), 4)
        self.assertEqual(len(self.log_lines(server, "report.other_node")), 1)
        nodes = [node["nodeName"] for node in get(server.port, "/api/v1/nodes").json()["nodes"]]
        self.assertEqual(nodes, ["node-1"])
        self.assertEqual(self.reviews(), 0)
        self.assertNotIn(token.split(".")[2], server.process.stdout_text())

    def test_tokens_that_are_refused(self) -> None:
        self.publish()
        server = self.start_by("keys", PULLTRACE_AGENT_TOKEN="shared")
        stranger = Signer(self.folder / "stranger.key")
        forged = stranger.token()
        forged = f"{self.signer.token().split('.')[0]}.{'.'.join(forged.split('.')[1:])}"
        rows = {
            "none": ("", "is missing"),
            "the shared one, though it is set": ("shared", "three parts"),
            "expired": (self.signer.token(life_s=-60), "expired"),
            "of another audience": (self.signer.token(aud=["api"]), "another audience"),
            "of another account": (self.signer.token(sub="system:serviceaccount:a:b"), "may not report"),
            "signed by somebody else": (forged, "signature is wrong"),
        }
        for name, (token, words) in rows.items():
            with self.subTest(name):
                answer = self.send(server, token)
                self.assert_answer(answer, 401, "report_token", words)
                self.assertEqual(answer.headers["WWW-Authenticate"], "Bearer")
        self.assertEqual(self.metric(server, REFUSED.format("token")), len(rows))

    def test_another_account_and_audience_may_be_named(self) -> None:
        self.publish()
        server = self.start_by(
            "keys", PULLTRACE_AGENT_AUDIENCE="mine", PULLTRACE_AGENT_SERVICE_ACCOUNTS="a/b, pulltrace/agents"
        )
        mine = {"aud": ["mine"], "sub": "system:serviceaccount:pulltrace:agents"}
        self.assert_answer(self.send(server, self.signer.token(**mine)), 200)
        self.assertEqual(self.send(server, self.signer.token()).status, 401)

    def test_a_new_key_is_fetched_and_an_old_one_forgotten(self) -> None:
        self.publish()
        server = self.start_by("keys")
        old = self.signer.token("node-1")
        self.assert_answer(self.send(server, old), 200)
        newer = Signer(self.folder / "newer.key")
        self.publish(newer)
        time.sleep(10)  # keys are fetched that often at most
        token = newer.token("node-2")
        answer = self.send(server, token, "node-2")
        self.assert_answer(answer, 503, "report_token_unchecked", "fetched anew")
        self.assertEqual(answer.headers["Retry-After"], "1")
        self.wait_until_taken(server, token, "node-2")
        self.assert_answer(self.send(server, old), 401, "report_token", "a key that the cluster has not")
        unknown = Signer(self.folder / "unknown.key").token()
        fetches = self.metric(server, "pulltrace_cluster_key_fetches_total")
        for _ in range(20):
            self.assertEqual(self.send(server, unknown).status, 401)
        self.assertEqual(self.metric(server, "pulltrace_cluster_key_fetches_total"), fetches)

    def test_while_the_api_server_is_away(self) -> None:
        self.publish()
        server = self.start_by("keys")
        known, new = self.signer.token("node-1"), self.signer.token("node-2")
        self.assert_answer(self.send(server, known), 200)
        self.api.stop()
        self.assert_answer(self.send(server, known), 200)
        self.assert_answer(self.send(server, new, "node-2"), 200)  # its key is there
        server.stop()
        server.start()
        answer = self.send(server, known)
        self.assert_answer(answer, 503, "report_token_unchecked", "not come from the Kubernetes API yet")
        self.assertIn(int(answer.headers["Retry-After"]), range(2, 11))
        self.assertIn("keys of the agents' tokens", " ".join(self.missing(server)))
        self.api.start()
        self.wait_until_taken(server, known)

    def missing(self, server: Server) -> list[str]:
        return [get(server.port, "/readyz").text(), answer_to_report(server.port, "n", token="a.b.c").text()]

    def test_an_api_server_that_answers_slowly_holds_up_nobody(self) -> None:
        self.publish()
        self.api.faults.document_delay_s = 2
        server = self.start_by("unknown")
        began = time.monotonic()
        self.assertEqual(self.send(server, self.signer.token()).status, 503)
        self.assertLess(time.monotonic() - began, 1)
        self.wait_until_taken(server, self.signer.token())

    def test_a_token_that_names_no_node_speaks_for_that_of_its_pod(self) -> None:
        self.publish()
        here: Object = {"metadata": {"name": "agent-x", "uid": "pod-uid"}, "spec": {"nodeName": "node-7"}}
        self.api.documents[POD] = (200, body(here))
        server = self.start_by("keys")
        token = self.signer.token(None)
        self.assert_answer(self.send(server, token, "node-7"), 503, "report_token_unchecked")
        self.wait_until_taken(server, token, "node-7")
        self.assert_answer(self.send(server, token, "node-1"), 403, "report_node")
        self.assertEqual(sum(asked.path == POD for asked in self.api.asked), 1)
        here["metadata"]["uid"] = "another"
        self.api.documents[POD] = (200, body(here))
        other = self.signer.token(None)
        wait_for("it is refused", lambda: self.send(server, other, "node-7").status == 401, 5)
        self.assert_answer(self.send(server, other, "node-7"), 401, "report_token", "not there any more")


class ByReviews(IdentityCase):
    def test_tokens_are_reviewed_where_keys_are_refused(self) -> None:
        for path in (CONFIGURATION, KEYS):
            with self.subTest(path):
                self.publish()
                self.api.documents[path] = (403, body({"kind": "Status", "message": "forbidden"}))
                self.review()
                server = self.start_by("reviews")
                token = self.signer.token()
                before = self.reviews()
                self.wait_until_taken(server, token)
                self.assert_answer(self.send(server, token, "node-2"), 403, "report_node")
                self.assertEqual(self.reviews(), before + 1)
                self.api.stop()
                self.assert_answer(self.send(server, token), 200)
                self.api.start()

    def test_keys_of_no_kind_that_is_known_lead_to_reviews(self) -> None:
        self.publish()
        self.api.documents[KEYS] = (200, b'{"keys":[{"kty":"OKP","kid":"a"}]}')
        self.review()
        self.start_by("reviews")

    def test_what_a_review_says_is_held_to(self) -> None:
        user = {"username": SUBJECT, "extra": {"authentication.kubernetes.io/node-name": ["node-1"]}}
        other = user | {"username": "system:serviceaccount:pulltrace:other"}
        rows: dict[str, tuple[Object, str]] = {
            "not authentic": ({"authenticated": False, "error": "token is unbound"}, "token is unbound"),
            "no audience": ({"audiences": []}, "another audience"),
            "another audience": ({"audiences": ["api"]}, "another audience"),
            "another account": ({"user": other}, "may not report"),
            "no node and no pod": ({"user": user | {"extra": {}}}, "bound to no node"),
        }
        self.review()
        server = self.start_by("reviews")
        for name, (changed, words) in rows.items():
            with self.subTest(name):
                self.review(**changed)
                token = self.signer.token()
                wait_for("it is refused", lambda: self.send(server, token).status == 401, 5)
                before = self.reviews()
                self.assert_answer(self.send(server, token), 401, "report_token", words)
                self.assertEqual(self.reviews(), before, "it is not asked about again at once")

    def test_a_review_that_names_no_node_leads_to_the_pod(self) -> None:
        extra = {
            "authentication.kubernetes.io/pod-name": ["agent-x"],
            "authentication.kubernetes.io/pod-uid": ["pod-uid"],
        }
        self.review(user={"username": SUBJECT, "extra": extra})
        here = {"metadata": {"name": "agent-x", "uid": "pod-uid"}, "spec": {"nodeName": "node-7"}}
        self.api.documents[POD] = (200, body(here))
        server = self.start_by("reviews")
        self.wait_until_taken(server, self.signer.token(None), "node-7")

    def test_while_reviews_fail_reports_come_back_later(self) -> None:
        self.review()
        server = self.start_by("reviews")
        good = self.api.on_post
        for status in (500, 429):
            with self.subTest(status):
                self.api.on_post = lambda path, review, status=status: (status, {})  # type: ignore[misc]
                token = self.signer.token()
                self.assert_answer(self.send(server, token), 503, "report_token_unchecked")

                def is_given_up(token: str = token) -> bool:
                    return "cannot be asked" in self.send(server, token).text()

                wait_for("it is given up", is_given_up, 5)
                self.api.on_post = good
                self.wait_until_taken(server, token)

    def test_what_is_no_such_token_is_not_reviewed(self) -> None:
        self.review()
        server = self.start_by("reviews")
        before = self.reviews()
        for token in ("", "shared", self.signer.token(aud=["api"]), self.signer.token(life_s=-60)):
            self.assertEqual(self.send(server, token).status, 401)
        self.assertEqual(self.reviews(), before)


class ByNeither(IdentityCase):
    def test_the_shared_token_stands_in_and_it_is_said(self) -> None:
        server = self.start_by("none", PULLTRACE_AGENT_TOKEN="shared")
        self.assert_answer(self.send(server, "shared"), 200)
        self.assert_answer(self.send(server, "wrong"), 401, "report_token", "may not look at those of Kubernetes")
        self.assert_answer(self.send(server, self.signer.token()), 401, "report_token")
        wait_for("it is said", lambda: "by the shared token only" in get(server.port, "/readyz").text(), 10)
        self.assertEqual(len(self.log_lines(server, "identity.no_rights")), 1)
        self.assertEqual(get(server.port, "/api/v1/summary").json()["agentsKnownBy"], "fallback")

    def test_without_a_shared_token_nobody_is_let_in(self) -> None:
        server = self.start_by("none")
        for token in ("", "any", self.signer.token()):
            self.assertIn(self.send(server, token).status, (401, 503))
        self.assert_answer(self.send(server, self.signer.token()), 503, "report_token_unchecked", "docs/security.md")
        self.assertEqual(get(server.port, "/api/v1/summary").json()["agentsKnownBy"], "none")

    def test_an_api_server_that_starts_makes_no_shared_token_good(self) -> None:
        """It refuses what it has not read the roles of yet, once or twice."""
        refused: list[str] = []

        def refuse(path: str, review: Object) -> tuple[int, Object]:
            refused.append(path)
            if len(refused) == 2:
                self.publish()
            return 403, {}

        self.api.on_post = refuse
        server = self.start_by("unknown", PULLTRACE_AGENT_TOKEN="shared")
        until = time.monotonic() + 20
        while self.metric(server, BY.format("keys")) != 1 and time.monotonic() < until:
            self.assertNotEqual(self.send(server, "shared").status, 200)
            time.sleep(0.1)
        self.assert_answer(self.send(server, self.signer.token()), 200)

    def asked_for_configuration(self) -> int:
        return len([asked for asked in self.api.asked if asked.path == CONFIGURATION])

    def test_trouble_makes_no_shared_token_good(self) -> None:
        for status in (401, 500, 429):
            self.api.documents[CONFIGURATION] = (status, b"{}")
            server = self.start_by("unknown", PULLTRACE_AGENT_TOKEN="shared")
            asked = self.asked_for_configuration()
            wait_for("it has asked again", lambda: self.asked_for_configuration() >= asked + 2, 20)
            self.assert_answer(self.send(server, "shared"), 503, "report_token_unchecked")

    def test_settings_that_cannot_be(self) -> None:
        rows = {
            "PULLTRACE_AGENT_IDENTITY": "PULLTRACE_AGENT_IDENTITY=x: expected token or kubernetes",
            "PULLTRACE_AGENT_SERVICE_ACCOUNTS": "PULLTRACE_AGENT_SERVICE_ACCOUNTS=x: expected namespace/name",
        }
        for name, words in rows.items():
            settings = {"PULLTRACE_AGENT_IDENTITY": "kubernetes", name: "x"}
            with self.assertRaises(Exception):
                self.start_server(PULLTRACE_KUBE_URL=self.api.url, **settings)
            self.assertIn(words, (self.folder / "server.stderr").read_text())


class Agents(IdentityCase):
    def start_agent(self, server: Server, file: Path, **settings: str) -> Agent:
        agent = Agent(
            AGENT,
            self.folder,
            self.folder / "no-containerd.sock",
            server.url,
            ADDRESS_SANITIZER
            | {"PULLTRACE_AGENT_IDENTITY": "kubernetes", "PULLTRACE_AGENT_IDENTITY_FILE": str(file)}
            | settings,
            name="node-1",
        )
        self.must_end_well(agent)
        return agent

    def reports(self, server: Server) -> float:
        return self.metric(server, "pulltrace_agent_reports_total")

    def test_an_agent_whose_token_has_expired_reads_its_file_again(self) -> None:
        self.publish()
        server = self.start_by("keys")
        file = self.folder / "token"
        file.write_text(self.signer.token(life_s=-60))
        agent = self.start_agent(server, file)
        wait_for("it is refused", lambda: self.metric(server, REFUSED.format("token")) > 0, 15)
        self.assertEqual(self.reports(server), 0)
        file.write_text(self.signer.token())
        wait_for("it is taken", lambda: self.reports(server) > 0, 40)
        self.assertIn("server.reachable", agent.process.stdout_text())

    def test_an_agent_with_both_tokens_finds_the_one_that_is_taken(self) -> None:
        file = self.folder / "token"
        file.write_text(self.signer.token())
        server = self.start_by("none", PULLTRACE_AGENT_TOKEN="shared")
        self.start_agent(server, file, PULLTRACE_AGENT_TOKEN="shared")
        wait_for("by the shared one", lambda: self.reports(server) > 0, 30)
        server.stop()
        self.publish()
        server.start()
        wait_for("by its own", lambda: self.reports(server) > 0, 60)
        self.assertEqual(self.metric(server, BY.format("keys")), 1)


class SeveralServers(IdentityCase):
    """Behind one address: an agent comes to any of them, and each looks at its token by itself."""

    def setUp(self) -> None:
        super().setUp()
        self.publish()
        settings = {"PULLTRACE_SHARE_URL": self.start_valkey().url}
        self.servers = [self.start_by("keys", **settings) for _ in range(2)]
        for server in self.servers:
            self.wait_until_ready(server)
        self.token = self.signer.token("node-1")

    def nodes(self, server: Server) -> list[str]:
        return sorted(node["nodeName"] for node in get(server.port, "/api/v1/nodes").json()["nodes"])

    def test_a_token_speaks_for_its_node_on_each_and_for_no_other_on_any(self) -> None:
        stale = self.signer.token(life_s=-60)
        many = [pull(f"p{i}", f"a.io/{'b' * 200}{i}") for i in range(200)]  # it is read in steps
        for server in self.servers:
            self.assert_answer(self.send(server, self.token, "node-2"), 403, "report_node")
            self.assert_answer(self.send(server, self.token, "node-2", *many), 403, "report_node")
            self.assert_answer(self.send(server, stale), 401, "report_token")
            time.sleep(0.6)  # the node's reports keep their distance, whichever server takes them
            self.assert_answer(self.send(server, self.token), 200)
        for number, server in enumerate(self.servers):  # what comes behind
            self.assert_answer(self.send(server, self.signer.token(f"behind-{number}"), f"behind-{number}"), 200)
        shown = ["behind-0", "behind-1", "node-1"]
        for server in self.servers:
            wait_for("it is shown", lambda server=server: set(self.nodes(server)) >= set(shown), 5)
            self.assertEqual(self.nodes(server), shown)
            self.assertEqual(self.metric(server, "pulltrace_share_entries_taken_total"), 2)

    def test_who_was_served_by_one_that_is_gone_is_known_to_the_other(self) -> None:
        self.assert_answer(self.send(self.servers[0], self.token), 200)
        self.servers[0].process.kill()
        self.assert_answer(self.send(self.servers[1], self.token), 200)

    def test_one_that_starts_without_the_api_server_knows_nobody_and_shows_what_the_other_takes(self) -> None:
        first, second = self.servers
        self.assert_answer(self.send(first, self.token), 200)
        self.api.stop()
        second.process.kill()
        second.start()
        wait_for("node-1 is shown", lambda: self.shows_node(second), 15)
        self.assert_answer(self.send(second, self.token), 503, "report_token_unchecked")
        self.assert_answer(self.send(first, self.token), 200)
        self.api.start()
        self.wait_until_taken(second, self.token)

    def shows_node(self, server: Server) -> bool:
        try:
            return self.nodes(server) == ["node-1"]
        except OSError:
            return False
