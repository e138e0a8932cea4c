#!/usr/bin/env python3
"""The S3 interface as boto3 sees it: objects of the sizes at which something changes, ranges, listings, multipart, metadata."""
import hashlib
import io
import unittest

import botocore.exceptions
import botocore.httpsession
import urllib.error
import urllib.request

import harness
from harness import GIB, KIB, MIB, Ledger, Pattern

SIZES = [0, 1, 8 * KIB, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, 128 * KIB - 1, 128 * KIB + 1, 1 * MIB + 3, 5 * MIB,
         32 * MIB - 1, 32 * MIB, 32 * MIB + 1, 64 * MIB + 17]


def code_of(error):
    return error.exception.response["Error"]["Code"]


def status_of(error):
    return error.exception.response["ResponseMetadata"]["HTTPStatusCode"]


class Objects(harness.ClusterTest):
    def test_every_size_reads_back_through_every_node(self):
        bucket, ledger = self.bucket(), Ledger()
        for size in SIZES:
            pattern = Pattern(size, size)
            etag = self.s3.put_object(Bucket=bucket, Key=f"size-{size}", Body=pattern.bytes())["ETag"]
            self.assertEqual(etag, '"%s"' % hashlib.md5(pattern.bytes()).hexdigest(), size)
            ledger.note(bucket, f"size-{size}", pattern.sha256(), size)
        for node in (1, 2, 3):
            self.assertEqual(ledger.verify(self.cluster.boto3(node), f"through node {node}"), len(SIZES))

    def test_head_tells_size_etag_and_metadata(self):
        bucket = self.bucket()
        self.s3.put_object(Bucket=bucket, Key="k", Body=b"12345", ContentType="text/plain", CacheControl="no-cache",
                           ContentDisposition='attachment; filename="a b"', ContentLanguage="de", ContentEncoding="identity",
                           Metadata={"colour": "blue", "Mixed-Case": "kept"})
        head = self.s3.head_object(Bucket=bucket, Key="k")
        self.assertEqual(head["ContentLength"], 5)
        self.assertEqual(head["ContentType"], "text/plain")
        self.assertEqual(head["CacheControl"], "no-cache")
        self.assertEqual(head["ContentDisposition"], 'attachment; filename="a b"')
        self.assertEqual(head["ContentLanguage"], "de")
        self.assertEqual(head["Metadata"], {"colour": "blue", "mixed-case": "kept"})
        self.assertEqual(head["ETag"], '"%s"' % hashlib.md5(b"12345").hexdigest())

    def test_content_type_defaults_to_that_of_aws(self):
        bucket = self.bucket()
        self.s3.put_object(Bucket=bucket, Key="k", Body=b"x")
        self.assertEqual(self.s3.head_object(Bucket=bucket, Key="k")["ContentType"], "binary/octet-stream")

    def test_ranges_give_exactly_what_was_asked_for(self):
        bucket = self.bucket()
        size = 33 * MIB + 5
        body = Pattern("ranges", size).bytes()
        self.s3.put_object(Bucket=bucket, Key="k", Body=body)
        for first, last in [(0, 0), (0, 99), (64 * KIB - 1, 64 * KIB), (128 * KIB, 256 * KIB - 1), (32 * MIB - 1, 32 * MIB),
                            (32 * MIB - 70000, 32 * MIB + 70000), (size - 1, size - 1), (size - 10, size + 1000),
                            (1 * MIB + 1, 20 * MIB)]:
            answer = self.s3.get_object(Bucket=bucket, Key="k", Range=f"bytes={first}-{last}")
            end = min(last, size - 1)
            self.assertEqual(answer["ResponseMetadata"]["HTTPStatusCode"], 206)
            self.assertEqual(answer["ContentRange"], f"bytes {first}-{end}/{size}")
            self.assertTrue(answer["Body"].read() == body[first:end + 1], f"{first}-{last}")
        self.assertTrue(self.s3.get_object(Bucket=bucket, Key="k", Range="bytes=-7")["Body"].read() == body[-7:])
        self.assertTrue(self.s3.get_object(Bucket=bucket, Key="k", Range=f"bytes={size - 3}-")["Body"].read() == body[-3:])
        with self.assertRaises(botocore.exceptions.ClientError) as error:
            self.s3.get_object(Bucket=bucket, Key="k", Range=f"bytes={size}-")
        self.assertEqual((code_of(error), status_of(error)), ("InvalidRange", 416))

    def test_overwrite_gives_the_new_bytes_everywhere_at_once(self):
        bucket = self.bucket()
        others = [self.cluster.boto3(node) for node in (2, 3)]
        for turn in range(10):
            body = f"turn {turn}".encode() * 1000
            self.s3.put_object(Bucket=bucket, Key="k", Body=body)
            for other in others:
                self.assertEqual(other.get_object(Bucket=bucket, Key="k")["Body"].read(), body)

    def test_deleted_is_gone_everywhere_at_once(self):
        bucket = self.bucket()
        self.s3.put_object(Bucket=bucket, Key="k", Body=b"x")
        self.s3.delete_object(Bucket=bucket, Key="k")
        self.s3.delete_object(Bucket=bucket, Key="k")  # again is no error
        for node in (1, 2, 3):
            with self.assertRaises(botocore.exceptions.ClientError) as error:
                self.cluster.boto3(node).get_object(Bucket=bucket, Key="k")
            self.assertEqual((code_of(error), status_of(error)), ("NoSuchKey", 404))

    def test_keys_of_every_kind(self):
        bucket, ledger = self.bucket(), Ledger()
        keys = ["a//b", "../x", "./y", "/lead", "trail/", "a b+c%20&=?#", "ümläut/日本語/🙂", "x" * 1024, "~!@$^*()'\";:,<>|", "tab\there"]
        for key in keys:
            ledger.put(self.s3, bucket, key, Pattern(key, 100 + len(key)))
        ledger.verify(self.cluster.boto3(2))
        listed = [entry["Key"] for entry in self.s3.list_objects_v2(Bucket=bucket)["Contents"]]
        self.assertEqual(listed, sorted(keys, key=lambda key: key.encode()))

    def test_conditional_writes(self):
        bucket = self.bucket()
        try:
            first = self.s3.put_object(Bucket=bucket, Key="k", Body=b"1", IfNoneMatch="*")
        except botocore.exceptions.ParamValidationError:
            self.skipTest("this boto3 is too old to know conditional writes")
        with self.assertRaises(botocore.exceptions.ClientError) as error:
            self.s3.put_object(Bucket=bucket, Key="k", Body=b"2", IfNoneMatch="*")
        self.assertEqual((code_of(error), status_of(error)), ("PreconditionFailed", 412))
        self.s3.put_object(Bucket=bucket, Key="k", Body=b"3", IfMatch=first["ETag"])
        with self.assertRaises(botocore.exceptions.ClientError) as error:
            self.s3.put_object(Bucket=bucket, Key="k", Body=b"4", IfMatch=first["ETag"])
        self.assertEqual(code_of(error), "PreconditionFailed")
        self.assertEqual(self.s3.get_object(Bucket=bucket, Key="k")["Body"].read(), b"3")

    def test_conditional_reads(self):
        bucket = self.bucket()
        etag = self.s3.put_object(Bucket=bucket, Key="k", Body=b"1")["ETag"]
        self.assertEqual(self.s3.get_object(Bucket=bucket, Key="k", IfMatch=etag)["Body"].read(), b"1")
        with self.assertRaises(botocore.exceptions.ClientError) as error:
            self.s3.get_object(Bucket=bucket, Key="k", IfNoneMatch=etag)
        self.assertEqual(status_of(error), 304)
        with self.assertRaises(botocore.exceptions.ClientError) as error:
            self.s3.get_object(Bucket=bucket, Key="k", IfMatch='"0123"')
        self.assertEqual(status_of(error), 412)

    def test_checksums_are_stored_and_given_back(self):
        bucket = self.bucket()
        for algorithm in ("CRC32", "SHA1", "SHA256"):
            put = self.s3.put_object(Bucket=bucket, Key=algorithm, Body=b"hello" * 5000, ChecksumAlgorithm=algorithm)
            head = self.s3.head_object(Bucket=bucket, Key=algorithm, ChecksumMode="ENABLED")
            self.assertEqual(head[f"Checksum{algorithm}"], put[f"Checksum{algorithm}"])
            got = self.s3.get_object(Bucket=bucket, Key=algorithm, ChecksumMode="ENABLED")
            self.assertEqual(got["Body"].read(), b"hello" * 5000)

    def test_a_wrong_checksum_is_refused_and_stores_nothing(self):
        bucket = self.bucket()
        with self.assertRaises(botocore.exceptions.ClientError) as error:
            self.s3.put_object(Bucket=bucket, Key="k", Body=b"hello", ChecksumSHA256="A" * 43 + "=")
        self.assertIn(code_of(error), ("BadDigest", "InvalidRequest", "XAmzContentSHA256Mismatch"))
        with self.assertRaises(botocore.exceptions.ClientError):
            self.s3.head_object(Bucket=bucket, Key="k")

    def test_presigned_urls_work_without_keys_until_they_are_changed(self):
        bucket = self.bucket()
        body = Pattern("presigned", 100_000).bytes()
        url = self.s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "k"}, ExpiresIn=60)
        urllib.request.urlopen(urllib.request.Request(url, data=body, method="PUT"), timeout=60).read()
        url = self.s3.generate_presigned_url(
            "get_object", Params={"Bucket": bucket, "Key": "k", "ResponseContentDisposition": "attachment"}, ExpiresIn=60)
        with urllib.request.urlopen(url, timeout=60) as answer:
            self.assertEqual(answer.headers["Content-Disposition"], "attachment")
            self.assertTrue(answer.read() == body)
        with self.assertRaises(urllib.error.HTTPError) as error:
            urllib.request.urlopen(url.replace("/k?", "/other?"), timeout=60)
        self.assertEqual(error.exception.code, 403)

    def test_a_request_id_is_the_same_in_header_xml_and_log(self):
        with self.assertRaises(botocore.exceptions.ClientError) as error:
            self.s3.get_object(Bucket="there-is-no-such-bucket", Key="k")
        response = error.exception.response
        self.assertEqual(response["Error"]["Code"], "NoSuchBucket")
        request_id = response["ResponseMetadata"]["HTTPHeaders"]["x-amz-request-id"]
        self.assertEqual(response["ResponseMetadata"]["RequestId"], request_id)
        # The line is written after the answer was sent, so the client may be here before it.
        harness.wait_for("the log tells the request id", lambda: request_id in self.cluster.log_file(1).read_text(), 60)

    def test_what_is_not_built_says_so(self):
        bucket = self.bucket()
        for call in (lambda: self.s3.put_bucket_lifecycle_configuration(
                         Bucket=bucket, LifecycleConfiguration={"Rules": [{"ID": "r", "Status": "Enabled", "Filter": {"Prefix": ""},
                                                                            "Expiration": {"Days": 1}}]}),
                     lambda: self.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})):
            with self.assertRaises(botocore.exceptions.ClientError) as error:
                call()
            self.assertEqual((code_of(error), status_of(error)), ("NotImplemented", 501))


