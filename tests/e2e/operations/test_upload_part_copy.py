#!/usr/bin/env python3
from support import MIB, OperationTest, Pattern, main


class UploadPartCopy(OperationTest):
    def setUp(self):
        super().setUp()
        self.bytes = Pattern(self.name, 6 * MIB).bytes()
        self.etag = self.put("source", self.bytes)["ETag"]
        self.upload_id = self.s3.create_multipart_upload(Bucket=self.name, Key="k")["UploadId"]

    def part(self, number, client=1, **words):
        words.setdefault("CopySource", {"Bucket": self.name, "Key": "source"})
        return self.clients[client].upload_part_copy(Bucket=self.name, Key="k", PartNumber=number, UploadId=self.upload_id, **words)

    def test_an_object_is_made_of_ranges_of_another(self):
        parts = []
        for number, asked in ((1, {}), (2, {"CopySourceRange": "bytes=1000000-2999999"}), (3, {"CopySourceRange": "bytes=7-7"})):
            copied = self.part(number, client=number - 1, **asked)["CopyPartResult"]
            self.assertIsNotNone(copied["LastModified"])
            parts.append({"PartNumber": number, "ETag": copied["ETag"]})
        self.assertEqual(parts[0]["ETag"], self.etag)
        self.refused("EntityTooSmall", self.s3.complete_multipart_upload, Bucket=self.name, Key="k", UploadId=self.upload_id,
                     MultipartUpload={"Parts": parts})
        self.s3.complete_multipart_upload(Bucket=self.name, Key="k", UploadId=self.upload_id, MultipartUpload={"Parts": [parts[0], parts[2]]})
        self.assertEqual(self.body(), self.bytes + self.bytes[7:8])

    def test_ranges_that_are_none(self):
        for asked in ("bytes=0-6291456", "bytes=5-2", "bytes=-5", "bytes=5-", "0-5", "bytes=0-1,3-4"):
            self.refused("InvalidArgument", self.part, number=1, CopySourceRange=asked)

    def test_conditions_and_sources(self):
        for words, code in (({"CopySourceIfMatch": '"x"'}, "PreconditionFailed"), ({"CopySourceIfNoneMatch": self.etag}, "PreconditionFailed"),
                            ({"CopySource": {"Bucket": self.name, "Key": "none"}}, "NoSuchKey"),
                            ({"CopySource": {"Bucket": self.name + "x", "Key": "k"}}, "NoSuchBucket")):
            self.refused(code, self.part, number=1, **words)
        self.assertNotIn("Parts", self.s3.list_parts(Bucket=self.name, Key="k", UploadId=self.upload_id))
        self.part(1, CopySourceIfMatch=self.etag)


if __name__ == "__main__":
    main()
