#!/usr/bin/env python3
from support import OperationTest, main


class DeleteBucket(OperationTest):
    def test_an_empty_one_goes_everywhere_at_once(self):
        self.assertEqual(self.status(self.s3.delete_bucket(Bucket=self.name)), 204)
        for client in self.clients:
            self.refused("404", client.head_bucket, Bucket=self.name)
        error = self.refused("NoSuchBucket", self.s3.delete_bucket, Bucket=self.name)
        self.assertEqual(error["Error"]["BucketName"], self.name)

    def test_one_with_objects_stays(self):
        self.put()
        self.refused("BucketNotEmpty", self.clients[1].delete_bucket, Bucket=self.name)
        self.assertEqual(self.body(), b"x")
        self.s3.delete_object(Bucket=self.name, Key="k")
        self.clients[1].delete_bucket(Bucket=self.name)

    def test_open_uploads_go_with_it(self):
        upload_id, _, _ = self.upload(sizes=(10,), complete=False)
        self.s3.delete_bucket(Bucket=self.name)
        self.s3.create_bucket(Bucket=self.name)
        self.refused("NoSuchUpload", self.s3.list_parts, Bucket=self.name, Key="k", UploadId=upload_id)


if __name__ == "__main__":
    main()
