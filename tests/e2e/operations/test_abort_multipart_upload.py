#!/usr/bin/env python3
from support import MIB, OperationTest, main, wait_for


class AbortMultipartUpload(OperationTest):
    def test_the_upload_is_gone_and_nothing_came_of_it(self):
        upload_id, parts, _ = self.upload((5 * MIB, 3), complete=False)
        answer = self.clients[1].abort_multipart_upload(Bucket=self.name, Key="k", UploadId=upload_id)
        self.assertEqual(self.status(answer), 204)
        for call in (lambda: self.clients[2].list_parts(Bucket=self.name, Key="k", UploadId=upload_id),
                     lambda: self.clients[2].upload_part(Bucket=self.name, Key="k", UploadId=upload_id, PartNumber=1, Body=b"x"),
                     lambda: self.clients[2].complete_multipart_upload(Bucket=self.name, Key="k", UploadId=upload_id, MultipartUpload={"Parts": parts}),
                     lambda: self.clients[2].abort_multipart_upload(Bucket=self.name, Key="k", UploadId=upload_id)):
            self.refused("NoSuchUpload", call)
        self.absent()
        self.assertNotIn("Uploads", self.s3.list_multipart_uploads(Bucket=self.name))

    def test_one_that_was_completed_stays(self):
        upload_id, _, whole = self.upload((3,))
        self.refused("NoSuchUpload", self.s3.abort_multipart_upload, Bucket=self.name, Key="k", UploadId=upload_id)
        self.assertEqual(self.body(), whole)

    def test_its_space_comes_back(self):  # but for the files that are still written to
        def shard_bytes():
            files = (self.cluster.dir).glob("n*/**/*")
            return sum(path.stat().st_blocks * 512 for path in files if path.is_file() and "shard" in str(path))
        before = shard_bytes()
        upload_id, _, whole = self.upload((40 * MIB,) * 4, complete=False)
        self.assertGreater(shard_bytes(), before + len(whole))  # with parity
        self.s3.abort_multipart_upload(Bucket=self.name, Key="k", UploadId=upload_id)
        wait_for("the space of an aborted upload is free again", lambda: shard_bytes() < before + len(whole) // 2, 120)


if __name__ == "__main__":
    main()
