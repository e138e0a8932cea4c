#!/usr/bin/env python3
"""A machine joins a cluster with a token that was made where the authority is: once, whole or not at all. Then it serves and takes its
share. A cluster with HTTPS grows as well."""
import json
import re
import stat
import unittest

import harness
from harness import ADMIN_BELOW, CLUSTER_BELOW, KIB, MIB, Ledger, Pattern


class Growing(harness.ClusterTest):
    def ask(self, *words):
        return json.loads(self.cluster.run(*words, "--output", "json", "--dir", self.cluster.dir).stdout)

    def names(self):
        return {node["name"]: node["state"] for node in self.ask("node", "ls")["nodes"]}

    def wait_for_job(self):
        job = self.ask("job", "ls")["jobs"][-1]
        self.cluster.run("job", "watch", job["id"], "--dir", self.cluster.dir, timeout=300)
        ended = [each for each in self.ask("job", "ls")["jobs"] if each["id"] == job["id"]][0]
        self.assertEqual(ended["state"], "done", ended)

    def assert_all_hold_the_same(self, nodes):
        preview = self.ask("ring", "show")["preview"]
        self.assertEqual(preview["shards_moving"], 0, preview)
        held = {name: counts["after"] for name, counts in preview["shards"].items()}
        self.assertEqual(set(held), set(nodes))
        share = sum(held.values()) / len(nodes)
        for name in nodes:
            self.assertLess(abs(held[name] - share), 0.10 * share + 3, held)


class Join(Growing):
    cluster_options = {"nodes": 3, "rs": "2+1"}

    def token(self, number, *words, **options):
        port = self.cluster.s3_port + number - 1
        return self.cluster.run("node", "token", f"n{number}", "--ca", self.cluster.dir, "--host", "127.0.0.1", "--s3-port", port, "--cluster-port",
                                port - CLUSTER_BELOW, "--admin-port", port - ADMIN_BELOW, "--dir", self.cluster.dir, *words, **options)

    def join(self, token, directory, **options):
        path = self.cluster.base / "token"
        path.write_text(token)
        return self.cluster.run("node", "join", "--token", path, "--data", directory, **options)

    def assert_refused(self, done, reason):
        self.assertEqual(done.returncode, 1, done)
        self.assertIn(reason, done.stderr)

    def test_a_machine_joins_once_with_a_token_and_takes_its_share(self):
        bucket, ledger = self.bucket("joined"), Ledger()
        for i in range(120):
            ledger.put(self.s3, bucket, f"object/{i:03}", Pattern(i, [70 * KIB, 80 * KIB, 200 * KIB + i][i % 3]))
        ledger.put(self.s3, bucket, "large", Pattern(900, 33 * MIB + 7))
        made = self.token(4)
        self.assertEqual(made.stdout.count("\n"), 1, "one line, and nothing else")
        self.assertIn("password", made.stderr)
        token, home = made.stdout, self.cluster.dir / "n4"

        self.assert_refused(self.join(token[:600] + token[604:], home, check=False), "damaged")
        self.assert_refused(self.join(token.replace("-1.", "-7.", 1), home, check=False), "version 7")
        self.assert_refused(self.join("hello", home, check=False), "no join token")
        self.assertFalse(home.exists())

        broken = "\n".join(token[at:at + 76] for at in range(0, len(token), 76))  # as mail brings it
        done = self.join(broken, home)
        self.assertIn("predastore server --config", done.stdout)
        files = {path.name for path in home.iterdir()}
        self.assertEqual(files, {"predastore.toml", "ca.pem", "node.pem", "node.key", "root_key.toml"})
        for name in ("node.key", "root_key.toml"):
            self.assertEqual(stat.S_IMODE((home / name).stat().st_mode), 0o600, name)
        self.assertEqual(stat.S_IMODE(home.stat().st_mode), 0o700)

        elsewhere = self.cluster.base / "elsewhere"
        self.assert_refused(self.join(token, elsewhere, check=False), "used already")
        self.assertEqual([path.name for path in self.cluster.base.glob("elsewhere*")], [])
        self.assert_refused(self.join(token, home, check=False), "is a node's already")

        self.cluster.nodes += 1
        self.cluster.start(4)
        harness.wait_for("the others see it", lambda: [
            node for node in self.ask("node", "ls")["nodes"] if node["name"] == "n4" and node["up"]], 60)
        # As the message of `join` says, from the new machine.
        config = home / "predastore.toml"
        staged = json.loads(self.cluster.run("ring", "assign", "n4", "--output", "json", "--config", config).stdout)
        self.cluster.run("ring", "apply", "--version", staged["staged"]["version"], "--config", config)
        self.wait_for_job()
        self.assert_all_hold_the_same(["n1", "n2", "n3", "n4"])
        for number in range(1, 5):
            ledger.verify(self.cluster.boto3(number), f"through node {number}")
        ledger.put(self.cluster.boto3(4), bucket, "later", Pattern(901, 5 * MIB))
        self.cluster.kill(2)
        ledger.verify(self.cluster.boto3(4), "with a node down")
        self.cluster.start(2)
        self.cluster.wait_healthy()

    def test_a_token_that_nobody_used_is_taken_back(self):
        path = self.cluster.base / "n9.token"
        self.token(9, "--out", path)
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)
        again = self.token(9, "--out", self.cluster.base / "twice.token", check=False)
        self.assert_refused(again, "node of that name")
        self.assertFalse((self.cluster.base / "twice.token").exists())
        self.assertEqual(self.names()["n9"], "active")
        self.assertEqual(self.cluster.wait_healthy()["failures_left"], 1)  # a node that is to join is not missed
        # Nodes hear of each other in time.
        shows = lambda: re.search(r"n9 .* unused", self.cluster.run("status", "--dir", self.cluster.dir).stdout)
        harness.wait_for("status shows the node that is to join", shows, 60)
        self.cluster.run("node", "remove", "n9", "--dead", "--dir", self.cluster.dir)
        home = self.cluster.base / "late"
        late = self.join(path.read_text(), home, check=False)
        self.assertNotEqual(late.returncode, 0, late)
        self.assertEqual([found.name for found in self.cluster.base.glob("late*")], [])
        self.token(9)  # the name is free again, under another id


class WithHttps(Growing):
    cluster_options = {"nodes": 3, "rs": "2+1", "tls": True}

    def test_a_demo_with_https_is_added_to(self):
        bucket, ledger = self.bucket("secure"), Ledger()
        for i in range(30):
            ledger.put(self.s3, bucket, f"object/{i:02}", Pattern(i, 90 * KIB + i))
        self.cluster.nodes += 1
        added = self.cluster.demo("add", timeout=120)
        self.assertIn(self.cluster.endpoint(4), added.stdout)
        self.wait_for_job()
        self.assert_all_hold_the_same(["n1", "n2", "n3", "n4"])
        ledger.verify(self.cluster.boto3(4), "over HTTPS, through the node that was added")


if __name__ == "__main__":
    harness.main()
