#!/usr/bin/env python3
from support import OperationTest, main


class GetObjectTagging(OperationTest):
    def test_tags_come_back_in_the_order_of_their_names(self):
        self.put(Tagging="b=2&a=1&c=%C3%BC%20%2B")
        for client in self.clients:
            self.assertEqual(client.get_object_tagging(Bucket=self.name, Key="k")["TagSet"],
                             [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}, {"Key": "c", "Value": "\u00fc +"}])
        self.assertEqual(self.s3.get_object(Bucket=self.name, Key="k")["TagCount"], 3)

    def test_of_none_and_of_nothing(self):
        self.put()
        self.assertEqual(self.s3.get_object_tagging(Bucket=self.name, Key="k")["TagSet"], [])
        self.assertNotIn("TagCount", self.s3.get_object(Bucket=self.name, Key="k"))
        self.refused("NoSuchKey", self.s3.get_object_tagging, Bucket=self.name, Key="none")


if __name__ == "__main__":
    main()
