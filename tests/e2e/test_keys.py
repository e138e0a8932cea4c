#!/usr/bin/env python3
"""Access keys: made, listed, disabled, given a new secret and removed on the command line, while all gateways run on."""
import json
import time

from botocore.exceptions import ClientError

import harness

BOUND_SECONDS = 5  # docs/operations.md: every gateway goes by a change within this


class Keys(harness.ClusterTest):
    def key(self, *words, check=True):
        return self.cluster.run("key", *words, "--dir", self.cluster.dir, check=check)

    def create(self, description="of a test"):
        made = json.loads(self.key("create", "--description", description, "--output", "json").stdout)
        return made["access_key_id"], made["secret_access_key"]

    def listed(self):
        return {key["access_key_id"]: key for key in json.loads(self.key("ls", "--output", "json").stdout)["keys"]}

    def answer(self, key, node=1):
        """"ok", or the code of the error, of a request with this key through this node"""
        import boto3
        from botocore.config import Config
        client = boto3.client("s3", endpoint_url=self.cluster.endpoint(node), aws_access_key_id=key[0], aws_secret_access_key=key[1],
                              region_name="us-east-1", config=Config(retries={"max_attempts": 1, "mode": "standard"}))
        try:
            client.list_buckets()
            return "ok"
        except ClientError as error:
            return error.response["Error"]["Code"]

    def answers(self, key):
        return [self.answer(key, node) for node in (1, 2, 3)]

    def assert_within_bound(self, key, expected):
        """The bound is a promise of the server; twice of it is given to a machine that has other things to do."""
        began = time.monotonic()
        harness.wait_for(f"every gateway answers {expected}", lambda: self.answers(key) == [expected] * 3, 2 * BOUND_SECONDS)
        harness.log(f"{expected} everywhere after {time.monotonic() - began:.1f} s")

    def test_the_life_of_a_key(self):
        key = self.create()
        self.assert_within_bound(key, "ok")
        self.assertTrue(self.listed()[key[0]]["enabled"])
        self.key("disable", key[0])
        self.assert_within_bound(key, "InvalidAccessKeyId")
        self.assertFalse(self.listed()[key[0]]["enabled"])
        self.key("enable", key[0])
        self.assert_within_bound(key, "ok")
        rotated = json.loads(self.key("rotate", key[0], "--output", "json").stdout)
        self.assertEqual(rotated["access_key_id"], key[0])
        self.assertNotEqual(rotated["secret_access_key"], key[1])
        self.assert_within_bound(key, "SignatureDoesNotMatch")
        key = key[0], rotated["secret_access_key"]
        self.assert_within_bound(key, "ok")
        self.key("rm", key[0])
        self.assert_within_bound(key, "InvalidAccessKeyId")
        self.assertNotIn(key[0], self.listed())

    def test_a_secret_is_shown_once_and_never_logged(self):
        key = self.create("canary")
        rotated = json.loads(self.key("rotate", key[0], "--output", "json").stdout)["secret_access_key"]
        table = self.key("create", "--description", "for people").stdout
        self.assertRegex(table, r"access_key_id +PS\w{18}\nsecret_access_key \w{40}\n")
        secrets = [key[1], rotated, table.split()[-1], self.cluster.env["AWS_SECRET_ACCESS_KEY"]]
        for text in (self.key("ls").stdout, self.key("ls", "--output", "json").stdout,
                     self.key("disable", key[0], "--output", "json").stdout, self.key("enable", key[0], "--output", "json").stdout):
            self.assertIn(key[0], text)
            for secret in secrets:
                self.assertNotIn(secret, text)
        self.answers(key)
        for node in (1, 2, 3):
            log = self.cluster.log_file(node).read_text()
            for secret in secrets:
                self.assertNotIn(secret, log)
        self.assertIn("make access key", self.cluster.log_file(1).read_text())

    def test_the_first_key_can_be_disabled_and_stays_so_when_nodes_start_again(self):
        first = self.cluster.env["AWS_ACCESS_KEY_ID"], self.cluster.env["AWS_SECRET_ACCESS_KEY"]
        other = self.create()
        self.assert_within_bound(other, "ok")
        try:
            self.key("disable", first[0])
            self.assert_within_bound(first, "InvalidAccessKeyId")
            self.cluster.kill(2)
            self.cluster.start(2)
            harness.wait_for("node 2 serves again", lambda: self.answer(other, 2) == "ok", 60)
            self.assertEqual(self.answers(first), ["InvalidAccessKeyId"] * 3)
        finally:
            self.key("enable", first[0])
        self.assert_within_bound(first, "ok")

    def test_a_node_that_is_away_does_not_keep_keys_from_being_made(self):
        self.cluster.kill(1)
        try:
            key = self.create()
            harness.wait_for("the others take it", lambda: [self.answer(key, node) for node in (2, 3)] == ["ok"] * 2, 30)
        finally:
            self.cluster.start(1)
        harness.wait_for("so does the one that was away", lambda: self.answer(key, 1) == "ok", 60)

    def test_errors(self):
        unknown = "PS" + "X" * 18
        for action in ("enable", "disable", "rotate", "rm"):
            done = self.key(action, unknown, check=False)
            self.assertEqual(done.returncode, 4, done)
            self.assertIn(unknown, done.stderr)
        self.assertEqual(self.key("rm", "../x", check=False).returncode, 2)
        self.assertEqual(self.key("create", "--description", "x" * 300, check=False).returncode, 2)
        self.assertEqual(self.cluster.run("key", "ls", "--dir", self.cluster.base / "none", check=False).returncode, 4)


if __name__ == "__main__":
    harness.main()
