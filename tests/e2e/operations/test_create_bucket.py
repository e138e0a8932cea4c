#!/usr/bin/env python3
from support import OperationTest, main


class CreateBucket(OperationTest):
    def test_a_bucket_is_there_at_once_for_every_gateway(self):
        name = self.name[:50] + "-new"
        answer = self.s3.create_bucket(Bucket=name)
        self.assertEqual(answer["Location"], f"/{name}")
        for client in self.clients:
            self.assertEqual(self.status(client.head_bucket(Bucket=name)), 200)

    def test_made_again_by_its_owner(self):
        self.put()
        self.assertEqual(self.status(self.s3.create_bucket(Bucket=self.name)), 200)  # us-east-1 answers so
        self.assertEqual(self.keys(), ["k"])

    def test_names_that_are_none(self):
        for name in ("UPPER", "a..b", "192.168.5.4", "xn--abc", "abc-s3alias", "-abc", "abc-", "a_b"):
            self.refused("InvalidBucketName", self.s3.create_bucket, Bucket=name)

    def test_settings_that_it_would_not_have_are_refused(self):
        for words, code in (({"ACL": "public-read"}, "AccessControlListNotSupported"), ({"ObjectLockEnabledForBucket": True}, "NotImplemented"),
                            ({"CreateBucketConfiguration": {"LocationConstraint": "eu-west-1"}}, "InvalidLocationConstraint")):
            self.refused(code, self.s3.create_bucket, Bucket=self.name[:50] + "-other", **words)
        self.refused("404", self.s3.head_bucket, Bucket=self.name[:50] + "-other")


if __name__ == "__main__":
    main()
