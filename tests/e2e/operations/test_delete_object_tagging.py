#!/usr/bin/env python3
from support import OperationTest, main


class DeleteObjectTagging(OperationTest):
    def test_tags_go_and_the_object_stays(self):
        self.put(Tagging="a=1")
        self.assertEqual(self.status(self.clients[1].delete_object_tagging(Bucket=self.name, Key="k")), 204)
        self.assertEqual(self.clients[2].get_object_tagging(Bucket=self.name, Key="k")["TagSet"], [])
        self.assertEqual(self.body(), b"x")
        self.assertEqual(self.status(self.s3.delete_object_tagging(Bucket=self.name, Key="k")), 204)
        self.refused("NoSuchKey", self.s3.delete_object_tagging, Bucket=self.name, Key="none")


if __name__ == "__main__":
    main()
