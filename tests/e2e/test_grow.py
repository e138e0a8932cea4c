#!/usr/bin/env python3
"""A cluster of three real nodes grows to five under load, one of them is drained and removed, another one is killed for good
and removed. What moved is held against what had to; every object is verified after each step."""
import json
import unittest

import harness
from harness import KIB, MIB, Ledger, Pattern
from test_rs_migrate import Load


class Grow(harness.ClusterTest):
    cluster_options = {"nodes": 3, "rs": "2+1"}

    def ask(self, *words, **options):
        """The JSON that a command prints."""
        return json.loads(self.cluster.run(*words, "--output", "json", "--dir", self.cluster.dir, **options).stdout)

    def add(self):
        self.cluster.nodes += 1
        done = self.cluster.demo("add", timeout=120)
        harness.log(done.stdout.strip().replace("\n", " | "))

    def wait_for_job(self):
        job = self.ask("job", "ls")["jobs"][-1]
        self.cluster.run("job", "watch", job["id"], "--dir", self.cluster.dir, timeout=300)
        ended = [each for each in self.ask("job", "ls")["jobs"] if each["id"] == job["id"]][0]
        self.assertEqual(ended["state"], "done", ended)
        return ended

    def shards(self, word="before"):
        preview = self.ask("ring", "show")["preview"]
        return {name: counts[word] for name, counts in preview["shards"].items()}

    def assert_balanced(self, counts, nodes):
        expected = sum(counts.values()) / len(nodes)
        for name in nodes:
            self.assertLess(abs(counts[name] - expected), 0.10 * expected + 3, counts)

    def assert_settled(self):
        preview = self.ask("ring", "show")["preview"]
        self.assertEqual(preview["shards_moving"], 0, preview)
        return preview

    def test_nodes_come_and_go_under_load(self):
        bucket, ledger = self.bucket("grown"), Ledger()
        for i in range(240):
            ledger.put(self.s3, bucket, f"object/{i:03}", Pattern(i, [9 * KIB, 80 * KIB, 200 * KIB + i][i % 3]))
        for i in range(3):
            ledger.put(self.s3, bucket, f"large/{i}", Pattern(900 + i, 33 * MIB + i))
        load = Load(self.cluster, bucket, [1, 2])
        try:
            for _ in range(2):
                before = self.shards()
                self.add()
                job = self.wait_for_job()
                had_to = max(1, sum(max(0, count - before.get(name, 0)) for name, count in self.shards().items()))
                harness.log(f"{job['items_done']} shards moved, {job['bytes_done'] / MIB:.1f} MiB; shards per node {self.shards()}")
                # The load writes meanwhile, and what it replaces counts in neither.
                self.assertLessEqual(job["items_done"], 1.2 * had_to + 40, (before, self.shards()))
            ledger.verify(self.cluster.boto3(5), "through a node that was added")
            self.assert_balanced(self.shards(), ["n1", "n2", "n3", "n4", "n5"])
            self.assertEqual(load.errors, [])

            self.cluster.run("node", "drain", "n4", "--dir", self.cluster.dir)
            early = self.cluster.run("node", "remove", "n2", "--dir", self.cluster.dir, check=False)
            self.assertNotEqual(early.returncode, 0, "a node that was not drained")
            self.wait_for_job()
            self.assertEqual(self.shards().get("n4", 0), 0)
        finally:
            load.stop()
        self.assertEqual(load.errors, [])
        self.cluster.run("node", "remove", "n4", "--dir", self.cluster.dir)
        self.wait_for_job()
        ledger.verify(self.s3, "without the node that was drained")
        self.cluster.kill(4)

        alive = self.cluster.run("node", "remove", "n5", "--dead", "--dir", self.cluster.dir, check=False)
        self.assertNotEqual(alive.returncode, 0, "a node that is up is not dead")
        self.cluster.kill(5)
        harness.wait_for("the node is down", lambda: not [
            node for node in self.ask("node", "ls")["nodes"] if node["name"] == "n5" and node["up"]], 60)
        self.cluster.run("node", "remove", "n5", "--dead", "--dir", self.cluster.dir)
        self.wait_for_job()
        narrow = self.cluster.run("node", "drain", "n2", "--dir", self.cluster.dir, check=False)
        self.assertNotEqual(narrow.returncode, 0)
        self.assertIn("nodes", narrow.stderr)
        harness.wait_for("what was on the dead node is healed", lambda: self.ask("heal", "status")["state"] == "idle", 240)
        preview = self.assert_settled()
        self.assertEqual(set(preview["shards"]), {"n1", "n2", "n3"})
        self.cluster.wait_healthy(240)
        for number in (1, 2, 3):
            ledger.verify(self.cluster.boto3(number), f"through node {number} at the end")
        load.ledger.verify(self.cluster.boto3(1), "of the load")
        self.assertEqual(self.cluster.status()[1]["repair_pending"], 0)
        states = {node["name"]: node["state"] for node in self.ask("node", "ls")["nodes"]}
        self.assertEqual(states, {"n1": "active", "n2": "active", "n3": "active", "n4": "departed", "n5": "departed"})


if __name__ == "__main__":
    harness.main()
