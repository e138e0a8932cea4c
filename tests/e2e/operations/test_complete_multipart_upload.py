#!/usr/bin/env python3
import base64
import hashlib

from support import MIB, OperationTest, main, multipart_etag


class CompleteMultipartUpload(OperationTest):
    def complete(self, upload_id, parts, client=1, **words):
        return self.clients[client].complete_multipart_upload(Bucket=self.name, Key="k", UploadId=upload_id, MultipartUpload={"Parts": parts}, **words)

    def test_the_parts_become_one_object_at_once(self):
        upload_id, parts, whole = self.upload(complete=False)
        self.absent()
        answer = self.complete(upload_id, parts)
        etag = multipart_etag([whole[:5 * MIB], whole[5 * MIB:10 * MIB], whole[10 * MIB:]])
        self.assertEqual((answer["ETag"], answer["Bucket"], answer["Key"]), (etag, self.name, "k"))
        self.assertTrue(answer["Location"].endswith(f"/{self.name}/k"))
        for client in self.clients:
            self.assertEqual(self.body(client=client), whole)
        self.assertNotIn("Uploads", self.s3.list_multipart_uploads(Bucket=self.name))

    def test_sent_again_it_gives_the_same_answer(self):
        upload_id, parts, _ = self.upload(sizes=(3,), complete=False)
        answer = self.complete(upload_id, parts)
        for client in (0, 1, 2):
            self.assertEqual(self.complete(upload_id, parts, client=client)["ETag"], answer["ETag"])

    def test_some_of_the_parts_will_do(self):
        upload_id, parts, whole = self.upload(complete=False)
        self.complete(upload_id, [parts[0], parts[2]])
        self.assertEqual(self.body(), whole[:5 * MIB] + whole[10 * MIB:])

    def test_lists_that_do_not_fit(self):
        upload_id, parts, _ = self.upload((5 * MIB, 1, 2), complete=False)
        small = self.refused("EntityTooSmall", self.complete, upload_id=upload_id, parts=parts)
        self.assertEqual((small["Error"]["PartNumber"], small["Error"]["ProposedSize"], small["Error"]["MinSizeAllowed"]), ("2", "1", str(5 * MIB)))
        self.refused("InvalidPartOrder", self.complete, upload_id=upload_id, parts=parts[::-1])
        self.refused("InvalidPartOrder", self.complete, upload_id=upload_id, parts=[parts[0], parts[0]])
        self.refused("InvalidPart", self.complete, upload_id=upload_id, parts=[{"PartNumber": 4, "ETag": parts[0]["ETag"]}])
        wrong = self.refused("InvalidPart", self.complete, upload_id=upload_id, parts=[{"PartNumber": 1, "ETag": parts[1]["ETag"]}])
        self.assertEqual(wrong["Error"]["PartNumber"], "1")
        self.refused("MalformedXML", self.complete, upload_id=upload_id, parts=[])
        self.refused("NoSuchUpload", self.complete, upload_id="none", parts=parts)
        self.absent()
        self.complete(upload_id, parts[:2])

    def test_conditions(self):
        self.knows("CompleteMultipartUpload", "IfNoneMatch", "IfMatch")
        etag = self.put()["ETag"]
        upload_id, parts, whole = self.upload((3,), complete=False)
        self.refused("PreconditionFailed", self.complete, upload_id=upload_id, parts=parts, IfNoneMatch="*")
        self.refused("PreconditionFailed", self.complete, upload_id=upload_id, parts=parts, IfMatch='"x"')
        self.assertEqual(self.body(), b"x")
        self.complete(upload_id, parts, IfMatch=etag)
        self.assertEqual(self.body(), whole)

    def test_checksums_of_the_whole(self):
        bodies = (b"a" * 5 * MIB, b"tail")
        upload_id = self.s3.create_multipart_upload(Bucket=self.name, Key="k", ChecksumAlgorithm="SHA256")["UploadId"]
        parts = []
        for number, body in enumerate(bodies, 1):
            part = self.s3.upload_part(Bucket=self.name, Key="k", UploadId=upload_id, PartNumber=number, Body=body, ChecksumAlgorithm="SHA256")
            parts.append({"PartNumber": number, "ETag": part["ETag"], "ChecksumSHA256": part["ChecksumSHA256"]})
        without = [{"PartNumber": part["PartNumber"], "ETag": part["ETag"]} for part in parts]
        self.refused("InvalidRequest", self.complete, upload_id=upload_id, parts=without)
        self.refused("InvalidPart", self.complete, upload_id=upload_id, parts=[dict(parts[0], ChecksumSHA256=parts[1]["ChecksumSHA256"]), parts[1]])
        digests = b"".join(hashlib.sha256(body).digest() for body in bodies)
        expected = base64.b64encode(hashlib.sha256(digests).digest()).decode() + "-2"
        self.assertEqual(self.complete(upload_id, parts)["ChecksumSHA256"], expected)
        got = self.clients[2].get_object(Bucket=self.name, Key="k", ChecksumMode="ENABLED")
        self.assertEqual((got["ChecksumSHA256"], got["Body"].read()), (expected, b"".join(bodies)))

    def test_of_the_whole_object_and_its_size(self):
        self.knows("CompleteMultipartUpload", "ChecksumType", "MpuObjectSize")
        body = b"123456789"
        words = {"ChecksumAlgorithm": "CRC64NVME", "ChecksumType": "FULL_OBJECT"}
        upload_id = self.s3.create_multipart_upload(Bucket=self.name, Key="k", **words)["UploadId"]
        part = self.plain().upload_part(Bucket=self.name, Key="k", UploadId=upload_id, PartNumber=1, Body=body)
        parts = [{"PartNumber": 1, "ETag": part["ETag"]}]
        self.refused("InvalidRequest", self.complete, upload_id=upload_id, parts=parts, MpuObjectSize=8)
        self.refused("BadDigest", self.complete, upload_id=upload_id, parts=parts, ChecksumCRC64NVME="rosUhgp5mIk=", ChecksumType="FULL_OBJECT")
        self.absent()
        answer = self.complete(upload_id, parts, MpuObjectSize=9, ChecksumCRC64NVME="rosUhgp5mIg=", ChecksumType="FULL_OBJECT")
        self.assertEqual((answer["ChecksumCRC64NVME"], answer["ChecksumType"]), ("rosUhgp5mIg=", "FULL_OBJECT"))

    def plain(self):
        """A client that sends no checksums of its own accord."""
        return self.client(config={"request_checksum_calculation": "when_required"})


if __name__ == "__main__":
    main()
