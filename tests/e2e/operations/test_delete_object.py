#!/usr/bin/env python3
from support import OperationTest, main


class DeleteObject(OperationTest):
    def test_deleted_is_gone_everywhere_at_once(self):
        for client in self.clients:
            self.put()
            self.assertEqual(self.status(client.delete_object(Bucket=self.name, Key="k")), 204)
            self.absent()

    def test_what_is_not_there_is_deleted_too(self):
        self.assertEqual(self.status(self.s3.delete_object(Bucket=self.name, Key="none")), 204)
        self.refused("NoSuchBucket", self.s3.delete_object, Bucket=self.name + "x", Key="k")

    def test_a_name_is_not_its_neighbours(self):
        for key in ("a", "a/", "a/b", "a//b"):
            self.put(key)
        self.s3.delete_object(Bucket=self.name, Key="a/")
        self.assertEqual(self.keys(), ["a", "a//b", "a/b"])

    def test_conditions(self):
        self.knows("DeleteObject", "IfMatch")
        etag = self.put()["ETag"]
        self.assertEqual(self.status(self.refused("PreconditionFailed", self.s3.delete_object, Bucket=self.name, Key="k", IfMatch='"x"')), 412)
        self.assertEqual(self.body(), b"x")
        self.s3.delete_object(Bucket=self.name, Key="k", IfMatch=etag)
        self.absent()
        self.refused("NoSuchKey", self.s3.delete_object, Bucket=self.name, Key="k", IfMatch=etag)
        self.put()
        self.s3.delete_object(Bucket=self.name, Key="k", IfMatch="*")
        self.absent()


if __name__ == "__main__":
    main()
