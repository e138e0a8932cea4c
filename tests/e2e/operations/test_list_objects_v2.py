#!/usr/bin/env python3
from support import OperationTest, main


class ListObjectsV2(OperationTest):
    def fill(self, keys):
        for number, key in enumerate(keys):
            self.clients[number % 3].put_object(Bucket=self.name, Key=key, Body=key.encode())

    def list(self, client=1, **words):
        page = self.clients[client].list_objects_v2(Bucket=self.name, **words)
        return page, [entry["Key"] for entry in page.get("Contents", [])], [entry["Prefix"] for entry in page.get("CommonPrefixes", [])]

    def test_elements(self):
        self.put("k", b"12345", StorageClass="REDUCED_REDUNDANCY")
        page, keys, _ = self.list()
        self.assertEqual(keys, ["k"])
        self.assertEqual((page["KeyCount"], page["MaxKeys"], page["IsTruncated"], page["Name"]), (1, 1000, False, self.name))
        entry = page["Contents"][0]
        self.assertEqual((entry["Size"], entry["StorageClass"]), (5, "REDUCED_REDUNDANCY"))
        self.assertNotIn("Owner", entry)
        self.assertNotIn("NextContinuationToken", page)
        self.assertEqual(len(self.list(FetchOwner=True)[0]["Contents"][0]["Owner"]["ID"]), 64)

    def test_prefixes_count_as_keys_and_pages_go_on_behind_them(self):
        self.fill(["a", "b/1", "b/2", "c/1", "d"])
        found, token, counts = [], {}, []
        while True:
            page, keys, prefixes = self.list(client=len(counts) % 3, Delimiter="/", MaxKeys=2, **token)
            found += keys + prefixes
            counts.append(page["KeyCount"])
            if not page["IsTruncated"]:
                break
            token = {"ContinuationToken": page["NextContinuationToken"]}
        self.assertEqual((sorted(found), counts), (["a", "b/", "c/", "d"], [2, 2]))

    def test_a_delimiter_may_be_long_and_a_name_lie_beside_its_prefix(self):
        self.fill(["a", "a/b", "a--end--1", "a--end--2", "a--en"])
        _, keys, prefixes = self.list(Delimiter="--end--")
        self.assertEqual((keys, prefixes), (["a", "a--en", "a/b"], ["a--end--"]))
        _, keys, prefixes = self.list(Delimiter="/")
        self.assertEqual((keys, prefixes), (["a", "a--en", "a--end--1", "a--end--2"], ["a/"]))
        self.assertEqual(self.list(Prefix="a/", Delimiter="/")[1:], (["a/b"], []))

    def test_where_a_listing_starts(self):
        self.fill(["a", "b", "c", "d"])
        page, keys, _ = self.list(StartAfter="b")
        self.assertEqual((keys, page["StartAfter"]), (["c", "d"], "b"))
        token = self.list(MaxKeys=1)[0]["NextContinuationToken"]
        self.assertEqual(self.list(StartAfter="c", ContinuationToken=token)[1], ["b", "c", "d"])  # the token counts
        self.refused("InvalidArgument", self.s3.list_objects_v2, Bucket=self.name, ContinuationToken="made up")

    def test_sizes_of_pages(self):
        self.fill(["a", "b"])
        page, keys, _ = self.list(MaxKeys=0)
        self.assertEqual((keys, page["IsTruncated"], page["KeyCount"]), ([], False, 0))
        self.assertEqual(self.list(MaxKeys=5000)[0]["MaxKeys"], 1000)
        self.refused("InvalidArgument", self.s3.list_objects_v2, Bucket=self.name, MaxKeys=-1)

    def test_encoding_of_names(self):
        self.put("a b/\u00e4&")
        page, keys, _ = self.list(EncodingType="url")
        self.assertEqual((page["EncodingType"], keys), ("url", ["a%20b/%C3%A4%26"]))
        self.refused("InvalidArgument", self.s3.list_objects_v2, Bucket=self.name, EncodingType="base64")

    def test_what_is_written_or_deleted_shows_at_once(self):
        for number in range(10):
            self.clients[number % 3].put_object(Bucket=self.name, Key=f"k{number}", Body=b"x")
            self.assertEqual(len(self.list(client=(number + 1) % 3)[1]), number + 1)
        self.clients[0].delete_object(Bucket=self.name, Key="k3")
        self.assertNotIn("k3", self.list(client=2)[1])


if __name__ == "__main__":
    main()
