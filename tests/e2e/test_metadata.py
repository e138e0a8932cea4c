#!/usr/bin/env python3
"""Replicas of the metadata come and go: one that was wiped or damaged takes its own place as another, a node that did not vote
does, leadership is handed over, what would cost the majority is refused, and an operator recovers from the loss of it."""
import json
import shutil
import unittest

import harness
from harness import KIB, Ledger, Pattern

class Members(harness.ClusterTest):
    def ask(self, *words, **options):
        return self.cluster.run(*words, "--dir", self.cluster.dir, **options)

    def members(self, check=True):
        done = self.ask("meta", "ls", "--output", "json", check=check)
        return json.loads(done.stdout)["members"] if done.returncode == 0 else []

    def of(self, name):
        return [member for member in self.members(check=False) if member["name"] == name]

    def names_of_voters(self):
        return sorted(member["name"] for member in self.members(check=False) if member["votes"])

    def leader(self):
        return harness.wait_for("somebody leads", lambda: [
            member["name"] for member in self.members(check=False) if member["leads"]], 60)[0]

    def data(self, number):
        return self.cluster.dir / f"n{number}" / "data"

    def wait_replaced(self, name, old):
        """The node votes again, and only as another replica."""
        def is_done():
            found = self.of(name)
            return len(found) == 1 and found[0]["votes"] and found[0]["heard"] and found[0]["replica"] != old
        harness.wait_for(f"{name} votes as another one", is_done, 180)

    def any_two_serve(self, bucket, ledger):
        """Each node down in turn: what was written is read, and writes go on."""
        for number in (1, 2, 3):
            self.cluster.kill(number)
            client = self.cluster.boto3(number % 3 + 1)
            key = f"without/{number}/{len(ledger.objects)}"

            def put():
                try:
                    ledger.put(client, bucket, key, Pattern(number, 20 * KIB))
                    return True
                except Exception:
                    return False
            harness.wait_for(f"writes go on without n{number}", put, 120)
            ledger.verify(client, f"without n{number}")
            self.cluster.start(number)
            self.cluster.wait_healthy()


class Replaced(Members):
    cluster_options = {"nodes": 3}

    def test_1_a_wiped_voter_takes_its_own_place(self):
        bucket, ledger = self.bucket("wiped"), Ledger()
        for i in range(40):
            ledger.put(self.s3, bucket, f"before/{i}", Pattern(i, 9 * KIB))
        self.assertEqual(self.names_of_voters(), ["n1", "n2", "n3"])
        old = self.of("n3")[0]["replica"]
        self.cluster.kill(3)
        shutil.rmtree(self.data(3) / "meta")
        ledger.put(self.s3, bucket, "meanwhile", Pattern(100, 9 * KIB))
        self.cluster.start(3)
        self.wait_replaced("n3", old)
        self.assertEqual(self.names_of_voters(), ["n1", "n2", "n3"])
        self.cluster.wait_healthy()
        self.any_two_serve(bucket, ledger)

    def test_2_a_damaged_log_is_replaced_while_the_node_serves(self):
        bucket, ledger = self.bucket("damaged"), Ledger()
        for i in range(20):
            ledger.put(self.s3, bucket, f"before/{i}", Pattern(i, 9 * KIB))
        old = self.of("n2")[0]["replica"]
        self.cluster.kill(2)
        logs = sorted(self.data(2).glob("meta/raft*/*.log"))
        with open(logs[0], "r+b") as file:  # a good record follows: no torn end
            file.seek(4096)
            block = file.read(64)
            file.seek(4096)
            file.write(bytes(byte ^ 0x55 for byte in block))
        self.cluster.start(2)
        self.wait_replaced("n2", old)
        self.cluster.wait_healthy()
        ledger.verify(self.cluster.boto3(2), "through the node that was damaged")

    def test_3_the_leadership_is_handed_over(self):
        for name in ("n1", "n3", "n2"):
            if self.leader() == name:
                continue
            harness.wait_for(f"{name} leads", lambda: self.ask("meta", "transfer", name, check=False).returncode == 0, 60)
            self.assertEqual(self.leader(), name)

    def test_4_what_would_cost_the_majority_is_refused(self):
        leader = self.leader()
        others = [name for name in ("n1", "n2", "n3") if name != leader]
        self.cluster.kill(int(others[0][1]))
        harness.wait_for("its silence is noticed", lambda: not self.of(others[0])[0]["heard"], 60)
        refused = self.ask("meta", "remove", others[1], check=False)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("majority", refused.stderr)
        unknown = self.ask("meta", "add", "n9", check=False)
        self.assertEqual(unknown.returncode, 4, unknown.stderr)
        self.assertEqual(self.names_of_voters(), ["n1", "n2", "n3"])
        self.cluster.start(int(others[0][1]))
        self.cluster.wait_healthy()


