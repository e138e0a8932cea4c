#!/usr/bin/env python3
import base64
import datetime
import hashlib

from support import MIB, OperationTest, Pattern, main


class CopyObject(OperationTest):
    def setUp(self):
        super().setUp()
        self.source = {"Bucket": self.name, "Key": "a b+\u00fc/source"}
        self.pattern = Pattern(self.name, 2 * MIB + 7)
        self.etag = self.put(self.source["Key"], self.pattern.bytes(), ContentType="text/x", Metadata={"m": "1"}, Tagging="t=1",
                             StorageClass="REDUCED_REDUNDANCY")["ETag"]

    def copy(self, key="copy", client=1, **words):
        return self.clients[client].copy_object(Bucket=self.name, Key=key, CopySource=words.pop("CopySource", self.source), **words)

    def test_the_copy_has_what_the_source_has(self):
        answer = self.copy()["CopyObjectResult"]
        self.assertEqual(answer["ETag"], self.etag)
        self.assertIsNotNone(answer["LastModified"])
        head = self.s3.head_object(Bucket=self.name, Key="copy")
        self.assertEqual((head["ContentType"], head["Metadata"]), ("text/x", {"m": "1"}))
        self.assertNotIn("StorageClass", head)  # that is of each write
        self.assertEqual(self.s3.get_object_tagging(Bucket=self.name, Key="copy")["TagSet"], [{"Key": "t", "Value": "1"}])
        self.assertEqual(hashlib.sha256(self.body("copy")).hexdigest(), self.pattern.sha256())

    def test_directives(self):
        self.copy(MetadataDirective="REPLACE", ContentType="text/y", Metadata={"n": "2"}, TaggingDirective="REPLACE", Tagging="u=2")
        head = self.s3.head_object(Bucket=self.name, Key="copy")
        self.assertEqual((head["ContentType"], head["Metadata"]), ("text/y", {"n": "2"}))
        self.assertEqual(self.s3.get_object_tagging(Bucket=self.name, Key="copy")["TagSet"], [{"Key": "u", "Value": "2"}])
        self.copy(MetadataDirective="COPY", ContentType="text/z", Metadata={"o": "3"}, TaggingDirective="COPY", Tagging="v=3")
        head = self.s3.head_object(Bucket=self.name, Key="copy")
        self.assertEqual((head["ContentType"], head["Metadata"]), ("text/x", {"m": "1"}))
        self.assertEqual(self.s3.get_object_tagging(Bucket=self.name, Key="copy")["TagSet"], [{"Key": "t", "Value": "1"}])
        self.copy(MetadataDirective="REPLACE")
        self.assertEqual(self.s3.get_object_tagging(Bucket=self.name, Key="copy")["TagSet"], [{"Key": "t", "Value": "1"}])
        for words in ({"MetadataDirective": "MERGE"}, {"TaggingDirective": "MERGE"}):
            self.refused("InvalidArgument", self.copy, **words)

    def test_onto_itself(self):
        key = self.source["Key"]
        self.refused("InvalidRequest", self.copy, key)
        self.copy(key, MetadataDirective="REPLACE", Metadata={"new": "yes"})
        self.assertEqual(self.s3.head_object(Bucket=self.name, Key=key)["Metadata"], {"new": "yes"})
        self.copy(key, StorageClass="STANDARD_IA")
        head = self.s3.head_object(Bucket=self.name, Key=key)
        self.assertEqual((head["StorageClass"], head["Metadata"], head["ETag"]), ("STANDARD_IA", {"new": "yes"}, self.etag))
        self.assertEqual(hashlib.sha256(self.body(key)).hexdigest(), self.pattern.sha256())

    def test_conditions_of_the_source(self):
        past = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)
        for words in ({"CopySourceIfMatch": '"x"'}, {"CopySourceIfNoneMatch": self.etag}, {"CopySourceIfUnmodifiedSince": past},
                      {"CopySourceIfModifiedSince": datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)}):
            self.assertEqual(self.status(self.refused("PreconditionFailed", self.copy, **words)), 412, words)
        self.absent("copy")
        self.copy(CopySourceIfMatch=self.etag, CopySourceIfModifiedSince=past)

    def test_between_buckets_and_from_what_is_not_there(self):
        other = self.name[:50] + "-other"
        self.s3.create_bucket(Bucket=other)
        self.clients[2].copy_object(Bucket=other, Key="k", CopySource=self.source)
        self.assertEqual(self.s3.head_object(Bucket=other, Key="k")["ETag"], self.etag)
        error = self.refused("NoSuchKey", self.copy, CopySource={"Bucket": self.name, "Key": "none"})
        self.assertEqual(error["Error"]["Key"], "none")
        self.refused("NoSuchBucket", self.copy, CopySource={"Bucket": self.name + "x", "Key": "k"})
        self.refused("InvalidArgument", self.copy, CopySource="no-key")
        self.refused("AccessDenied", self.copy, ExpectedSourceBucketOwner="111122223333")

    def test_checksums(self):
        copied = self.copy(ChecksumAlgorithm="SHA256")["CopyObjectResult"]
        self.assertEqual(base64.b64decode(copied["ChecksumSHA256"]).hex(), self.pattern.sha256())


if __name__ == "__main__":
    main()
