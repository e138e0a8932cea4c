#!/usr/bin/env python3
"""One of three real nodes is gone for good: a new machine takes its place under a new id, all data has all its shards again, and
then any one node may go down. Before that, a change of the ring is staged and taken back."""
import json
import unittest

import harness
from harness import KIB, MIB, Ledger, Pattern
from test_rs_migrate import Load


class Replace(harness.ClusterTest):
    cluster_options = {"nodes": 3, "rs": "2+1"}

    def ask(self, *words):
        return json.loads(self.cluster.run(*words, "--output", "json", "--dir", self.cluster.dir).stdout)

    def add_spare(self):
        self.cluster.nodes += 1
        self.cluster.demo("add", "--spare", timeout=120)

    def wait_for_job(self):
        job = self.ask("job", "ls")["jobs"][-1]
        self.cluster.run("job", "watch", job["id"], "--dir", self.cluster.dir, timeout=300)

    def assert_whole(self, nodes):
        """Every shard is where the ring wants it, and none is missing."""
        harness.wait_for("nothing waits for repair", lambda: self.ask("heal", "status")["chunks_left"] == 0, 240)
        preview = self.ask("ring", "show")["preview"]
        self.assertEqual(preview["shards_moving"], 0, preview)
        self.assertEqual(set(preview["shards"]), set(nodes))
        held = {name: counts["before"] for name, counts in preview["shards"].items()}
        self.assertEqual(len(set(held.values())), 1, held)  # with three nodes each has a shard of every chunk
        return held

    def test_a_node_that_is_gone_is_replaced_by_a_new_machine(self):
        bucket, ledger = self.bucket("replaced"), Ledger()
        for i in range(60):
            ledger.put(self.s3, bucket, f"object/{i:03}", Pattern(i, [70 * KIB, 150 * KIB, 400 * KIB + i][i % 3]))
        ledger.put(self.s3, bucket, "large", Pattern(900, 33 * MIB + 1))
        load = Load(self.cluster, bucket, [1, 2])
        try:
            self.cluster.kill(3)
            self.add_spare()
            ids = {node["name"]: node["id"] for node in self.ask("node", "ls")["nodes"]}
            self.assertEqual(len(set(ids.values())), 4)
            harness.wait_for("node 3 is seen to be down", lambda: not [
                node for node in self.ask("node", "ls")["nodes"] if node["name"] == "n3" and node["up"]], 60)
            done = self.cluster.run("node", "replace", "n3", "--with", "n4", "--dir", self.cluster.dir)
            self.assertIn("departed", done.stdout)
            self.wait_for_job()
        finally:
            load.stop()
        self.assertEqual(load.errors, [])
        held = self.assert_whole(["n1", "n2", "n4"])
        harness.log(f"shards per node {held}")
        # The old machine does not come back, whatever it thinks of itself.
        states = {node["name"]: node["state"] for node in self.ask("node", "ls")["nodes"]}
        self.assertEqual(states["n3"], "departed")
        # It takes the place of a voter too, by itself.
        harness.wait_for("the new node votes", lambda: {
            member["name"] for member in self.ask("meta", "ls")["members"] if member["votes"]} == {"n1", "n2", "n4"}, 120)
        self.cluster.kill(4)
        ledger.verify(self.cluster.boto3(1), "with the new node down")
        self.cluster.start(4)
        for number in (1, 2, 4):
            ledger.verify(self.cluster.boto3(number), f"through node {number}")
        load.ledger.verify(self.cluster.boto3(2), "of the load")

    def test_a_staged_ring_is_taken_back(self):
        self.bucket("staged")
        self.add_spare()
        before = self.ask("ring", "show")
        staged = self.ask("ring", "assign", "n4", "--weight", 200, "--zone", "east")
        self.assertEqual(staged["staged"]["version"], before["current"]["epoch"] + 1)
        slot = [slot for slot in staged["staged"]["slots"] if slot["name"] == "n4"][0]
        self.assertEqual((slot["weight"], slot["zone"]), (200, "east"))
        reverted = self.ask("ring", "revert")
        self.assertNotIn("staged", reverted)
        refused = self.cluster.run("ring", "apply", "--version", staged["staged"]["version"], "--dir", self.cluster.dir, check=False)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("no change", refused.stderr)
        self.assertEqual(self.ask("ring", "show")["current"], before["current"])


if __name__ == "__main__":
    harness.main()