class Fourth(Members):
    cluster_options = {"nodes": 3}

    def test_a_fourth_node_becomes_a_voter_in_place_of_one_that_is_dead(self):
        bucket, ledger = self.bucket("fourth"), Ledger()
        for i in range(30):
            ledger.put(self.s3, bucket, f"before/{i}", Pattern(i, 9 * KIB))
        self.cluster.nodes += 1
        self.cluster.demo("add", timeout=120)
        self.assertEqual(self.names_of_voters(), ["n1", "n2", "n3"])
        self.ask("meta", "add", "n4", timeout=180)
        self.assertEqual(self.names_of_voters(), ["n1", "n2", "n3", "n4"])
        again = self.ask("meta", "add", "n4", check=False)
        self.assertIn("already", again.stderr)
        self.ask("meta", "demote", "n4")
        self.assertEqual(self.names_of_voters(), ["n1", "n2", "n3"])
        self.ask("meta", "promote", "n4")
        job = json.loads(self.ask("job", "ls", "--output", "json").stdout)["jobs"][-1]
        self.ask("job", "watch", job["id"], timeout=300)
        self.cluster.wait_healthy()

        self.cluster.kill(3)
        harness.wait_for("the node is down", lambda: not [
            node for node in json.loads(self.ask("node", "ls", "--output", "json").stdout)["nodes"]
            if node["name"] == "n3" and node["up"]], 60)
        self.ask("node", "remove", "n3", "--dead")
        self.assertEqual(self.names_of_voters(), ["n1", "n2", "n4"])
        # From this moment on: before the job has marked what is missing, too, it is not healthy.
        self.cluster.wait_healthy(240)
        ledger.verify(self.cluster.boto3(4), "through the fourth node")
        self.cluster.kill(2)  # n1 and n4 are a majority
        client = self.cluster.boto3(4)

        def reads():
            try:
                return ledger.verify(client, "with n1 and n4")
            except AssertionError:
                return 0
        harness.wait_for("n1 and n4 serve", reads, 120)
        self.cluster.start(2)


class Recovered(Members):
    cluster_options = {"nodes": 3}

    def test_one_replica_of_three_becomes_a_new_group(self):
        bucket, ledger = self.bucket("recovered"), Ledger()
        for i in range(30):
            ledger.put(self.s3, bucket, f"before/{i}", Pattern(i, 9 * KIB))
        harness.wait_for("n1 has it all", lambda: self.of("n1") and self.of("n1")[0]["stored_index"] >= max(
            member["stored_index"] for member in self.members()), 60)
        group = json.loads(self.ask("meta", "ls", "--output", "json").stdout)["group"]
        config = self.cluster.dir / "n1" / "predastore.toml"
        running = self.cluster.run("meta", "recover", "--config", config, "--yes", check=False)
        self.assertNotEqual(running.returncode, 0, "a node that runs")
        self.cluster.stop()
        for number in (2, 3):
            shutil.rmtree(self.data(number) / "meta")
        unsure = self.cluster.run("meta", "recover", "--config", config, check=False)
        self.assertEqual(unsure.returncode, 2, unsure.stderr)
        harness.log(self.cluster.run("meta", "recover", "--config", config, "--yes").stdout)
        # demo's own patience ends before anybody has the other replicas added.
        self.cluster.demo("start", 1, timeout=180, check=False)
        self.cluster.demo("start", 2, timeout=180, check=False)
        self.cluster.demo("start", 3, timeout=180, check=False)
        harness.wait_for("the new group is there", lambda: self.names_of_voters() == ["n1"], 120)
        self.assertNotEqual(json.loads(self.ask("meta", "ls", "--output", "json").stdout)["group"], group)
        for name in ("n2", "n3"):
            harness.wait_for(f"{name} is added", lambda: self.ask("meta", "add", name, check=False, timeout=180).returncode == 0,
                             120)
        self.assertEqual(self.names_of_voters(), ["n1", "n2", "n3"])
        self.cluster.wait_healthy()
        ledger.verify(self.cluster.boto3(3), "after the recovery")
        shown = json.loads(self.ask("cluster", "show", "--output", "json").stdout)
        self.assertFalse(shown["sweep"], shown)
        self.cluster.kill(1)
        client = self.cluster.boto3(2)

        def put():
            try:
                ledger.put(client, bucket, "after", Pattern(1000, 9 * KIB))
                return True
            except Exception:
                return False
        harness.wait_for("the new voters serve without the first one", put, 120)
        ledger.verify(client, "without the first one")


if __name__ == "__main__":
    harness.main()
