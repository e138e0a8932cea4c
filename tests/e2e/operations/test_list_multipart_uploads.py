#!/usr/bin/env python3
from support import OperationTest, main


class ListMultipartUploads(OperationTest):
    def begin(self, *keys):
        return {(key, self.s3.create_multipart_upload(Bucket=self.name, Key=key)["UploadId"]) for key in keys}

    def list(self, **words):
        return self.clients[2].list_multipart_uploads(Bucket=self.name, **words)

    def test_open_uploads_are_found_and_can_be_aborted(self):
        uploads = self.begin("a", "b", "b")
        found = {(upload["Key"], upload["UploadId"]) for upload in self.list()["Uploads"]}
        self.assertEqual(found, uploads)
        first = self.list()["Uploads"][0]
        self.assertEqual((first["StorageClass"], len(first["Owner"]["ID"]), len(first["Initiator"]["ID"])), ("STANDARD", 64, 64))
        self.assertIsNotNone(first["Initiated"])
        for key, upload_id in found:
            self.s3.abort_multipart_upload(Bucket=self.name, Key=key, UploadId=upload_id)
        self.assertNotIn("Uploads", self.list())

    def test_pages_by_key_and_upload(self):
        uploads = self.begin("a", "b", "b", "b", "c")
        found, markers = [], {}
        while True:
            page = self.list(MaxUploads=2, **markers)
            found += [(upload["Key"], upload["UploadId"]) for upload in page["Uploads"]]
            if not page["IsTruncated"]:
                break
            markers = {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}
        self.assertEqual((len(found), set(found)), (5, uploads))
        self.assertEqual([key for key, _ in found], ["a", "b", "b", "b", "c"])
        after = self.list(KeyMarker="b")  # without the id of an upload: behind all of this key
        self.assertEqual([upload["Key"] for upload in after["Uploads"]], ["c"])

    def test_prefixes_and_delimiters(self):
        self.begin("p/1", "p/2", "q")
        page = self.list(Delimiter="/")
        self.assertEqual([upload["Key"] for upload in page["Uploads"]], ["q"])
        self.assertEqual(page["CommonPrefixes"], [{"Prefix": "p/"}])
        self.assertEqual([upload["Key"] for upload in self.list(Prefix="p/")["Uploads"]], ["p/1", "p/2"])
        self.refused("InvalidArgument", self.s3.list_multipart_uploads, Bucket=self.name, MaxUploads=-1)
        self.refused("NoSuchBucket", self.s3.list_multipart_uploads, Bucket=self.name + "x")


if __name__ == "__main__":
    main()
