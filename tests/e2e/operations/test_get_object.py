#!/usr/bin/env python3
import datetime

import botocore.exceptions

from support import MIB, OperationTest, main


class GetObject(OperationTest):
    def test_headers(self):
        etag = self.put(body=b"0123456789", Metadata={"a": "b"})["ETag"]
        answer = self.clients[1].get_object(Bucket=self.name, Key="k")
        self.assertEqual((answer["Body"].read(), answer["ETag"], answer["ContentLength"]), (b"0123456789", etag, 10))
        self.assertEqual((answer["AcceptRanges"], answer["ContentType"], answer["Metadata"]), ("bytes", "binary/octet-stream", {"a": "b"}))
        self.assertEqual(self.header(answer, "server"), "Predastore")
        self.assertIsNotNone(answer["LastModified"])
        self.assertTrue(answer["ResponseMetadata"]["RequestId"])

    def test_ranges(self):
        self.put(body=b"0123456789")
        for asked, body, told in (("bytes=0-0", b"0", "bytes 0-0/10"), ("bytes=3-", b"3456789", "bytes 3-9/10"), ("bytes=-3", b"789", "bytes 7-9/10"),
                                  ("bytes=8-99", b"89", "bytes 8-9/10"), ("bytes=-99", b"0123456789", "bytes 0-9/10")):
            answer = self.clients[2].get_object(Bucket=self.name, Key="k", Range=asked)
            self.assertEqual((self.status(answer), answer["Body"].read(), answer["ContentRange"]), (206, body, told), asked)
        for ignored in ("bytes=5-2", "bytes=0-1,3-4", "bits=0-1", "nonsense", "bytes=a-b"):
            answer = self.s3.get_object(Bucket=self.name, Key="k", Range=ignored)
            self.assertEqual((self.status(answer), len(answer["Body"].read())), (200, 10), ignored)
        for beyond in ("bytes=10-", "bytes=10-20", "bytes=-0"):
            error = self.refused("InvalidRange", self.s3.get_object, Bucket=self.name, Key="k", Range=beyond)
            self.assertEqual((self.status(error), self.header(error, "content-range")), (416, "bytes */10"), beyond)
            self.assertEqual((error["Error"]["ActualObjectSize"], error["Error"]["RangeRequested"]), ("10", beyond))

    def test_of_nothing(self):
        self.put(body=b"")
        answer = self.s3.get_object(Bucket=self.name, Key="k")
        self.assertEqual((self.status(answer), answer["ContentLength"], answer["Body"].read()), (200, 0, b""))
        for asked in ("bytes=0-", "bytes=0-0", "bytes=-1"):
            self.refused("InvalidRange", self.s3.get_object, Bucket=self.name, Key="k", Range=asked)

    def test_parts(self):
        _, _, whole = self.upload((5 * MIB, 3))
        for number, body in ((1, whole[:5 * MIB]), (2, whole[5 * MIB:])):
            answer = self.s3.get_object(Bucket=self.name, Key="k", PartNumber=number)
            self.assertEqual((self.status(answer), answer["PartsCount"], answer["Body"].read()), (206, 2, body))
        self.assertEqual(answer["ContentRange"], f"bytes {5 * MIB}-{5 * MIB + 2}/{5 * MIB + 3}")
        error = self.refused("InvalidPartNumber", self.s3.get_object, Bucket=self.name, Key="k", PartNumber=3)
        self.assertEqual(self.status(error), 416)
        self.refused("InvalidArgument", self.s3.get_object, Bucket=self.name, Key="k", PartNumber=0)
        self.refused("InvalidRequest", self.s3.get_object, Bucket=self.name, Key="k", PartNumber=1, Range="bytes=0-1")
        self.put("plain", b"x")
        self.assertEqual(self.status(self.s3.get_object(Bucket=self.name, Key="plain", PartNumber=1)), 206)
        self.refused("InvalidPartNumber", self.s3.get_object, Bucket=self.name, Key="plain", PartNumber=2)

    def test_conditions_and_their_precedence(self):
        etag = self.put()["ETag"]
        hour = datetime.timedelta(hours=1)
        now = datetime.datetime.now(datetime.timezone.utc)
        past, future = now - hour, now + hour

        def outcome(**conditions):
            try:
                return self.status(self.s3.get_object(Bucket=self.name, Key="k", **conditions))
            except botocore.exceptions.ClientError as error:
                answer = error.response
                if self.status(answer) == 304:
                    self.assertEqual(self.header(answer, "etag"), etag)
                return self.status(answer)
        for conditions, status in (({"IfMatch": etag}, 200), ({"IfMatch": '"x"'}, 412), ({"IfNoneMatch": etag}, 304), ({"IfNoneMatch": '"x"'}, 200),
                                   ({"IfModifiedSince": past}, 200), ({"IfModifiedSince": future}, 304), ({"IfUnmodifiedSince": past}, 412),
                                   ({"IfUnmodifiedSince": future}, 200), ({"IfMatch": etag, "IfUnmodifiedSince": past}, 200),
                                   ({"IfNoneMatch": '"x"', "IfModifiedSince": future}, 200), ({"IfNoneMatch": etag, "IfModifiedSince": past}, 304),
                                   ({"IfMatch": '"x"', "IfNoneMatch": etag}, 412), ({"IfMatch": "*"}, 200), ({"IfNoneMatch": "*"}, 304)):
            self.assertEqual(outcome(**conditions), status, conditions)

    def test_overrides_of_headers(self):
        self.put(ContentType="text/x", CacheControl="no-store")
        answer = self.s3.get_object(Bucket=self.name, Key="k", ResponseContentType="text/y", ResponseContentDisposition='attachment; filename="a"',
                                    ResponseCacheControl="max-age=1", ResponseContentEncoding="br", ResponseContentLanguage="fr",
                                    ResponseExpires=datetime.datetime(2032, 1, 1, tzinfo=datetime.timezone.utc))
        self.assertEqual((answer["ContentType"], answer["ContentDisposition"], answer["CacheControl"], answer["ContentEncoding"],
                          answer["ContentLanguage"]), ("text/y", 'attachment; filename="a"', "max-age=1", "br", "fr"))
        self.assertEqual(self.header(answer, "expires"), "Thu, 01 Jan 2032 00:00:00 GMT")

    def test_what_is_not_there(self):
        error = self.refused("NoSuchKey", self.s3.get_object, Bucket=self.name, Key="no such/key")
        self.assertEqual((self.status(error), error["Error"]["Key"]), (404, "no such/key"))
        error = self.refused("NoSuchBucket", self.s3.get_object, Bucket=self.name + "x", Key="k")
        self.assertEqual(error["Error"]["BucketName"], self.name + "x")


if __name__ == "__main__":
    main()
