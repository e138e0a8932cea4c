#!/usr/bin/env python3
import base64

from support import OperationTest, main, md5


class UploadPart(OperationTest):
    def setUp(self):
        super().setUp()
        self.upload_id = self.s3.create_multipart_upload(Bucket=self.name, Key="k")["UploadId"]

    def part(self, number, body, client=1, **words):
        words.setdefault("UploadId", self.upload_id)
        return self.clients[client].upload_part(Bucket=self.name, Key="k", PartNumber=number, Body=body, **words)

    def test_the_answer_has_the_md5_of_the_part(self):
        self.assertEqual(self.part(1, b"hello")["ETag"], f'"{md5(b"hello")}"')

    def test_sent_again_the_last_one_counts(self):
        self.part(1, b"first", client=0)
        etag = self.part(1, b"second", client=2)["ETag"]
        parts = self.s3.list_parts(Bucket=self.name, Key="k", UploadId=self.upload_id)["Parts"]
        self.assertEqual([(part["PartNumber"], part["Size"], part["ETag"]) for part in parts], [(1, 6, etag)])
        self.s3.complete_multipart_upload(Bucket=self.name, Key="k", UploadId=self.upload_id,
                                          MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etag}]})
        self.assertEqual(self.body(), b"second")

    def test_checksums(self):
        self.assertIn("ChecksumSHA256", self.part(1, b"x", ChecksumAlgorithm="SHA256"))
        self.refused("BadDigest", self.part, number=2, body=b"x", ChecksumSHA256=base64.b64encode(b"0" * 32).decode())
        self.refused("BadDigest", self.part, number=2, body=b"x", ContentMD5=base64.b64encode(b"0" * 16).decode())
        other = self.s3.create_multipart_upload(Bucket=self.name, Key="k", ChecksumAlgorithm="SHA1")["UploadId"]
        self.refused("InvalidRequest", self.part, number=1, body=b"x", UploadId=other, ChecksumAlgorithm="SHA256")

    def test_what_is_refused(self):
        for number in (0, 10001, -1):
            self.refused("InvalidArgument", self.part, number=number, body=b"x")
        self.part(10000, b"x")
        error = self.refused("NoSuchUpload", self.part, number=1, body=b"x", UploadId="none")
        self.assertEqual(error["Error"]["UploadId"], "none")
        self.refused("NoSuchUpload", self.s3.upload_part, Bucket=self.name, Key="other", PartNumber=1, Body=b"x", UploadId=self.upload_id)


if __name__ == "__main__":
    main()
