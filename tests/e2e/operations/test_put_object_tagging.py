#!/usr/bin/env python3
from support import OperationTest, main


class PutObjectTagging(OperationTest):
    def tag(self, tags, key="k"):
        return self.clients[1].put_object_tagging(Bucket=self.name, Key=key, Tagging={"TagSet": [{"Key": k, "Value": v} for k, v in tags]})

    def tags(self):
        return [(tag["Key"], tag["Value"]) for tag in self.clients[2].get_object_tagging(Bucket=self.name, Key="k")["TagSet"]]

    def test_tags_replace_those_before_and_change_nothing_else(self):
        self.put(Tagging="old=1", Metadata={"a": "b"})
        before = self.s3.head_object(Bucket=self.name, Key="k")
        self.tag([("a", "1"), ("b", "")])
        self.assertEqual(self.tags(), [("a", "1"), ("b", "")])
        after = self.s3.head_object(Bucket=self.name, Key="k")
        for member in ("ETag", "LastModified", "Metadata"):
            self.assertEqual(after[member], before[member])
        self.tag([])
        self.assertEqual(self.tags(), [])

    def test_limits(self):
        self.put()
        self.tag([(f"{number}", "v" * 256) for number in range(9)] + [("k" * 128, "")])
        for tags, code in (([(str(i), "") for i in range(11)], "BadRequest"), ([("k" * 129, "")], "InvalidTag"), ([("k", "v" * 257)], "InvalidTag"),
                           ([("aws:x", "")], "InvalidTag"), ([("a", "1"), ("a", "2")], "InvalidTag"), ([("a", "<")], "InvalidTag")):
            self.refused(code, self.tag, tags=tags)
        self.assertEqual(len(self.tags()), 10)
        self.refused("NoSuchKey", self.tag, tags=[], key="none")


if __name__ == "__main__":
    main()
