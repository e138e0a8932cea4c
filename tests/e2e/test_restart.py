#!/usr/bin/env python3
"""What is on the disks is enough: clean stops, all processes killed at once, local indexes that are lost."""
import shutil
import signal
import threading
import os
import unittest

import harness
from harness import KIB, MIB, Ledger, Pattern, wait_for

BUCKET = "kept"


class Restart(harness.ClusterTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.ledger = Ledger()
        cls.s3.create_bucket(Bucket=BUCKET)
        for index in range(60):
            cls.ledger.put(cls.s3, BUCKET, f"k-{index:02}", Pattern(index, [1, 70 * KIB, 1 * MIB, 33 * MIB][index % 4 if index < 8 else index % 2]))

    def test_the_directory_is_laid_out_as_promised(self):
        for number in (1, 2, 3):
            node = self.cluster.dir / f"n{number}"
            for name in ("predastore.toml", "data", "server.log", "server.pid", "data/meta"):
                self.assertTrue((node / name).exists(), f"{node / name}")
            self.assertTrue(list(node.glob("data/drives/*/shards/*.shard")))
            self.assertTrue(list(node.glob("data/drives/*/kv/*")))
        key_file = self.cluster.dir / "root_key.toml"
        self.assertEqual(key_file.stat().st_mode & 0o777, 0o600)

    def test_a_clean_stop_and_start_keeps_everything(self):
        env = dict(self.cluster.env)
        self.cluster.stop()
        self.cluster.start_all()
        self.assertEqual(self.cluster.read_env(), env)
        self.cluster.wait_healthy()
        self.ledger.verify(self.s3)

    def test_all_processes_killed_at_once_in_the_middle_of_writes(self):
        acknowledged, stop = Ledger(), threading.Event()

        def write(worker):
            client, index = self.cluster.boto3(worker % 3 + 1), 0
            while not stop.is_set():
                try:
                    acknowledged.put(client, BUCKET, f"w-{worker}-{index}", Pattern((worker, index), [500, 200 * KIB, 2 * MIB][index % 3]))
                except Exception:
                    if stop.is_set():
                        return
                index += 1
        threads = [threading.Thread(target=write, args=(worker,)) for worker in range(6)]
        for thread in threads:
            thread.start()
        wait_for("some objects", lambda: len(acknowledged.objects) > 40, 120)
        for pid in self.cluster.pids().values():
            os.kill(pid, signal.SIGKILL)
        stop.set()
        for thread in threads:
            thread.join()
        self.cluster.start_all()
        for node in (1, 2, 3):
            acknowledged.verify(self.cluster.boto3(node), "after all processes were killed")
        self.ledger.verify(self.s3)
        self.cluster.wait_healthy()

    def test_a_lost_local_index_is_rebuilt_from_the_shard_files(self):
        self.cluster.stop()
        for number in (1, 2, 3):
            for kv in self.cluster.dir.glob(f"n{number}/data/drives/*/kv"):
                shutil.rmtree(kv)
        self.cluster.start_all()
        self.cluster.wait_healthy()
        self.ledger.verify(self.s3, "after all local indexes were lost")

    def test_a_flipped_byte_in_a_shard_file_is_never_served(self):
        self.cluster.stop()
        victim = max(self.cluster.dir.glob("n2/data/drives/*/shards/*.shard"), key=lambda path: path.stat().st_size)
        with open(victim, "r+b") as shard:
            size = victim.stat().st_size
            for at in range(100_000, size - 100_000, 1_000_000):
                shard.seek(at)
                byte = shard.read(1)
                shard.seek(at)
                shard.write(bytes([byte[0] ^ 0xFF]))
        self.cluster.start_all()
        for node in (1, 2, 3):
            self.ledger.verify(self.cluster.boto3(node), "with a damaged shard file")


if __name__ == "__main__":
    harness.main()
