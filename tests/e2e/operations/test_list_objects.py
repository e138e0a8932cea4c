#!/usr/bin/env python3
from support import OperationTest, main


class ListObjects(OperationTest):
    def fill(self, keys):
        for number, key in enumerate(keys):
            self.clients[number % 3].put_object(Bucket=self.name, Key=key, Body=key.encode())

    def list(self, **words):
        page = self.clients[1].list_objects(Bucket=self.name, **words)
        return page, [entry["Key"] for entry in page.get("Contents", [])], [entry["Prefix"] for entry in page.get("CommonPrefixes", [])]

    def test_entries_and_elements(self):
        self.fill(["a", "b"])
        page, keys, _ = self.list()
        self.assertEqual(keys, ["a", "b"])
        first = page["Contents"][0]
        self.assertEqual((first["Size"], first["StorageClass"]), (1, "STANDARD"))
        self.assertEqual(len(first["Owner"]["ID"]), 64)
        self.assertEqual((page["Name"], page["Prefix"], page["Marker"], page["MaxKeys"], page["IsTruncated"]), (self.name, "", "", 1000, False))

    def test_the_next_marker_is_named_with_a_delimiter_only(self):
        self.fill(["a", "b/1", "b/2", "c"])
        page, keys, _ = self.list(MaxKeys=2)
        self.assertEqual((keys, page["IsTruncated"]), (["a", "b/1"], True))
        self.assertNotIn("NextMarker", page)
        page, keys, prefixes = self.list(MaxKeys=2, Delimiter="/")
        self.assertEqual((keys, prefixes, page["NextMarker"]), (["a"], ["b/"], "b/"))
        self.assertEqual(self.list(Marker="b/", Delimiter="/")[1:], (["c"], []))
        self.assertEqual(self.list(Marker="b/1")[1], ["b/2", "c"])

    def test_order_is_by_bytes_of_utf8_and_names_may_be_of_anything(self):
        keys = ["a", "a/b", "a b", "a+b", "a&b<c>", "\u00e4", "\uffee", "\U0001f600", "\x01 control", "~"]
        self.fill(keys)
        self.assertEqual(self.list()[1], sorted(keys, key=str.encode))
        self.assertEqual(self.list(MaxKeys=0)[1:], ([], []))

    def test_of_a_bucket_that_is_not_there(self):
        self.refused("NoSuchBucket", self.s3.list_objects, Bucket=self.name + "x")


if __name__ == "__main__":
    main()
