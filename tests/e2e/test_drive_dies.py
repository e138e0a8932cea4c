#!/usr/bin/env python3
"""A drive whose reads and writes fail while its node runs: what it held is made again on the node's other drive without a restart,
so that any node may be lost afterwards; and when it comes back it raises nothing."""
import signal
import subprocess
import time

import harness
from harness import KIB, MIB, Ledger, Pattern

BUCKET = "dying"
SIZES = [20 * KIB, 300 * KIB, 1 * MIB, 3 * MIB]
OBJECTS = 48
# strace cannot touch what goes through io_uring.
SETTINGS = """
[io]
backend = "threads"
"""


class ADriveDies(harness.ClusterTest):
    cluster_options = {"drives": 2, "settings": SETTINGS}

    def drive(self):
        """The second drive of node 2, as node 1 sees it."""
        node = next(entry for entry in self.cluster.status()[1]["nodes"] if entry["name"] == "n2")
        return next((drive for drive in node.get("drives", []) if drive["place"] == "drives/1"), {})

    def files(self):
        return sorted((self.cluster.dir / "n2/data/drives/1/shards").glob("*.shard"))

    def fail_drive(self):
        """Every read, write and sync of what is on the drive now fails with EIO, until the process that does it ends."""
        words = ["strace", "-f", "-qq", "-o", "/dev/null", "-p", str(self.cluster.pid(2)),
                 "-e", "trace=pread64,pwrite64,pwritev,fdatasync", "-e", "inject=pread64,pwrite64,pwritev,fdatasync:error=EIO"]
        for path in self.files():
            words += ["-P", str(path)]
        tracer = subprocess.Popen(words, stderr=subprocess.PIPE)
        self.addCleanup(self.let_go, tracer)
        return tracer

    @staticmethod
    def let_go(tracer):
        if tracer.poll() is None:
            tracer.send_signal(signal.SIGTERM)
            tracer.wait(30)
        tracer.stderr.close()

    def use(self, tracer):
        """Reads and writes until the node has had enough of the drive."""
        end = time.monotonic() + 180
        round_number = 0
        while self.drive().get("state") != "failed":
            self.assertIsNone(tracer.poll(), "strace cannot attach")
            self.assertLess(time.monotonic(), end, self.drive())
            self.ledger.verify(self.cluster.boto3(2), "while a drive dies")
            for index in range(8):
                key = f"during-{round_number}-{index}"
                self.ledger.put(self.cluster.boto3(1), BUCKET, key, Pattern(1000 + 8 * round_number + index, 100 * KIB))
            round_number += 1

    def test_what_it_held_is_made_again_and_any_node_may_go(self):
        self.s3.create_bucket(Bucket=BUCKET)
        self.ledger = Ledger()
        for index in range(OBJECTS):
            self.ledger.put(self.s3, BUCKET, f"k{index}", Pattern(index, SIZES[index % len(SIZES)]))
        self.cluster.wait_healthy()
        tracer = self.fail_drive()
        self.use(tracer)
        self.assertIn("errors within", self.drive()["problem"])
        self.ledger.verify(self.cluster.boto3(1), "with a drive taken out")
        for index in range(4):
            self.ledger.delete(self.cluster.boto3(3), BUCKET, f"k{index}")
        harness.wait_for("the drive is given up", lambda: self.drive().get("given_up"), 120)
        self.let_go(tracer)
        status = self.cluster.wait_healthy()
        self.assertEqual(self.drive()["state"], "failed")
        self.assertEqual(status["failures_left"], 1)
        self.assertTrue(any("was given up" in text for text in status["warnings"]), status["warnings"])
        text = self.cluster.run("status", "--dir", self.cluster.dir).stdout
        self.assertRegex(text, r"drives/1 +given up")
        for gone, others in ((3, (1, 2)), (1, (2, 3))):
            self.cluster.kill(gone)
            for number in others:
                self.ledger.verify(self.cluster.boto3(number), f"without node {gone} and the drive")
            self.cluster.start(gone)
            self.cluster.wait_healthy()
        # It comes back: nothing that was deleted does.
        self.cluster.kill(2)
        self.cluster.start(2)
        harness.wait_for("the drive is back", lambda: self.drive().get("state") == "ok", 60)
        self.cluster.wait_healthy()
        self.assertFalse(self.drive()["given_up"])
        listed = self.cluster.boto3(2).list_objects_v2(Bucket=BUCKET)
        self.assertEqual({entry["Key"] for entry in listed["Contents"]}, {key for _, key in self.ledger.objects})
        for number in (1, 2, 3):
            client = self.cluster.boto3(number)
            self.ledger.verify(client, "with the drive back")
            for index in range(4):
                with self.assertRaises(client.exceptions.NoSuchKey):
                    client.get_object(Bucket=BUCKET, Key=f"k{index}")


if __name__ == "__main__":
    harness.main()
