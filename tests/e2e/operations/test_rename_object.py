#!/usr/bin/env python3
from support import OperationTest, main


class RenameObject(OperationTest):
    def setUp(self):
        super().setUp()
        self.knows("RenameObject")
        self.etag = self.put("old name", b"body", Metadata={"a": "b"})["ETag"]

    def rename(self, key="new", source="old%20name", client=1, **words):
        return self.clients[client].rename_object(Bucket=self.name, Key=key, RenameSource=source, **words)

    def test_the_object_has_another_name_and_is_the_same(self):
        before = self.s3.head_object(Bucket=self.name, Key="old name")
        self.rename()
        self.absent("old name")
        after = self.s3.head_object(Bucket=self.name, Key="new")
        for member in ("ETag", "LastModified", "ContentLength", "Metadata"):
            self.assertEqual(after[member], before[member])
        self.assertEqual((self.body("new"), self.keys()), (b"body", ["new"]))

    def test_conditions(self):
        other = self.put("new", b"other")["ETag"]
        for words in ({"DestinationIfNoneMatch": "*"}, {"SourceIfMatch": '"x"'}, {"DestinationIfMatch": '"x"'}, {"SourceIfNoneMatch": self.etag}):
            self.refused("PreconditionFailed", self.rename, **words)
        self.assertEqual(self.keys(), ["new", "old name"])
        self.rename(SourceIfMatch=self.etag, DestinationIfMatch=other)
        self.assertEqual(self.body("new"), b"body")

    def test_a_repeat_does_no_harm(self):
        self.rename(ClientToken="once")
        self.rename(ClientToken="once")
        self.assertEqual(self.keys(), ["new"])
        self.refused("IdempotencyParameterMismatch", self.rename, key="third", ClientToken="once")
        self.refused("NoSuchKey", self.rename, ClientToken="again")

    def test_what_is_refused(self):
        self.refused("NoSuchKey", self.rename, source="none")
        self.refused("InvalidRequest", self.rename, key="directory/")


if __name__ == "__main__":
    main()
