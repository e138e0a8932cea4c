#!/usr/bin/env python3
import base64
import hashlib

from support import KIB, MIB, OperationTest, Pattern, main, md5


class PutObject(OperationTest):
    def test_the_answer_and_what_is_stored(self):
        body = b"hello"
        answer = self.put(body=body, ContentType="text/x", CacheControl="no-cache", ContentDisposition="inline", ContentEncoding="gzip",
                          ContentLanguage="de", Expires="Thu, 01 Jan 2032 00:00:00 GMT", Metadata={"Name": "value"}, Tagging="a=1&b=2",
                          WebsiteRedirectLocation="/other")
        self.assertEqual(answer["ETag"], f'"{md5(body)}"')
        for client in self.clients:
            head = client.head_object(Bucket=self.name, Key="k")
            self.assertEqual((head["ContentLength"], head["ContentType"], head["CacheControl"], head["ContentDisposition"]),
                             (5, "text/x", "no-cache", "inline"))
            self.assertEqual((head["ContentEncoding"], head["ContentLanguage"], head["Metadata"]), ("gzip", "de", {"name": "value"}))
            self.assertEqual((self.header(head, "expires"), head["WebsiteRedirectLocation"]), ("Thu, 01 Jan 2032 00:00:00 GMT", "/other"))
            self.assertEqual(self.body(client=client), body)

    def test_sizes_at_which_something_changes(self):
        for size in (0, 1, 64 * KIB - 1, 64 * KIB, 128 * KIB + 1, MIB + 3):
            pattern = Pattern(size, size)
            self.put(f"s{size}", pattern.bytes())
            self.assertEqual(hashlib.sha256(self.body(f"s{size}")).hexdigest(), pattern.sha256())

    def test_storage_classes(self):
        for storage_class in ("REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR"):
            self.put(storage_class, StorageClass=storage_class)
            self.assertEqual(self.s3.head_object(Bucket=self.name, Key=storage_class)["StorageClass"], storage_class)
        self.put("usual", StorageClass="STANDARD")
        self.assertNotIn("StorageClass", self.s3.head_object(Bucket=self.name, Key="usual"))
        for storage_class in ("GLACIER", "DEEP_ARCHIVE", "FAST"):
            self.refused("InvalidStorageClass", self.put, StorageClass=storage_class)

    def test_checksums_are_verified_and_told(self):
        for algorithm in ("CRC32", "SHA1", "SHA256"):
            answer = self.put(algorithm, ChecksumAlgorithm=algorithm)
            head = self.s3.head_object(Bucket=self.name, Key=algorithm, ChecksumMode="ENABLED")
            self.assertEqual(head[f"Checksum{algorithm}"], answer[f"Checksum{algorithm}"])
        self.refused("BadDigest", self.put, "bad", ChecksumSHA256=base64.b64encode(b"0" * 32).decode())
        self.refused("InvalidRequest", self.put, "bad", ChecksumSHA256="short")
        self.refused("BadDigest", self.put, "bad", ContentMD5=base64.b64encode(b"0" * 16).decode())
        self.refused("InvalidDigest", self.put, "bad", ContentMD5="no md5")
        self.absent("bad")

    def test_conditions(self):
        self.knows("PutObject", "IfNoneMatch", "IfMatch")
        etag = self.put(IfNoneMatch="*")["ETag"]
        error = self.refused("PreconditionFailed", self.put, IfNoneMatch="*")
        self.assertEqual((self.status(error), error["Error"]["Condition"]), (412, "If-None-Match"))
        self.refused("PreconditionFailed", self.put, IfMatch='"other"')
        self.put(body=b"second", IfMatch=etag)
        self.assertEqual(self.body(), b"second")
        self.refused("NoSuchKey", self.put, "none", IfMatch=etag)
        self.absent("none")

    def test_limits(self):
        self.put("k" * 1024)
        self.refused("KeyTooLongError", self.put, "k" * 1025)
        self.put(Metadata={"a": "v" * 2047})
        self.refused("MetadataTooLarge", self.put, Metadata={"a": "v" * 2048})
        self.refused("InvalidTag", self.put, Tagging="a=1&a=2")
        self.refused("BadRequest", self.put, Tagging="&".join(f"t{i}=" for i in range(11)))

    def test_what_is_not_built_or_not_there_is_refused(self):
        for words, code in (({"ServerSideEncryption": "AES256"}, "NotImplemented"), ({"ObjectLockMode": "GOVERNANCE"}, "NotImplemented"),
                            ({"ACL": "public-read"}, "AccessControlListNotSupported")):
            self.refused(code, self.put, **words)
        self.absent()
        self.refused("NoSuchBucket", self.s3.put_object, Bucket=self.name + "x", Key="k", Body=b"x")

    def test_the_last_one_wins_everywhere(self):
        for number in range(6):
            self.clients[number % 3].put_object(Bucket=self.name, Key="k", Body=str(number).encode())
            self.assertEqual(self.body(client=self.clients[(number + 1) % 3]), str(number).encode())


if __name__ == "__main__":
    main()
