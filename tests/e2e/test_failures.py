#!/usr/bin/env python3
"""One node of three is down, killed or paused, each in turn: everything reads bit for bit, new objects are written, and when it
is back, what it missed is rebuilt without anyone asking, and `status` says so until it is done."""
import threading
import unittest

import harness
from harness import KIB, MIB, Ledger, Pattern, wait_for

BUCKET = "data"


class OneNodeDown(harness.ClusterTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.ledger = Ledger()
        cls.s3.create_bucket(Bucket=BUCKET)
        for index, size in enumerate([0, 1, 5000, 64 * KIB - 1, 64 * KIB + 1, 200 * KIB, 1 * MIB, 3 * MIB + 7, 32 * MIB - 1,
                                      32 * MIB + 1, 70 * MIB] + [10 * KIB] * 40):
            cls.ledger.put(cls.s3, BUCKET, f"before-{index:03}", Pattern(("before", index), size))

    def other(self, number):
        return number % 3 + 1

    def client(self, number):
        return self.cluster.boto3(number, config={"retries": {"max_attempts": 4, "mode": "standard"}})

    def put_with_patience(self, client, key, pattern):
        """While a leader is being elected a write may be refused with 503; then it was not done, and the client comes again."""
        import botocore.exceptions

        def attempt():
            try:
                self.ledger.put(client, BUCKET, key, pattern)
                return True
            except botocore.exceptions.ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] not in (500, 503):
                    raise
                return False
        wait_for(f"PUT {key}", attempt, 60)

    def while_it_is_down(self, number, how):
        client = self.client(self.other(number))
        for index, size in enumerate([1, 100 * KIB, 2 * MIB, 33 * MIB] + [20 * KIB] * 10):
            self.put_with_patience(client, f"{how}-{number}-{index}", Pattern((how, number, index), size))
        self.ledger.put(client, BUCKET, "before-005", Pattern((how, number, "again"), 300 * KIB))  # overwritten
        self.assertGreater(self.ledger.verify(client, f"with node {number} {how}"), 50)
        self.ledger.verify(self.client(self.other(self.other(number))), f"with node {number} {how}, through the third")
        code, status = self.cluster.status()
        self.assertEqual(code, 10, status)
        self.assertEqual(status["state"], "degraded")
        self.assertTrue(status["readable"])
        self.assertEqual(status["failures_left"], 0)
        self.assertEqual([n["state"] for n in status["nodes"] if n["name"] == f"n{number}"], ["down"])
        self.assertGreater(status["repair_pending"], 0)
        self.assertIsNotNone(status["leader"])

    def after_it_is_back(self, number):
        status = self.cluster.wait_healthy()
        self.assertEqual((status["failures_left"], status["repair_pending"]), (1, 0))
        self.ledger.verify(self.client(number), f"through node {number}, which is back")

    def test_each_node_killed_in_turn(self):
        for number in (1, 2, 3):
            self.cluster.kill(number)
            self.while_it_is_down(number, "killed")
            self.cluster.start(number)
            self.after_it_is_back(number)
        # What was rebuilt is needed now: any other node may go.
        for number in (1, 2, 3):
            self.cluster.kill(number)
            self.ledger.verify(self.client(self.other(number)), f"after all repairs, with node {number} killed")
            self.cluster.start(number)
            self.cluster.wait_healthy()

    def test_each_node_paused_in_turn(self):
        for number in (1, 2, 3):
            self.cluster.pause(number)
            self.while_it_is_down(number, "paused")
            self.cluster.resume(number)
            self.after_it_is_back(number)

    def test_a_node_killed_while_objects_are_written_loses_no_acknowledged_one(self):
        stop = threading.Event()
        acknowledged = Ledger()
        errors = []

        def write(worker):
            client = self.client(worker % 2 + 1)
            index = 0
            while not stop.is_set():
                pattern = Pattern(("under fire", worker, index), [3000, 300 * KIB, 5 * MIB][index % 3])
                try:
                    acknowledged.put(client, BUCKET, f"fire-{worker}-{index}", pattern)
                except Exception as error:  # not acknowledged: nothing is promised
                    errors.append(repr(error))
                index += 1
        threads = [threading.Thread(target=write, args=(worker,)) for worker in range(4)]
        for thread in threads:
            thread.start()
        wait_for("some objects", lambda: len(acknowledged.objects) > 10, 60)
        self.cluster.kill(3)
        before = len(acknowledged.objects)
        wait_for("objects after the kill", lambda: len(acknowledged.objects) > before + 20, 120)
        self.cluster.start(3)
        before = len(acknowledged.objects)
        wait_for("objects after the return", lambda: len(acknowledged.objects) > before + 20, 120)
        stop.set()
        for thread in threads:
            thread.join()
        harness.log(f"{len(acknowledged.objects)} acknowledged, {len(errors)} not: {errors[:3]}")
        for node in (1, 2, 3):
            acknowledged.verify(self.client(node), f"through node {node}")
        self.cluster.wait_healthy()

    def test_with_two_of_three_down_nothing_is_acknowledged_and_status_says_unavailable(self):
        import botocore.exceptions
        self.cluster.kill(2)
        self.cluster.kill(3)
        try:
            client = self.cluster.boto3(1)
            with self.assertRaises(botocore.exceptions.ClientError) as error:
                client.put_object(Bucket=BUCKET, Key="never", Body=b"x")
            self.assertIn(error.exception.response["ResponseMetadata"]["HTTPStatusCode"], (500, 503))
            code, status = self.cluster.status()
            self.assertEqual((code, status["state"], status["readable"]), (11, "unavailable", False))
        finally:
            self.cluster.start(2)
            self.cluster.start(3)
        self.cluster.wait_healthy()
        self.ledger.verify(self.client(2), "after the loss of two for a while")


if __name__ == "__main__":
    harness.main()