class Buckets(harness.ClusterTest):
    def test_the_life_of_a_bucket(self):
        self.s3.create_bucket(Bucket="one")
        self.assertIn("one", [b["Name"] for b in self.cluster.boto3(2).list_buckets()["Buckets"]])
        self.s3.head_bucket(Bucket="one")
        self.assertFalse(self.s3.get_bucket_location(Bucket="one")["LocationConstraint"])
        self.s3.put_object(Bucket="one", Key="k", Body=b"x")
        with self.assertRaises(botocore.exceptions.ClientError) as error:
            self.s3.delete_bucket(Bucket="one")
        self.assertEqual((code_of(error), status_of(error)), ("BucketNotEmpty", 409))
        self.s3.delete_object(Bucket="one", Key="k")
        self.s3.delete_bucket(Bucket="one")
        with self.assertRaises(botocore.exceptions.ClientError) as error:
            self.cluster.boto3(3).head_bucket(Bucket="one")
        self.assertEqual(status_of(error), 404)

    def test_a_name_that_aws_refuses_is_refused(self):
        for name in ("ab", "UPPER", "under_score", "-lead", "trail-", "192.168.1.1", "a..b"):
            with self.assertRaises((botocore.exceptions.ClientError, botocore.exceptions.ParamValidationError)) as error:
                self.s3.create_bucket(Bucket=name)
            if isinstance(error.exception, botocore.exceptions.ClientError):
                self.assertEqual((code_of(error), status_of(error)), ("InvalidBucketName", 400), name)

    def test_nothing_is_where_no_bucket_is(self):
        for call in (lambda: self.s3.put_object(Bucket="no-bucket", Key="k", Body=b"x"),
                     lambda: self.s3.list_objects_v2(Bucket="no-bucket"), lambda: self.s3.delete_bucket(Bucket="no-bucket")):
            with self.assertRaises(botocore.exceptions.ClientError) as error:
                call()
            self.assertEqual((code_of(error), status_of(error)), ("NoSuchBucket", 404))


