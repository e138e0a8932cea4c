#!/usr/bin/env python3
from support import OperationTest, main


class HeadBucket(OperationTest):
    def test_says_where_a_bucket_is(self):
        for client in self.clients:
            self.assertEqual(self.header(client.head_bucket(Bucket=self.name), "x-amz-bucket-region"), "us-east-1")

    def test_errors_have_a_status_and_no_body(self):
        error = self.refused("404", self.s3.head_bucket, Bucket=self.name + "x")
        self.assertEqual(self.header(error, "content-length") or "0", "0")
        self.assertTrue(error["ResponseMetadata"]["RequestId"])
        self.refused("403", self.s3.head_bucket, Bucket=self.name, ExpectedBucketOwner="111122223333")


if __name__ == "__main__":
    main()
