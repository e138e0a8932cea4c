#!/usr/bin/env python3
"""Compression by bucket and by cluster: chosen at write time, mixed among the objects of a bucket, repaired as it is, and not to
be seen in sizes, ETags or ranges."""
import hashlib
import json
import os

import harness

CODECS = ("none", "lz4", "snappy", "zstd", "default")


class Compression(harness.ClusterTest):
    def bucket(self, *words, check=True):
        return self.cluster.run("bucket", *words, "--dir", self.cluster.dir, check=check)

    def shown(self, bucket):
        return json.loads(self.bucket("show", bucket, "--output", "json").stdout)

    def used(self):
        return sum(path.stat().st_size for path in self.cluster.dir.glob("n*/data/drives/*/shards/*"))

    def text(self, seed, size=3 * harness.MIB):
        line = f"{seed} the same words again and again in a log of a server that has nothing to say\n".encode()
        return (line * (size // len(line) + 1))[:size]

    def put(self, s3, bucket, key, body):
        answer = s3.put_object(Bucket=bucket, Key=key, Body=body)
        self.assertEqual(answer["ETag"], f'"{hashlib.md5(body).hexdigest()}"')
        return body

    def check(self, s3, bucket, bodies):
        for key, body in bodies.items():
            found = s3.get_object(Bucket=bucket, Key=key)
            self.assertEqual(found["ContentLength"], len(body))
            self.assertEqual(found["Body"].read(), body, key)
            at = len(body) // 3
            part = s3.get_object(Bucket=bucket, Key=key, Range=f"bytes={at}-{at + 99_999}")
            self.assertEqual(part["Body"].read(), body[at:at + 100_000], key)

    def test_a_bucket_of_all_codecs_is_read_repaired_and_read_again(self):
        s3 = self.cluster.boto3(1)
        s3.create_bucket(Bucket="mixed")
        self.assertEqual(self.shown("mixed")["compression"], "default")
        bodies, grown = {}, {}
        for codec in CODECS:
            changed = json.loads(self.bucket("set", "mixed", "--compression", codec, "--output", "json").stdout)
            self.assertEqual(changed["compression"], codec)
            before = self.used()
            bodies[f"text-{codec}"] = self.put(s3, "mixed", f"text-{codec}", self.text(codec))
            grown[codec] = self.used() - before
            bodies[f"noise-{codec}"] = self.put(s3, "mixed", f"noise-{codec}", os.urandom(harness.MIB))
        harness.log(f"bytes in shard files for 3 MiB of text, RS(2,1): {grown}")
        for codec in ("lz4", "snappy", "zstd"):
            self.assertLess(grown[codec], grown["none"] / 4, grown)
        self.check(s3, "mixed", bodies)
        self.cluster.kill(2)
        self.check(s3, "mixed", bodies)
        self.cluster.run("bucket", "set", "mixed", "--compression", "zstd", "--dir", self.cluster.dir)
        bodies["degraded"] = self.put(s3, "mixed", "degraded", self.text("degraded"))
        self.cluster.start(2)
        self.cluster.wait_healthy()
        self.cluster.kill(3)
        self.check(self.cluster.boto3(2), "mixed", bodies)
        self.cluster.start(3)
        self.cluster.wait_healthy()

    def test_the_default_of_the_cluster_is_for_buckets_that_do_not_say(self):
        s3 = self.cluster.boto3(1)
        s3.create_bucket(Bucket="silent")
        s3.create_bucket(Bucket="plain")
        self.bucket("set", "plain", "--compression", "none")
        done = self.cluster.run("cluster", "set", "--compression", "zstd", "--output", "json", "--dir", self.cluster.dir)
        self.assertEqual(json.loads(done.stdout)["compression"], "zstd")
        grown = {}
        for bucket in ("silent", "plain"):
            before = self.used()
            self.put(s3, bucket, "k", self.text(bucket))
            grown[bucket] = self.used() - before
        self.assertLess(grown["silent"], grown["plain"] / 4, grown)
        self.cluster.run("cluster", "set", "--compression", "none", "--dir", self.cluster.dir)

    def test_errors(self):
        self.assertEqual(self.bucket("set", "no-such", "--compression", "lz4", check=False).returncode, 4)
        self.assertEqual(self.bucket("show", "no-such", check=False).returncode, 4)
        self.assertEqual(self.bucket("set", "no-such", "--compression", "gzip", check=False).returncode, 2)
        self.assertEqual(self.bucket("set", "no-such", check=False).returncode, 2)
        self.assertEqual(self.bucket("show", "../x", check=False).returncode, 2)
        self.assertIn("BUCKET", self.bucket("show").stdout)


if __name__ == "__main__":
    harness.main()
