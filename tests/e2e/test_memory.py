#!/usr/bin/env python3
"""Memory does not follow the size of objects: four PUTs of 1 GiB at once, then four GETs, and no node passes 400 MiB."""
import http.client
import threading
import unittest
import urllib.parse

import harness
from harness import GIB, MIB, Pattern

BUCKET = "large"
BOUND = 400 * MIB
COUNT = 4


class Memory(harness.ClusterTest):
    def peak(self):
        peaks = {number: harness.resident_bytes(pid)[1] for number, pid in self.cluster.pids().items()}
        harness.log("highest resident memory:", {n: f"{p / MIB:.0f} MiB" for n, p in peaks.items()})
        return peaks

    def together(self, work):
        errors = []

        def run(index):
            try:
                work(index)
            except Exception as error:
                errors.append(repr(error))
        threads = [threading.Thread(target=run, args=(index,)) for index in range(COUNT)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(errors, [])

    def test_four_puts_then_four_gets_of_a_gibibyte(self):
        self.s3.create_bucket(Bucket=BUCKET)

        def put(index):
            pattern = Pattern(("memory", index), GIB)
            url = self.s3.generate_presigned_url("put_object", Params={"Bucket": BUCKET, "Key": f"k{index}"}, ExpiresIn=3600)
            parts = urllib.parse.urlsplit(self.at(url, index))
            connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=600)
            connection.request("PUT", f"{parts.path}?{parts.query}", body=pattern, headers={"Content-Length": str(GIB),
                                                                                             "Host": self.host_of(url)})
            answer = connection.getresponse()
            body = answer.read()
            self.assertEqual(answer.status, 200, body)

        def get(index):
            client = self.cluster.boto3(index % 3 + 1)
            answer = client.get_object(Bucket=BUCKET, Key=f"k{index}")
            self.assertEqual(harness.sha256_of_stream(answer["Body"]), (Pattern(("memory", index), GIB).sha256(), GIB))
        self.together(put)
        after_put = self.peak()
        self.together(get)
        for number, peak in self.peak().items():
            self.assertLess(peak, BOUND, f"node {number}; after the PUTs {after_put}")

    def host_of(self, url):
        return urllib.parse.urlsplit(url).netloc

    def at(self, url, index):
        """The same signed request to another node: the signature covers the Host header, which stays."""
        return url.replace(self.host_of(url), f"127.0.0.1:{self.cluster.s3_port + index % 3}")

    def test_a_client_that_does_not_read_holds_no_memory(self):
        self.s3.create_bucket(Bucket="slow")
        self.s3.put_object(Bucket="slow", Key="k", Body=Pattern("slow", 100 * MIB).bytes())
        answers = [self.cluster.boto3(1).get_object(Bucket="slow", Key="k") for _ in range(20)]
        for answer in answers:
            answer["Body"].read(1)
        for number, peak in self.peak().items():
            self.assertLess(peak, BOUND, number)
        for answer in answers:
            answer["Body"].close()


if __name__ == "__main__":
    harness.main()
