#!/usr/bin/env python3
"""What nobody reads: orphans of interrupted uploads go, shards that a drive lost are found and made again without any read, and a
drive that was put back to an earlier state is noticed. Write epochs are a second here."""
import json
import re
import shutil
import ssl
import threading
import urllib.request

import harness
from harness import KIB, MIB, Ledger, Pattern, wait_for

BUCKET = "kept"
SETTINGS = """
[epochs]
write_epoch_seconds = 1
commit = 12
garbage = 1

[repair]
sweep_seconds = 2
reconcile_seconds = 86400
"""


class Reconcile(harness.ClusterTest):
    cluster_options = {"settings": SETTINGS}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.ledger = Ledger()
        cls.s3.create_bucket(Bucket=BUCKET)
        for index in range(40):
            cls.ledger.put(cls.s3, BUCKET, f"k-{index:02}", Pattern(index, [20 * KIB, 300 * KIB, 3 * MIB][index % 3]))

    def node(self, number):
        return next(node for node in self.cluster.status()[1]["nodes"] if node["name"] == f"n{number}")

    def upkeep(self, number):
        return self.node(number).get("upkeep")

    def follows(self, number):
        nodes = self.cluster.status()[1]["nodes"]
        furthest = max(node["applied_index"] for node in nodes)
        return furthest - self.node(number)["applied_index"] <= 3

    def metric(self, number, name):
        node = self.cluster.dir / f"n{number}"
        context = ssl.create_default_context(cafile=str(self.cluster.dir / "ca.pem"))
        context.check_hostname = False
        context.load_cert_chain(str(node / "node.pem"), str(node / "node.key"))
        port = self.cluster.s3_port - harness.ADMIN_BELOW + number - 1
        with urllib.request.urlopen(f"https://127.0.0.1:{port}/metrics", context=context, timeout=30) as answer:
            text = answer.read().decode()
        return float(re.search(rf"^{name} (\S+)$", text, re.M).group(1))

    def shard_files(self, number):
        return sorted((self.cluster.dir / f"n{number}" / "data/drives").glob("*/shards/*.shard"))

    def used(self):
        return sum(path.stat().st_size for number in (1, 2, 3) for path in self.shard_files(number))

    def stored_shards(self):
        """All of them, of all nodes, counted by fsck while nothing runs."""
        count = 0
        for number in (1, 2, 3):
            done = self.cluster.run("fsck", "--data", self.cluster.dir / f"n{number}" / "data", check=False)
            count += sum(int(found) for found in re.findall(r"(\d+) shards,", done.stdout))
        return count

    def test_the_orphans_of_an_interrupted_upload_go_and_nothing_else(self):
        self.cluster.wait_healthy()
        used = self.used()

        def upload():
            try:
                self.cluster.boto3(1).put_object(Bucket=BUCKET, Key="never", Body=Pattern("never", 160 * MIB))
            except Exception:
                pass
        thread = threading.Thread(target=upload)
        thread.start()
        wait_for("some chunks of the upload are on disk", lambda: self.used() > used + 60 * MIB, 120)
        self.cluster.kill(1)
        thread.join()
        self.cluster.start(1)
        self.cluster.wait_healthy()
        wait_for("orphans are swept where the process has run on",
                 lambda: all(self.metric(number, "predastore_sweep_removed_total") > 0 for number in (2, 3)), 120)
        epoch = self.cluster.status()[1]["write_epoch"]
        wait_for("whatever there was is old enough, and garbage is done",
                 lambda: self.cluster.status()[1]["write_epoch"] > epoch + 14 and self.cluster.status()[1]["garbage_pending"] == 0, 180)
        sweeps = {number: self.upkeep(number)["sweeps"] for number in (1, 2, 3)}
        wait_for("two more sweeps of all", lambda: all(self.upkeep(number)["sweeps"] > sweeps[number] + 1 for number in sweeps), 120)
        self.cluster.stop()
        # Every object here is one chunk of three shards: what is stored is what is named, to the shard.
        self.assertEqual(self.stored_shards(), 3 * len(self.ledger.objects))
        self.cluster.start_all()
        self.cluster.wait_healthy()
        self.assertEqual(self.ledger.verify(self.s3), 40)

    def test_shard_files_that_are_gone_are_found_and_made_again_without_a_read(self):
        self.cluster.wait_healthy()
        self.cluster.kill(2)
        files = self.shard_files(2)
        for path in files[::2]:
            path.unlink()
        harness.log(f"removed {len(files[::2])} of {len(files)} shard files of node 2")
        self.cluster.start(2)
        found = wait_for("reconcile has found what is gone", lambda: (self.upkeep(2) or {}).get("missing_shards"), 120)
        harness.log(f"{found} shards missing")
        self.cluster.wait_healthy()
        self.cluster.kill(3)
        self.assertEqual(self.ledger.verify(self.cluster.boto3(2), "without node 3"), 40)
        self.cluster.start(3)
        self.cluster.wait_healthy()

    def test_an_operator_has_all_nodes_compared(self):
        self.cluster.wait_healthy()
        before = {number: self.upkeep(number)["reconciles"] for number in (1, 2, 3)}
        self.cluster.run("cluster", "reconcile", "--dir", self.cluster.dir)
        wait_for("all have", lambda: all(self.upkeep(number)["reconciles"] > before[number] for number in before), 120)
        self.assertEqual([self.upkeep(number)["missing_shards"] for number in before], [0, 0, 0])

    def test_a_drive_that_was_put_back_to_an_earlier_state_is_noticed_and_healed(self):
        self.cluster.wait_healthy()
        drives = self.cluster.dir / "n2" / "data" / "drives"
        old = self.cluster.base / "old-drives"
        self.cluster.kill(2)
        shutil.copytree(drives, old)
        self.cluster.start(2)
        self.cluster.wait_healthy()
        deleted = {f"k-{index:02}" for index in range(0, 40, 4)}
        for key in deleted:
            self.ledger.delete(self.s3, BUCKET, key)
        for index in range(20):
            self.ledger.put(self.s3, BUCKET, f"new-{index}", Pattern(("new", index), 200 * KIB))
        self.ledger.put(self.s3, BUCKET, "k-01", Pattern("overwritten", 500 * KIB))
        # A node that was started again may take seconds to hear the leader, and tells nobody how far its drives are till then.
        wait_for("node 2 follows the leader again", lambda: self.follows(2), 120)
        state = json.loads(self.cluster.run("cluster", "show", "--output", "json", "--dir", self.cluster.dir).stdout)
        wait_for("the epochs that record how far the drives are",
                 lambda: self.cluster.status()[1]["write_epoch"] > state["write_epoch"] + 3, 120)
        self.cluster.kill(2)
        shutil.rmtree(drives)
        shutil.copytree(old, drives)
        self.cluster.start(2)
        wait_for("node 2 has found that its drive is behind",
                 lambda: "a drive is behind what it was" in self.cluster.log_file(2).read_text(), 120)
        found = wait_for("reconcile has found what is gone", lambda: (self.upkeep(2) or {}).get("missing_shards"), 120)
        harness.log(f"{found} shards missing")
        self.assertGreaterEqual(found, 20)
        self.cluster.wait_healthy()
        self.assertEqual(self.upkeep(2)["rolled_back_drives"], 0)
        self.cluster.kill(3)
        count = self.ledger.verify(self.cluster.boto3(2), "without node 3")
        self.assertEqual(count, len(self.ledger.objects))
        keys = {entry["Key"] for entry in self.s3.list_objects_v2(Bucket=BUCKET)["Contents"]}
        self.assertFalse(keys & deleted)
        self.cluster.start(3)
        self.cluster.wait_healthy()
        for number in (1, 2, 3):  # put back for the other tests, which count 40
            self.assertIsNotNone(self.upkeep(number))
        for index in range(20):
            self.ledger.delete(self.s3, BUCKET, f"new-{index}")
        for key in sorted(deleted):
            self.ledger.put(self.s3, BUCKET, key, Pattern(key, 100 * KIB))


if __name__ == "__main__":
    harness.main()
