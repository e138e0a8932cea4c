#!/usr/bin/env python3
"""Several drives a node: one that is wiped is a new one, one that is foreign or swapped is refused, and no byte is read wrong."""
import os
import shutil
import time
import unittest

import harness
from harness import KIB, MIB, Ledger, Pattern

BUCKET = "drives"
SIZES = [1, 20 * KIB, 300 * KIB, 1 * MIB, 5 * MIB]


class Drives(harness.ClusterTest):
    cluster_options = {"drives": 2}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.s3.create_bucket(Bucket=BUCKET)
        cls.ledger = Ledger()
        for index in range(40):
            cls.ledger.put(cls.s3, BUCKET, f"k{index}", Pattern(index, SIZES[index % len(SIZES)]))

    def drive(self, node, number):
        return self.cluster.dir / f"n{node}" / "data" / "drives" / str(number)

    def drives_of(self, node):
        return next(entry for entry in self.cluster.status()[1]["nodes"] if entry["name"] == f"n{node}").get("drives", [])

    def size_of(self, directory):
        return sum(file.stat().st_size for file in (directory / "shards").glob("*.shard"))

    def start_and_fail(self, node):
        """What the node says when it refuses to start."""
        done = self.cluster.demo("start", node, check=False, timeout=180)
        log = (self.cluster.dir / f"n{node}" / "server.log").read_text()
        self.assertFalse(self.cluster.is_running(node), done.stdout)
        return done.stderr + log[-4000:]

    def test_1_shards_are_on_both_drives_and_status_shows_them(self):
        self.cluster.wait_healthy()
        for node in (1, 2, 3):
            sizes = [self.size_of(self.drive(node, number)) for number in (0, 1)]
            self.assertGreater(min(sizes), 0.1 * sum(sizes), sizes)
            drives = self.drives_of(node)
            self.assertEqual([drive["place"] for drive in drives], ["drives/0", "drives/1"])
            self.assertEqual({drive["state"] for drive in drives}, {"ok"}, drives)
            self.assertEqual(len({drive["id"] for drive in drives}), 2)
        text = self.cluster.run("status", "--dir", self.cluster.dir).stdout
        self.assertIn("drives/1", text)
        self.ledger.verify(self.s3, "from two drives a node")

    def test_2_swapped_and_foreign_drives_are_refused_by_name(self):
        self.cluster.kill(2)
        zero, one = self.drive(2, 0), self.drive(2, 1)
        aside = zero.with_name("aside")
        zero.rename(aside), one.rename(zero), aside.rename(one)
        said = self.start_and_fail(2)
        self.assertRegex(said, r"drive drives/0: drive [0-9a-f]{32} belongs at drives/1: drives were swapped")
        one.rename(aside), zero.rename(one), aside.rename(zero)
        # One of another node, in the place of the own.
        one.rename(aside)
        shutil.copytree(self.drive(3, 1), one)
        said = self.start_and_fail(2)
        self.assertRegex(said, r"drive drives/1: drive [0-9a-f]{32} belongs to node [0-9a-f]{16}, this is node")
        shutil.rmtree(one)
        aside.rename(one)
        self.cluster.start(2)
        self.cluster.wait_healthy()
        self.ledger.verify(self.cluster.boto3(2), "after the drives were put back")

    def test_3_a_wiped_drive_is_a_new_one_and_everything_is_read(self):
        before = {drive["place"]: drive["id"] for drive in self.drives_of(1)}
        self.cluster.kill(1)
        shutil.rmtree(self.drive(1, 1))
        self.cluster.start(1)
        self.s3 = self.cluster.boto3(2)
        drives = harness.wait_for("node 1 answers", lambda: self.drives_of(1), 60)
        now = {drive["place"]: drive["id"] for drive in drives}
        self.assertEqual(now["drives/0"], before["drives/0"])
        self.assertNotEqual(now["drives/1"], before["drives/1"])
        listed = (self.cluster.dir / "n1" / "data" / "drives.list").read_text()
        self.assertIn(f"lost {before['drives/1']} drives/1\n", listed)
        for node in (1, 2, 3):
            self.ledger.verify(self.cluster.boto3(node), "with a wiped drive")
        for index in range(40, 60):
            self.ledger.put(self.s3, BUCKET, f"k{index}", Pattern(index, SIZES[index % len(SIZES)]))
        self.ledger.verify(self.cluster.boto3(1), "written with a new drive")
        self.assertGreater(self.size_of(self.drive(1, 1)), 0)

    def test_4_what_the_wiped_drive_held_is_made_again_without_a_read(self):
        def reconciled():
            return all(drive["reconciled"] for drive in self.drives_of(1))
        harness.wait_for("the drive is compared with the metadata", reconciled, 180)
        self.cluster.wait_healthy()
        self.cluster.kill(2)
        self.ledger.verify(self.cluster.boto3(1), "from the new drive, with another node killed")
        self.cluster.start(2)
        self.cluster.wait_healthy()


if __name__ == "__main__":
    harness.main()
