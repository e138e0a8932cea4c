#!/usr/bin/env python3
from support import MIB, OperationTest, main


class HeadObject(OperationTest):
    def test_says_what_get_says_without_the_bytes(self):
        self.put(body=b"12345", ContentType="text/x", Metadata={"a": "b"}, ChecksumAlgorithm="SHA256")
        head = self.clients[1].head_object(Bucket=self.name, Key="k", ChecksumMode="ENABLED")
        got = self.clients[2].get_object(Bucket=self.name, Key="k", ChecksumMode="ENABLED")
        for member in ("ContentLength", "ContentType", "ETag", "LastModified", "Metadata", "AcceptRanges", "ChecksumSHA256"):
            self.assertEqual(head[member], got[member], member)

    def test_ranges_and_parts(self):
        self.upload((5 * MIB, 3))
        head = self.s3.head_object(Bucket=self.name, Key="k", PartNumber=2)
        self.assertEqual((self.status(head), head["ContentLength"], head["PartsCount"]), (206, 3, 2))
        self.assertEqual(self.header(head, "content-range"), f"bytes {5 * MIB}-{5 * MIB + 2}/{5 * MIB + 3}")
        head = self.s3.head_object(Bucket=self.name, Key="k")
        self.assertEqual((head["ContentLength"], head["ETag"][-3:]), (5 * MIB + 3, '-2"'))
        self.assertNotIn("PartsCount", head)
        if "Range" in self.model.operation_model("HeadObject").input_shape.members:
            self.assertEqual(self.s3.head_object(Bucket=self.name, Key="k", Range="bytes=1-4")["ContentLength"], 4)

    def test_errors_are_a_status_alone(self):
        etag = self.put()["ETag"]
        for words, status in (({"Key": "none"}, "404"), ({"Key": "k", "IfMatch": '"x"'}, "412"), ({"Key": "k", "IfNoneMatch": etag}, "304"),
                              ({"Key": "k", "PartNumber": 2}, "416"), ({"Key": "k", "ExpectedBucketOwner": "111122223333"}, "403")):
            error = self.refused(status, self.s3.head_object, Bucket=self.name, **words)
            self.assertTrue(error["ResponseMetadata"]["RequestId"], words)


if __name__ == "__main__":
    main()
