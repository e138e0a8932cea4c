#!/usr/bin/env python3
from support import OperationTest, main


class ListParts(OperationTest):
    def list(self, **words):
        return self.clients[2].list_parts(Bucket=self.name, Key="k", UploadId=self.upload_id, **words)

    def test_parts_and_what_they_belong_to(self):
        self.upload_id, parts, _ = self.upload((5, 6), complete=False, StorageClass="ONEZONE_IA")
        page = self.list()
        self.assertEqual([(part["PartNumber"], part["ETag"]) for part in page["Parts"]], [(p["PartNumber"], p["ETag"]) for p in parts])
        self.assertEqual([part["Size"] for part in page["Parts"]], [5, 6])
        self.assertIsNotNone(page["Parts"][0]["LastModified"])
        self.assertEqual((page["Bucket"], page["Key"], page["UploadId"], page["StorageClass"]), (self.name, "k", self.upload_id, "ONEZONE_IA"))
        self.assertEqual((page["IsTruncated"], page["MaxParts"], page["PartNumberMarker"]), (False, 1000, 0))
        self.assertEqual((len(page["Owner"]["ID"]), len(page["Initiator"]["ID"])), (64, 64))

    def test_pages(self):
        self.upload_id = self.s3.create_multipart_upload(Bucket=self.name, Key="k")["UploadId"]
        numbers = [1, 2, 5, 9, 10000]
        for number in reversed(numbers):
            self.s3.upload_part(Bucket=self.name, Key="k", UploadId=self.upload_id, PartNumber=number, Body=b"x")
        found, marker = [], 0
        while True:
            page = self.list(MaxParts=2, PartNumberMarker=marker)
            found += [part["PartNumber"] for part in page["Parts"]]
            if not page["IsTruncated"]:
                break
            marker = page["NextPartNumberMarker"]
        self.assertEqual(found, numbers)
        self.assertNotIn("Parts", self.list(PartNumberMarker=10000))
        self.assertNotIn("Parts", self.list(MaxParts=0))
        self.refused("InvalidArgument", self.list, MaxParts=-1)
        self.refused("InvalidArgument", self.list, PartNumberMarker=-1)

    def test_of_an_upload_that_is_not_there(self):
        self.upload_id = "none"
        self.refused("NoSuchUpload", self.list)


if __name__ == "__main__":
    main()
