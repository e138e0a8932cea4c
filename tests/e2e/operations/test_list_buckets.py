#!/usr/bin/env python3
from support import OperationTest, main


class ListBuckets(OperationTest):
    def test_every_bucket_is_listed_with_its_owner(self):
        for client in self.clients:
            answer = client.list_buckets()
            names = [bucket["Name"] for bucket in answer["Buckets"]]
            self.assertIn(self.name, names)
            self.assertEqual(names, sorted(names))
            self.assertEqual(len(answer["Owner"]["ID"]), 64)
            self.assertIsNotNone(next(bucket for bucket in answer["Buckets"] if bucket["Name"] == self.name)["CreationDate"])

    def test_pages_and_prefixes(self):
        self.knows("ListBuckets", "MaxBuckets", "ContinuationToken", "Prefix")
        names = [f"{self.name[:40]}-p{i}" for i in range(5)]
        for name in names:
            self.s3.create_bucket(Bucket=name)
        found, token, pages = [], {}, 0
        while True:
            page = self.clients[pages % 3].list_buckets(MaxBuckets=2, Prefix=self.name[:40] + "-p", **token)
            self.assertLessEqual(len(page["Buckets"]), 2)
            found += [bucket["Name"] for bucket in page["Buckets"]]
            pages += 1
            if "ContinuationToken" not in page:
                break
            token = {"ContinuationToken": page["ContinuationToken"]}
        self.assertEqual((found, pages), (names, 3))
        self.refused("InvalidArgument", self.s3.list_buckets, MaxBuckets=10001)
        self.refused("InvalidArgument", self.s3.list_buckets, ContinuationToken="made up")


if __name__ == "__main__":
    main()
