#!/usr/bin/env python3
"""Healing as operators see and steer it: what a node missed while it was away, a node that was wiped, a pause, and damage beyond
what parity gives."""
import json
import pathlib
import shutil
import unittest

import harness
from harness import KIB, Ledger, Pattern


class HealTest(harness.ClusterTest):
    cluster_options = {"nodes": 3, "rs": "2+1"}

    def heal(self, *words):
        return json.loads(self.cluster.run("heal", *words, "--output", "json", "--dir", self.cluster.dir).stdout)

    def put_all(self, ledger, bucket, first, count):
        for i in range(first, first + count):
            ledger.put(self.cluster.boto3(1), bucket, f"object/{i:03}", Pattern(i, 130 * KIB + i))

    def status_when(self, what, condition):
        def look():
            status = self.heal("status")
            return status if condition(status) else None
        return harness.wait_for(what, look, 180)


class Heal(HealTest):
    def test_what_a_node_missed_is_healed_by_all_and_no_more_than_that(self):
        bucket, ledger = self.bucket("missed"), Ledger()
        self.put_all(ledger, bucket, 0, 20)
        self.cluster.kill(3)
        self.put_all(ledger, bucket, 20, 40)
        away = self.status_when("the chunks are known to lack a shard", lambda s: s["chunks_left"] == 40)
        self.assertIn(away["state"], ("waiting", "healing", "unknown"))
        paused = self.heal("pause")
        self.assertEqual(paused["state"], "paused")
        self.cluster.start(3)
        text = self.cluster.run("heal", "status", "--dir", self.cluster.dir).stdout
        self.assertIn("paused", text)
        self.assertIn("40 chunks", text)
        self.assertEqual(self.heal("status")["chunks_left"], 40)  # a pause outlives what changes
        self.cluster.run("heal", "rate", 256 * KIB, "--dir", self.cluster.dir)
        self.heal("resume")
        self.status_when("some are healed", lambda s: 0 < s["chunks_done"] and s["chunks_left"] > 0 and s["bytes_per_second"] > 0
                         and 0 < s["percent"] < 100 and "seconds_left" in s and s["limit_bytes_per_second"] == 256 * KIB)
        self.cluster.run("heal", "rate", 0, "--dir", self.cluster.dir)
        done = self.status_when("all are healed", lambda s: s["state"] == "idle")
        self.assertEqual((done["percent"], done["chunks_left"], done["damaged"]), (100, 0, []))
        repaired = {node["name"]: node["chunks_repaired"] for node in done["nodes"]}
        harness.log(f"chunks repaired by each node: {repaired}")
        self.assertEqual(sum(repaired.values()), 40)  # what it had before was not touched
        self.assertGreaterEqual(min(repaired.values()), 1)  # each had a share, as large as it was free
        self.cluster.wait_healthy()
        self.cluster.kill(1)
        ledger.verify(self.cluster.boto3(3), "without a node that was there all the time")
        self.cluster.start(1)


class Wiped(HealTest):
    def test_a_wiped_node_is_filled_again(self):
        bucket, ledger = self.bucket("wiped"), Ledger()
        self.put_all(ledger, bucket, 0, 30)
        self.cluster.kill(2)
        for path in (self.cluster.dir / "n2" / "data" / "drives").iterdir():
            shutil.rmtree(path)
            path.mkdir()
        self.cluster.start(2)
        self.status_when("all is there again", lambda s: s["state"] == "idle" and
                         sum(node["chunks_repaired"] for node in s["nodes"]) >= 30)
        self.cluster.wait_healthy()
        self.cluster.kill(1)
        ledger.verify(self.cluster.boto3(2), "through the node that was wiped")
        self.cluster.start(1)

class BeyondParity(HealTest):
    def test_damage_beyond_parity_is_said_and_nothing_is_deleted(self):
        bucket, ledger = self.bucket("damaged"), Ledger()
        self.put_all(ledger, bucket, 0, 1)
        for number in (1, 2):  # two of three shards
            self.cluster.kill(number)
            for path in sorted(pathlib.Path(self.cluster.dir / f"n{number}").glob("data/drives/*/shards/*.shard")):
                content = bytearray(path.read_bytes())
                for at in range(16 * KIB, min(len(content), 40 * KIB), 64):
                    content[at] ^= 0xFF
                path.write_bytes(content)
        for number in (1, 2):
            self.cluster.start(number)
        def read_fails():
            with self.assertRaises(Exception):
                self.cluster.boto3(3).get_object(Bucket=bucket, Key="object/000")["Body"].read()
            return True
        harness.wait_for("the object cannot be read", read_fails, 60)
        self.heal("start")
        status = self.status_when("the damage is named", lambda s: s["chunks_unrepairable"] == 1)
        self.assertEqual(len(status["damaged"]), 1, status)
        self.assertLess(status["damaged"][0]["shards_good"], status["damaged"][0]["shards_needed"])
        self.assertEqual((status["damaged"][0]["bucket"], status["damaged"][0]["key"]), (bucket, "object/000"))
        shown = self.cluster.run("heal", "status", "--dir", self.cluster.dir).stdout
        self.assertIn(status["damaged"][0]["object_id"], shown)
        self.assertIn(f"{bucket}/object/000", shown)
        self.assertEqual([entry["Key"] for entry in self.cluster.boto3(3).list_objects_v2(Bucket=bucket)["Contents"]], ["object/000"])


class Scrub(harness.ClusterTest):
    cluster_options = {"nodes": 3, "rs": "2+1", "settings": "[upkeep]\nscrub_period_hours = 1\n"}

    def test_damage_in_cold_data_is_found_by_scrub_and_healed(self):
        bucket, ledger = self.bucket("cold"), Ledger()
        for i in range(12):
            ledger.put(self.s3, bucket, f"object/{i:03}", Pattern(i, 100 * KIB + i))
        self.cluster.kill(2)
        self.cluster.start(2)  # its file of that time is sealed
        self.cluster.wait_healthy()
        self.cluster.kill(2)
        flipped = 0
        for path in sorted((self.cluster.dir / "n2").glob("data/drives/*/shards/*.shard")):
            content = bytearray(path.read_bytes())
            for at in range(20 * KIB, int(len(content) * 0.6), 40 * KIB):
                content[at] ^= 0x10
                flipped += 1
            path.write_bytes(content)
        self.assertGreater(flipped, 5)
        self.cluster.start(2)

        def repaired():
            status = json.loads(self.cluster.run("heal", "status", "--output", "json", "--dir", self.cluster.dir).stdout)
            return status["state"] == "idle" and sum(node["chunks_repaired"] for node in status["nodes"])
        count = harness.wait_for("what scrub found is repaired, and nobody has read it", repaired, 240)
        harness.log(f"{flipped} bytes flipped, {count} chunks repaired")
        harness.wait_for("it has come to the end", lambda: repaired() >= min(flipped, 6) and repaired(), 240)
        self.cluster.wait_healthy()
        self.cluster.kill(1)
        ledger.verify(self.cluster.boto3(2), "without another node")
        self.cluster.start(1)


if __name__ == "__main__":
    harness.main()