class Listings(harness.ClusterTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.s3.create_bucket(Bucket="listing")
        cls.keys = sorted([f"a/{i:03}" for i in range(50)] + [f"b/{i}/{j}" for i in range(5) for j in range(5)] +
                          [f"c{i}" for i in range(30)] + ["a", "b", "z/", "ä", "a/b"], key=lambda key: key.encode())
        for key in cls.keys:
            cls.s3.put_object(Bucket="listing", Key=key, Body=key.encode())

    def test_all_pages_together_are_all_keys_in_order_once(self):
        for size in (1, 7, 100, 1000):
            for operation in ("list_objects_v2", "list_objects"):
                pages = self.s3.get_paginator(operation).paginate(Bucket="listing", PaginationConfig={"PageSize": size})
                found = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
                self.assertEqual(found, self.keys, (operation, size))

    def test_prefixes_and_delimiters_with_pages_of_every_size(self):
        for prefix in ("", "a", "a/", "b/", "b/1", "nothing", "z/"):
            for delimiter in ("/", "0"):
                keys, prefixes = self.expected(prefix, delimiter)
                for size in (1, 3, 1000):
                    pages = list(self.s3.get_paginator("list_objects_v2").paginate(
                        Bucket="listing", Prefix=prefix, Delimiter=delimiter, PaginationConfig={"PageSize": size}))
                    self.assertEqual([e["Key"] for p in pages for e in p.get("Contents", [])], keys, (prefix, delimiter, size))
                    self.assertEqual([e["Prefix"] for p in pages for e in p.get("CommonPrefixes", [])], prefixes,
                                     (prefix, delimiter, size))
                    for page in pages:
                        self.assertEqual(page["KeyCount"], len(page.get("Contents", [])) + len(page.get("CommonPrefixes", [])))

    def expected(self, prefix, delimiter):
        keys, prefixes = [], []
        for key in self.keys:
            if not key.startswith(prefix):
                continue
            end = key.find(delimiter, len(prefix))
            if end < 0:
                keys.append(key)
            elif key[:end + 1] not in prefixes:
                prefixes.append(key[:end + 1])
        return keys, prefixes

    def test_start_after_is_exclusive(self):
        page = self.s3.list_objects_v2(Bucket="listing", StartAfter="c10")
        self.assertEqual([e["Key"] for e in page["Contents"]], [k for k in self.keys if k.encode() > b"c10"])

    def test_entries_tell_size_and_etag(self):
        for entry in self.s3.list_objects_v2(Bucket="listing", Prefix="c")["Contents"]:
            body = entry["Key"].encode()
            self.assertEqual((entry["Size"], entry["ETag"]), (len(body), '"%s"' % hashlib.md5(body).hexdigest()))

    def test_delete_objects_deletes_all_and_tells_each(self):
        self.s3.create_bucket(Bucket="many")
        keys = [f"k{i}" for i in range(300)]
        for key in keys:
            self.s3.put_object(Bucket="many", Key=key, Body=b"x")
        answer = self.s3.delete_objects(Bucket="many", Delete={"Objects": [{"Key": k} for k in keys + ["not there"]]})
        self.assertEqual(sorted(d["Key"] for d in answer["Deleted"]), sorted(keys + ["not there"]))
        self.assertNotIn("Contents", self.s3.list_objects_v2(Bucket="many"))


class Multipart(harness.ClusterTest):
    def upload(self, bucket, key, sizes):
        upload = self.s3.create_multipart_upload(Bucket=bucket, Key=key, ContentType="text/x-parts", Metadata={"m": "1"})["UploadId"]
        parts, digests, whole = [], b"", hashlib.sha256()
        for number, size in enumerate(sizes, 1):
            body = Pattern((key, number), size).bytes()
            etag = self.s3.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=number, Body=body)["ETag"]
            self.assertEqual(etag, '"%s"' % hashlib.md5(body).hexdigest())
            parts.append({"PartNumber": number, "ETag": etag})
            digests += hashlib.md5(body).digest()
            whole.update(body)
        return upload, parts, '"%s-%d"' % (hashlib.md5(digests).hexdigest(), len(sizes)), whole.hexdigest()

    def test_parts_become_one_object(self):
        bucket, ledger = self.bucket(), Ledger()
        for sizes in ([5 * MIB, 1], [5 * MIB + 1, 33 * MIB, 7 * MIB], [100], [32 * MIB, 32 * MIB, 0 or 5]):
            key = "-".join(map(str, sizes))
            upload, parts, etag, sha256 = self.upload(bucket, key, sizes)
            with self.assertRaises(botocore.exceptions.ClientError):
                self.s3.head_object(Bucket=bucket, Key=key)  # not before it is complete
            done = self.s3.complete_multipart_upload(Bucket=bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": parts})
            self.assertEqual(done["ETag"], etag)
            head = self.s3.head_object(Bucket=bucket, Key=key)
            self.assertEqual((head["ETag"], head["ContentLength"], head["ContentType"], head["Metadata"]),
                             (etag, sum(sizes), "text/x-parts", {"m": "1"}))
            ledger.note(bucket, key, sha256, sum(sizes))
        for node in (1, 2, 3):
            ledger.verify(self.cluster.boto3(node))

    def test_ranges_across_parts(self):
        bucket = self.bucket()
        sizes = [5 * MIB + 11, 6 * MIB, 123]
        upload, parts, _, _ = self.upload(bucket, "k", sizes)
        self.s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload, MultipartUpload={"Parts": parts})
        whole = b"".join(Pattern(("k", number), size).bytes() for number, size in enumerate(sizes, 1))
        for first, last in [(5 * MIB, 5 * MIB + 20), (5 * MIB + 10, 11 * MIB + 11), (11 * MIB + 10, len(whole) - 1), (0, len(whole) - 1)]:
            got = self.s3.get_object(Bucket=bucket, Key="k", Range=f"bytes={first}-{last}")["Body"].read()
            self.assertTrue(got == whole[first:last + 1], (first, last))

    def test_a_part_sent_again_counts_once_and_the_last_wins(self):
        bucket = self.bucket()
        upload = self.s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
        self.s3.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=1, Body=b"old" * 1000)
        etag = self.s3.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=1, Body=b"new")["ETag"]
        listed = self.s3.list_parts(Bucket=bucket, Key="k", UploadId=upload)["Parts"]
        self.assertEqual([(p["PartNumber"], p["Size"], p["ETag"]) for p in listed], [(1, 3, etag)])
        self.s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload,
                                          MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etag}]})
        self.assertEqual(self.s3.get_object(Bucket=bucket, Key="k")["Body"].read(), b"new")

    def test_uploads_and_parts_are_listed_until_aborted(self):
        bucket = self.bucket()
        uploads = {key: self.s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"] for key in ("a", "b", "c")}
        for number in (3, 1, 2):
            self.s3.upload_part(Bucket=bucket, Key="b", UploadId=uploads["b"], PartNumber=number, Body=b"x" * number)
        listed = self.s3.list_multipart_uploads(Bucket=bucket)["Uploads"]
        self.assertEqual([(u["Key"], u["UploadId"]) for u in listed], sorted(uploads.items()))
        page = self.s3.list_parts(Bucket=bucket, Key="b", UploadId=uploads["b"], MaxParts=2)
        self.assertEqual([p["PartNumber"] for p in page["Parts"]], [1, 2])
        self.assertTrue(page["IsTruncated"])
        page = self.s3.list_parts(Bucket=bucket, Key="b", UploadId=uploads["b"], PartNumberMarker=page["NextPartNumberMarker"])
        self.assertEqual([p["PartNumber"] for p in page["Parts"]], [3])
        for key, upload in uploads.items():
            self.s3.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload)
        self.assertNotIn("Uploads", self.s3.list_multipart_uploads(Bucket=bucket))
        with self.assertRaises(botocore.exceptions.ClientError) as error:
            self.s3.list_parts(Bucket=bucket, Key="b", UploadId=uploads["b"])
        self.assertEqual((code_of(error), status_of(error)), ("NoSuchUpload", 404))
        self.s3.delete_bucket(Bucket=bucket)

    def test_what_does_not_fit_together_is_refused(self):
        bucket = self.bucket()
        upload, parts, _, _ = self.upload(bucket, "k", [100, 100])
        cases = [(parts, "EntityTooSmall"), (list(reversed(parts)), "InvalidPartOrder"),
                 ([{"PartNumber": 1, "ETag": '"%s"' % ("0" * 32)}], "InvalidPart"),
                 ([{"PartNumber": 9, "ETag": parts[0]["ETag"]}], "InvalidPart")]
        for listed, code in cases:
            with self.assertRaises(botocore.exceptions.ClientError) as error:
                self.s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload, MultipartUpload={"Parts": listed})
            self.assertEqual((code_of(error), status_of(error)), (code, 400))
        with self.assertRaises(botocore.exceptions.ClientError) as error:
            self.s3.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=10001, Body=b"x")
        self.assertEqual(code_of(error), "InvalidArgument")

    def test_the_transfer_manager_uploads_and_downloads_200_mib(self):
        bucket = self.bucket()
        pattern = Pattern("transfer", 200 * MIB + 13)
        path, back = self.cluster.base / "up", self.cluster.base / "down"
        pattern.write_to(path)
        self.s3.upload_file(str(path), bucket, "k")
        self.cluster.boto3(2).download_file(bucket, "k", str(back))
        self.assertEqual(harness.sha256_of_file(back), pattern.sha256())
        path.unlink()
        back.unlink()


if __name__ == "__main__":
    harness.main()
