#!/usr/bin/env python3
from support import MIB, OperationTest, main


class CreateMultipartUpload(OperationTest):
    def begin(self, **words):
        return self.clients[1].create_multipart_upload(Bucket=self.name, Key="k", **words)

    def test_nothing_is_there_before_it_is_completed(self):
        answer = self.begin()
        self.assertEqual((answer["Bucket"], answer["Key"]), (self.name, "k"))
        self.assertNotEqual(answer["UploadId"], self.begin()["UploadId"])
        self.absent()
        self.assertEqual(self.keys(), [])

    def test_headers_are_those_of_the_object(self):
        self.upload((MIB,), ContentType="text/x", Metadata={"a": "b"}, Tagging="t=1", CacheControl="no-cache", StorageClass="STANDARD_IA")
        head = self.s3.head_object(Bucket=self.name, Key="k")
        self.assertEqual((head["ContentType"], head["Metadata"], head["CacheControl"], head["StorageClass"]),
                         ("text/x", {"a": "b"}, "no-cache", "STANDARD_IA"))
        self.assertEqual(self.s3.get_object_tagging(Bucket=self.name, Key="k")["TagSet"], [{"Key": "t", "Value": "1"}])

    def test_algorithms(self):
        for algorithm in ("CRC32", "SHA1", "SHA256"):
            self.assertEqual(self.begin(ChecksumAlgorithm=algorithm)["ChecksumAlgorithm"], algorithm)
        self.knows("CreateMultipartUpload", "ChecksumType")
        self.assertEqual(self.begin(ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT")["ChecksumType"], "FULL_OBJECT")
        self.assertEqual(self.begin(ChecksumAlgorithm="CRC64NVME")["ChecksumType"], "FULL_OBJECT")
        self.assertEqual(self.begin(ChecksumAlgorithm="SHA256")["ChecksumType"], "COMPOSITE")
        for words in ({"ChecksumAlgorithm": "SHA256", "ChecksumType": "FULL_OBJECT"}, {"ChecksumAlgorithm": "CRC64NVME", "ChecksumType": "COMPOSITE"}):
            self.refused("InvalidRequest", self.begin, **words)

    def test_what_is_refused(self):
        self.refused("NoSuchBucket", self.s3.create_multipart_upload, Bucket=self.name + "x", Key="k")
        for words, code in (({"ServerSideEncryption": "aws:kms"}, "NotImplemented"), ({"StorageClass": "GLACIER"}, "InvalidStorageClass"),
                            ({"ACL": "public-read"}, "AccessControlListNotSupported"), ({"Metadata": {"a": "v" * 2048}}, "MetadataTooLarge")):
            self.refused(code, self.begin, **words)
        self.assertNotIn("Uploads", self.s3.list_multipart_uploads(Bucket=self.name))


if __name__ == "__main__":
    main()
