#!/usr/bin/env python3
from support import MIB, OperationTest, main


class GetObjectAttributes(OperationTest):
    ALL = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"]

    def ask(self, attributes=None, **words):
        return self.clients[1].get_object_attributes(Bucket=self.name, Key="k", ObjectAttributes=attributes or self.ALL, **words)

    def test_of_a_plain_object(self):
        put = self.put(body=b"hello", ChecksumAlgorithm="SHA256", StorageClass="STANDARD_IA")
        found = self.ask()
        self.assertEqual((found["ETag"], found["ObjectSize"], found["StorageClass"]), (put["ETag"].strip('"'), 5, "STANDARD_IA"))
        self.assertEqual(found["Checksum"]["ChecksumSHA256"], put["ChecksumSHA256"])
        self.assertNotIn("ObjectParts", found)
        self.assertIsNotNone(found["LastModified"])

    def test_only_what_is_asked_for(self):
        self.put(body=b"hello")
        found = self.ask(["ObjectSize"])
        self.assertEqual({key for key in found if key not in ("ResponseMetadata", "LastModified")}, {"ObjectSize"})
        self.refused("InvalidArgument", self.ask, attributes=["Colour"])

    def test_pages_of_parts(self):
        self.upload((5 * MIB, 5 * MIB, 3))
        first = self.ask(["ObjectParts"], MaxParts=2)["ObjectParts"]
        self.assertEqual((first["TotalPartsCount"], first["IsTruncated"], first["NextPartNumberMarker"], first["MaxParts"]), (3, True, 2, 2))
        self.assertEqual([(part["PartNumber"], part["Size"]) for part in first["Parts"]], [(1, 5 * MIB), (2, 5 * MIB)])
        last = self.ask(["ObjectParts"], MaxParts=2, PartNumberMarker=2)["ObjectParts"]
        self.assertEqual((last["IsTruncated"], last["PartNumberMarker"]), (False, 2))
        self.assertEqual([part["PartNumber"] for part in last["Parts"]], [3])

    def test_of_what_is_not_there(self):
        self.refused("NoSuchKey", self.ask)


if __name__ == "__main__":
    main()
