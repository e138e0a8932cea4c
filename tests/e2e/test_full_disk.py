#!/usr/bin/env python3
"""Drives that are full refuse with a clear error, before they are full; what is stored reads on, and deleting works."""
import unittest

import botocore.exceptions

import harness
from harness import MIB, Ledger, Pattern

BUCKET = "full"


class FullDisk(harness.ClusterTest):
    cluster_options = {"drive_capacity": "256MiB"}

    def test_writes_are_refused_reads_go_on_and_deletes_work(self):
        self.s3.create_bucket(Bucket=BUCKET)
        ledger, refusals = Ledger(), []
        for index in range(120):
            try:
                ledger.put(self.s3, BUCKET, f"k{index}", Pattern(index, 8 * MIB))
            except botocore.exceptions.ClientError as error:
                refusals.append(error.response)
                if len(refusals) == 3:
                    break
        self.assertTrue(refusals, "256 MiB drives took 960 MiB")
        self.assertGreater(len(ledger.objects), 10)
        for response in refusals:
            self.assertEqual(response["ResponseMetadata"]["HTTPStatusCode"], 507, response)
            self.assertEqual(response["Error"]["Code"], "InsufficientStorage", response)
        for node in (1, 2, 3):
            ledger.verify(self.cluster.boto3(node), "on full drives")
        keys = [key for _, key in ledger.objects]
        for key in keys[:5]:
            ledger.delete(self.s3, BUCKET, key)
        ledger.verify(self.s3, "after deleting some")
        # Full and started again: nothing is lost by that either.
        self.cluster.stop()
        self.cluster.start_all()
        ledger.verify(self.cluster.boto3(2), "on full drives, started again")


if __name__ == "__main__":
    harness.main()
