#!/usr/bin/env python3
from support import OperationTest, main


class DeleteObjects(OperationTest):
    def delete(self, keys, **words):
        return self.clients[1].delete_objects(Bucket=self.name, Delete={"Objects": [{"Key": key} for key in keys], **words})

    def test_each_key_is_told_also_one_that_is_not_there(self):
        for key in ("a", "b", "c"):
            self.put(key)
        answer = self.delete(["a", "b", "none"])
        self.assertEqual(sorted(entry["Key"] for entry in answer["Deleted"]), ["a", "b", "none"])
        self.assertNotIn("Errors", answer)
        self.assertEqual(self.keys(), ["c"])

    def test_quiet_tells_errors_only(self):
        self.put("a")
        answer = self.delete(["a", "x" * 1025], Quiet=True)
        self.assertNotIn("Deleted", answer)
        self.assertEqual([entry["Code"] for entry in answer["Errors"]], ["KeyTooLongError"])
        self.assertEqual(self.keys(), [])

    def test_keys_of_any_characters(self):
        keys = ["a b", "a+b", "&<>'\"", "\u00e4/\U0001f600", "../x", "a//b"]
        for key in keys:
            self.put(key)
        self.assertEqual(len(self.delete(keys)["Deleted"]), len(keys))
        self.assertEqual(self.keys(), [])

    def test_a_condition_for_each(self):
        self.knows("DeleteObjects")
        if "ETag" not in self.model.shape_for("ObjectIdentifier").members:
            self.skipTest("this boto3 is too old for conditions")
        etag = self.put("a")["ETag"]
        self.put("b")
        answer = self.s3.delete_objects(Bucket=self.name, Delete={"Objects": [{"Key": "a", "ETag": etag}, {"Key": "b", "ETag": '"other"'}]})
        self.assertEqual([entry["Key"] for entry in answer["Deleted"]], ["a"])
        self.assertEqual([(entry["Key"], entry["Code"]) for entry in answer["Errors"]], [("b", "PreconditionFailed")])
        self.assertEqual(self.keys(), ["b"])

    def test_what_is_refused_as_a_whole(self):
        self.put("k")
        self.refused("MalformedXML", self.delete, keys=["k"] * 1001)
        self.refused("MalformedXML", self.delete, keys=[])
        self.refused("NoSuchBucket", self.s3.delete_objects, Bucket=self.name + "x", Delete={"Objects": [{"Key": "k"}]})
        self.assertEqual(self.keys(), ["k"])


if __name__ == "__main__":
    main()
