#!/usr/bin/env python3
"""Operations of S3 that the other files leave out, and races over them, through boto3 on all three gateways: copies, tags, attributes,
names, the first version of the listing; which of many writers wins."""
import concurrent.futures
import hashlib

import botocore.exceptions

import harness
from harness import MIB, Pattern


def code_of(error):
    return error.exception.response["Error"]["Code"]


def outcome(call):
    """"ok" or the code of the error"""
    try:
        call()
        return "ok"
    except botocore.exceptions.ClientError as error:
        return error.response["Error"]["Code"]


class Operations(harness.ClusterTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.clients = [cls.cluster.boto3(node) for node in (1, 2, 3)]
        cls.known = set(cls.s3.meta.service_model.operation_names)

    def knows(self, operation, *members):
        shape = self.s3.meta.service_model.operation_model(operation).input_shape if operation in self.known else None
        if shape is None or any(member not in shape.members for member in members):
            self.skipTest(f"this boto3 is too old to know {operation} {' '.join(members)}")

    def read(self, bucket, key, client=None):
        return (client or self.clients[2]).get_object(Bucket=bucket, Key=key)["Body"].read()

    # -- copies --

    def test_copies_between_buckets_and_onto_itself(self):
        source, target = self.bucket("copy-source"), self.bucket("copy-target")
        pattern = Pattern("copy", 33 * MIB + 7)
        self.s3.put_object(Bucket=source, Key="a b+ü/k", Body=pattern.bytes(), ContentType="text/x", Metadata={"m": "1"}, Tagging="t=1")
        where = {"Bucket": source, "Key": "a b+ü/k"}
        self.clients[1].copy_object(Bucket=target, Key="same", CopySource=where)
        self.assertEqual(hashlib.sha256(self.read(target, "same")).hexdigest(), pattern.sha256())
        head = self.s3.head_object(Bucket=target, Key="same")
        self.assertEqual((head["ContentType"], head["Metadata"]), ("text/x", {"m": "1"}))
        self.clients[1].copy_object(Bucket=target, Key="other", CopySource=where, MetadataDirective="REPLACE", ContentType="text/y",
                                    Metadata={"n": "2"}, TaggingDirective="REPLACE", Tagging="u=2")
        head = self.s3.head_object(Bucket=target, Key="other")
        self.assertEqual((head["ContentType"], head["Metadata"]), ("text/y", {"n": "2"}))
        self.assertEqual(self.s3.get_object_tagging(Bucket=target, Key="other")["TagSet"], [{"Key": "u", "Value": "2"}])
        with self.assertRaises(botocore.exceptions.ClientError) as error:  # onto itself, without a change
            self.s3.copy_object(Bucket=source, Key=where["Key"], CopySource=where)
        self.assertEqual(code_of(error), "InvalidRequest")
        self.s3.copy_object(Bucket=source, Key=where["Key"], CopySource=where, MetadataDirective="REPLACE", Metadata={"new": "yes"})
        self.assertEqual(self.s3.head_object(Bucket=source, Key=where["Key"])["Metadata"], {"new": "yes"})
        self.assertEqual(len(self.read(source, where["Key"])), pattern.size)
        for condition, code in (({"CopySourceIfMatch": "x"}, "PreconditionFailed"), ({"CopySourceIfNoneMatch": head["ETag"]}, "PreconditionFailed"),
                                ({"CopySource": {"Bucket": source, "Key": "missing"}}, "NoSuchKey")):
            words = {"Bucket": target, "Key": "never", "CopySource": where, **condition}
            self.assertEqual(outcome(lambda: self.s3.copy_object(**words)), code)
        self.assertEqual(outcome(lambda: self.s3.head_object(Bucket=target, Key="never")), "404")

    def test_an_upload_made_of_ranges_of_another_object(self):
        bucket = self.bucket()
        pattern = Pattern("ranges", 12 * MIB)
        self.s3.put_object(Bucket=bucket, Key="source", Body=pattern.bytes())
        upload = self.s3.create_multipart_upload(Bucket=bucket, Key="made")["UploadId"]
        parts, expected = [], b""
        for number, (first, last) in enumerate(((0, 5 * MIB - 1), (6 * MIB, 11 * MIB + 2), (1, 1)), 1):
            copied = self.clients[number - 1].upload_part_copy(
                Bucket=bucket, Key="made", UploadId=upload, PartNumber=number, CopySource={"Bucket": bucket, "Key": "source"},
                CopySourceRange=f"bytes={first}-{last}")["CopyPartResult"]
            parts.append({"PartNumber": number, "ETag": copied["ETag"]})
            expected += pattern.bytes()[first:last + 1]
        self.s3.complete_multipart_upload(Bucket=bucket, Key="made", UploadId=upload, MultipartUpload={"Parts": parts})
        self.assertEqual(self.read(bucket, "made"), expected)

    # -- what belongs to an object --

    def test_tags_are_put_read_and_deleted(self):
        bucket = self.bucket()
        put = self.s3.put_object(Bucket=bucket, Key="k", Body=b"x")
        tags = [{"Key": "a", "Value": "1"}, {"Key": "ü +", "Value": ""}]
        self.clients[0].put_object_tagging(Bucket=bucket, Key="k", Tagging={"TagSet": tags})
        self.assertEqual(self.clients[1].get_object_tagging(Bucket=bucket, Key="k")["TagSet"], tags)
        self.assertEqual(self.s3.head_object(Bucket=bucket, Key="k")["ETag"], put["ETag"])
        self.clients[2].delete_object_tagging(Bucket=bucket, Key="k")
        self.assertEqual(self.clients[0].get_object_tagging(Bucket=bucket, Key="k")["TagSet"], [])
        too_many = [{"Key": str(i), "Value": ""} for i in range(11)]
        self.assertEqual(outcome(lambda: self.s3.put_object_tagging(Bucket=bucket, Key="k", Tagging={"TagSet": too_many})), "BadRequest")
        self.assertEqual(outcome(lambda: self.s3.get_object_tagging(Bucket=bucket, Key="none")), "NoSuchKey")

    def test_attributes_of_plain_and_multipart_objects(self):
        bucket = self.bucket()
        wanted = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"]
        put = self.s3.put_object(Bucket=bucket, Key="plain", Body=b"hello", ChecksumAlgorithm="SHA256")
        found = self.clients[1].get_object_attributes(Bucket=bucket, Key="plain", ObjectAttributes=wanted)
        self.assertEqual((found["ETag"], found["ObjectSize"], found["StorageClass"]), (put["ETag"].strip('"'), 5, "STANDARD"))
        self.assertEqual(found["Checksum"]["ChecksumSHA256"], put["ChecksumSHA256"])
        upload = self.s3.create_multipart_upload(Bucket=bucket, Key="parts", ChecksumAlgorithm="SHA256")["UploadId"]
        parts = []
        for number, size in ((1, 5 * MIB), (2, 3)):
            part = self.s3.upload_part(Bucket=bucket, Key="parts", UploadId=upload, PartNumber=number, Body=b"p" * size, ChecksumAlgorithm="SHA256")
            parts.append({"PartNumber": number, "ETag": part["ETag"], "ChecksumSHA256": part["ChecksumSHA256"]})
        self.s3.complete_multipart_upload(Bucket=bucket, Key="parts", UploadId=upload, MultipartUpload={"Parts": parts})
        found = self.s3.get_object_attributes(Bucket=bucket, Key="parts", ObjectAttributes=wanted)
        self.assertEqual(found["ObjectParts"]["TotalPartsCount"], 2)
        self.assertEqual([part["Size"] for part in found["ObjectParts"]["Parts"]], [5 * MIB, 3])

    def test_an_object_gets_another_name_and_no_data_moves(self):
        self.knows("RenameObject")
        bucket = self.bucket()
        pattern = Pattern("rename", 40 * MIB)
        self.s3.put_object(Bucket=bucket, Key="old name+ü", Body=pattern.bytes(), Metadata={"m": "1"})
        self.s3.put_object(Bucket=bucket, Key="taken", Body=b"taken")
        before = self.s3.head_object(Bucket=bucket, Key="old name+ü")
        source = "old%20name%2B%C3%BC"
        self.assertEqual(outcome(lambda: self.s3.rename_object(Bucket=bucket, Key="taken", RenameSource=source, DestinationIfNoneMatch="*")),
                         "PreconditionFailed")
        self.assertEqual(outcome(lambda: self.s3.rename_object(Bucket=bucket, Key="new", RenameSource=source, SourceIfMatch='"x"')),
                         "PreconditionFailed")
        self.clients[1].rename_object(Bucket=bucket, Key="taken", RenameSource=source, SourceIfMatch=before["ETag"], ClientToken="once")
        self.clients[1].rename_object(Bucket=bucket, Key="taken", RenameSource=source, ClientToken="once")  # a repeat
        after = self.s3.head_object(Bucket=bucket, Key="taken")
        for key in ("ETag", "LastModified", "ContentLength", "Metadata"):
            self.assertEqual(after[key], before[key])
        self.assertEqual([entry["Key"] for entry in self.s3.list_objects_v2(Bucket=bucket)["Contents"]], ["taken"])
        for client in self.clients:
            digest, _ = harness.sha256_of_stream(client.get_object(Bucket=bucket, Key="taken")["Body"])
            self.assertEqual(digest, pattern.sha256())
        # Its chunks are placed by a hash of the old name: they are found, and repaired, all the same.
        self.cluster.kill(2)
        try:
            self.assertEqual(hashlib.sha256(self.read(bucket, "taken")).hexdigest(), pattern.sha256())
        finally:
            self.cluster.start(2)

    # -- listings and buckets --

    def test_the_first_version_of_the_listing(self):
        bucket = self.bucket()
        for key in ("a", "a/1", "a/2", "b", "c/1"):
            self.s3.put_object(Bucket=bucket, Key=key, Body=b"x")
        page = self.s3.list_objects(Bucket=bucket, Delimiter="/", MaxKeys=2)
        self.assertEqual(([entry["Key"] for entry in page["Contents"]], [entry["Prefix"] for entry in page["CommonPrefixes"]]), (["a"], ["a/"]))
        self.assertTrue(page["IsTruncated"])
        page = self.clients[1].list_objects(Bucket=bucket, Delimiter="/", Marker=page["NextMarker"])
        self.assertEqual(([entry["Key"] for entry in page["Contents"]], [entry["Prefix"] for entry in page["CommonPrefixes"]]), (["b"], ["c/"]))
        names = [entry["Key"] for page in self.s3.get_paginator("list_objects").paginate(Bucket=bucket, PaginationConfig={"PageSize": 2})
                 for entry in page["Contents"]]
        self.assertEqual(names, ["a", "a/1", "a/2", "b", "c/1"])

    def test_a_thousand_keys_are_deleted_in_one_step(self):
        bucket = self.bucket()
        keys = [f"k{i:04}" for i in range(1000)]
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda key: self.clients[hash(key) % 3].put_object(Bucket=bucket, Key=key, Body=b"x"), keys))
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            deleting = pool.submit(lambda: self.s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in keys]}))
            seen = set()
            while not deleting.done():
                page = self.clients[1].list_objects_v2(Bucket=bucket)
                seen.add(page["KeyCount"])
            self.assertEqual(len(deleting.result()["Deleted"]), 1000)
        self.assertLessEqual(seen, {0, 1000})  # all of it or nothing
        self.assertEqual(self.clients[2].list_objects_v2(Bucket=bucket)["KeyCount"], 0)
        too_many = [{"Key": "k"}] * 1001
        self.assertEqual(outcome(lambda: self.s3.delete_objects(Bucket=bucket, Delete={"Objects": too_many})), "MalformedXML")

    def test_a_bucket_goes_with_its_open_uploads(self):
        bucket = self.bucket()
        upload = self.s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
        self.s3.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=1, Body=b"x" * MIB)
        self.s3.delete_bucket(Bucket=bucket)
        self.s3.create_bucket(Bucket=bucket)
        self.assertNotIn("Uploads", self.s3.list_multipart_uploads(Bucket=bucket))
        self.assertEqual(outcome(lambda: self.s3.list_parts(Bucket=bucket, Key="k", UploadId=upload)), "NoSuchUpload")

    # -- races --

    def test_of_sixteen_racing_creators_one_wins(self):
        self.knows("PutObject", "IfNoneMatch")
        bucket = self.bucket()
        clients = [self.cluster.boto3(1 + i % 3) for i in range(16)]
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            for round_ in range(10):
                key = f"k{round_}"
                outcomes = list(pool.map(lambda i: outcome(lambda: clients[i].put_object(
                    Bucket=bucket, Key=key, Body=f"of {i}".encode(), IfNoneMatch="*")), range(16)))
                self.assertEqual(outcomes.count("ok"), 1, outcomes)
                self.assertLessEqual(set(outcomes), {"ok", "PreconditionFailed", "ConditionalRequestConflict"})
                self.assertEqual(self.read(bucket, key), f"of {outcomes.index('ok')}".encode())

    def test_a_counter_counts_every_success(self):
        self.knows("PutObject", "IfMatch")
        bucket = self.bucket()
        self.s3.put_object(Bucket=bucket, Key="n", Body=b"0")

        def add(worker):
            client, done = self.cluster.boto3(1 + worker % 3), 0
            for _ in range(10):
                now = client.get_object(Bucket=bucket, Key="n")
                value = int(now["Body"].read())
                result = outcome(lambda: client.put_object(Bucket=bucket, Key="n", Body=str(value + 1).encode(), IfMatch=now["ETag"]))
                self.assertIn(result, ("ok", "PreconditionFailed", "ConditionalRequestConflict"))
                done += result == "ok"
            return done
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            successes = sum(pool.map(add, range(8)))
        self.assertEqual(int(self.read(bucket, "n")), successes)
        self.assertGreater(successes, 0)

    def test_if_match_of_what_is_not_there(self):
        self.knows("PutObject", "IfMatch")
        bucket = self.bucket()
        self.assertEqual(outcome(lambda: self.s3.put_object(Bucket=bucket, Key="none", Body=b"x", IfMatch='"x"')), "NoSuchKey")
        self.assertEqual(outcome(lambda: self.s3.head_object(Bucket=bucket, Key="none")), "404")

    def test_the_server_adds_a_checksum_where_the_client_sent_none(self):
        bucket = self.bucket()
        try:
            plain = self.cluster.boto3(1, config={"request_checksum_calculation": "when_required"})
        except TypeError:
            plain = self.s3  # too old to send one
        plain.put_object(Bucket=bucket, Key="k", Body=b"123456789")
        head = self.s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
        self.assertEqual(head["ResponseMetadata"]["HTTPHeaders"]["x-amz-checksum-crc64nvme"], "rosUhgp5mIg=")  # the check value
        self.assertEqual(head["ResponseMetadata"]["HTTPHeaders"]["x-amz-checksum-type"], "FULL_OBJECT")


if __name__ == "__main__":
    harness.main()
