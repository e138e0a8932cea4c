#!/usr/bin/env python3
"""The RS scheme of stored data changes in place, RS(2,1) to RS(3,2) and back, on five real nodes under load, with a node killed
in the middle. Every object is read and compared afterwards; nothing that a client sees of it has changed."""
import json
import threading
import unittest

import harness
from harness import KIB, MIB, Ledger, Pattern


class Load:
    """Overwrites and reads a few small objects of its own until it is stopped. Only errors of reads count: a write may be
    refused while a node dies, and is then not in the ledger."""

    def __init__(self, cluster, bucket, nodes):
        self.ledger, self.errors, self.reads, self.writes = Ledger(), [], 0, 0
        self.stopping = threading.Event()
        self.clients = [cluster.boto3(number, config={"retries": {"max_attempts": 6, "mode": "standard"}}) for number in nodes]
        self.bucket = bucket
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        turn = 0
        while not self.stopping.is_set():
            client = self.clients[turn % len(self.clients)]
            key = f"load/{turn % 7}"
            try:
                self.ledger.put(client, self.bucket, key, Pattern(1000 + turn, 150 * KIB + turn))
                self.writes += 1
            except Exception as error:
                harness.log(f"a write was refused: {error!r}")
                self.ledger.objects.pop((self.bucket, key), None)  # either of the two
            try:
                for (bucket, name), (sha256, size) in list(self.ledger.objects.items())[:3]:
                    found, length = harness.sha256_of_stream(client.get_object(Bucket=bucket, Key=name)["Body"])
                    assert (found, length) == (sha256, size), f"{name} has other bytes"
                    self.reads += 1
            except Exception as error:
                self.errors.append(repr(error))
            turn += 1

    def stop(self):
        self.stopping.set()
        self.thread.join()


class RsMigrate(harness.ClusterTest):
    cluster_options = {"nodes": 5, "rs": "2+1"}

    def cluster_run(self, *words, **options):
        return self.cluster.run(*words, "--dir", self.cluster.dir, **options)

    def jobs(self):
        return json.loads(self.cluster_run("job", "ls", "--output", "json").stdout)["jobs"]

    def put_multipart(self, bucket, key, ledger):
        """Three parts; what is known of each by partNumber."""
        patterns = [Pattern(501, 5 * MIB), Pattern(502, 6 * MIB + 1), Pattern(503, 77)]
        upload = self.s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
        parts = []
        for number, pattern in enumerate(patterns, 1):
            etag = self.s3.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=number, Body=pattern.bytes())["ETag"]
            parts.append({"PartNumber": number, "ETag": etag})
        self.s3.complete_multipart_upload(Bucket=bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": parts})
        whole = b"".join(pattern.bytes() for pattern in patterns)
        ledger.note(bucket, key, harness.hashlib.sha256(whole).hexdigest(), len(whole))
        return patterns

    def heads(self, ledger):
        found = {}
        for bucket, key in ledger.objects:
            head = self.s3.head_object(Bucket=bucket, Key=key)
            found[key] = {name: head[name] for name in ("ETag", "LastModified", "ContentLength", "Metadata")}
        return found

    def migrate(self, bucket, victim):
        """The job from its start to its end, with a node killed in the middle and started again."""
        self.cluster_run("rs", "migrate", bucket)
        again = self.cluster_run("rs", "migrate", bucket, check=False)
        self.assertNotEqual(again.returncode, 0, "the same job twice")

        def is_under_way():
            job = self.jobs()[-1]
            return job["state"] != "running" or job["items_done"] >= 5
        harness.wait_for("the job has begun", is_under_way, 120)
        self.cluster.kill(victim)
        job = self.jobs()[-1]
        harness.log(f"node {victim} killed with the job at {job['items_done']} objects")
        harness.wait_for("the job goes on without the node",
                         lambda: self.jobs()[-1]["items_done"] > job["items_done"] or self.jobs()[-1]["state"] != "running", 120)
        self.cluster.start(victim)
        self.cluster_run("job", "watch", job["id"], timeout=240)
        ended = self.jobs()[-1]
        self.assertEqual(ended["state"], "done", ended)
        return ended

    def test_the_scheme_changes_and_comes_back_under_load(self):
        bucket, ledger = self.bucket("migrated"), Ledger()
        for i in range(36):
            size = [1, 900, 70 * KIB, 300 * KIB + i, 1 * MIB + 13, 2 * MIB][i % 6]
            ledger.put(self.s3, bucket, f"object/{i:02}", Pattern(i, size), Metadata={"number": str(i)})
        ledger.put(self.s3, bucket, "large", Pattern(99, 36 * MIB + 5))
        parts = self.put_multipart(bucket, "parts", ledger)
        open_upload = self.s3.create_multipart_upload(Bucket=bucket, Key="later")["UploadId"]
        later = Pattern(600, 5 * MIB)
        etag = self.s3.upload_part(Bucket=bucket, Key="later", UploadId=open_upload, PartNumber=1, Body=later.bytes())["ETag"]
        before = self.heads(ledger)

        refused = self.cluster_run("bucket", "set", bucket, "--rs", "8+4", check=False)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("nodes", refused.stderr)
        self.cluster_run("job", "rate", 24 * MIB)
        load = Load(self.cluster, bucket, [1, 2])
        try:
            for rs, victim in (("3+2", 4), ("2+1", 5)):
                self.cluster_run("bucket", "set", bucket, "--rs", rs)
                shown = json.loads(self.cluster_run("bucket", "show", bucket, "--output", "json").stdout)
                self.assertEqual(shown["rs"], rs)
                job = self.migrate(bucket, victim)
                # What a worker did after its last report is not counted when it dies; that nothing is left, another job says.
                self.assertGreater(job["items_done"], 0)
                self.cluster_run("rs", "migrate", bucket, "--watch", timeout=240)
                self.assertEqual(self.jobs()[-1]["items_done"], 0, "objects of the old scheme were left")
                ledger.verify(self.s3, f"after the change to {rs}")
                self.assertEqual(self.heads(ledger), before)
                for number, pattern in enumerate(parts, 1):
                    answer = self.s3.get_object(Bucket=bucket, Key="parts", PartNumber=number)
                    self.assertEqual(harness.sha256_of_stream(answer["Body"])[0], pattern.sha256())
        finally:
            load.stop()
        self.assertEqual(load.errors, [])
        self.assertGreater(load.writes, 0)
        load.ledger.verify(self.cluster.boto3(3), "of the load")
        self.s3.complete_multipart_upload(Bucket=bucket, Key="later", UploadId=open_upload,
                                          MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etag}]})
        ledger.note(bucket, "later", later.sha256(), later.size)
        self.cluster.wait_healthy(240)
        for number in (1, 3, 5):
            ledger.verify(self.cluster.boto3(number), f"through node {number} at the end")
        self.assertEqual(self.cluster.status()[1]["repair_pending"], 0)


if __name__ == "__main__":
    harness.main()
