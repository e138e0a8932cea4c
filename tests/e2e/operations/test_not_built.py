#!/usr/bin/env python3
"""Every operation that docs/s3.md says is not built answers 501, by whatever this boto3 calls it, and changes nothing."""
import datetime

from support import OperationTest, main, table

# Those for directory buckets, which boto3 sends to addresses of AWS.
ELSEWHERE = {"ListDirectoryBuckets", "CreateSession"}
# No calls of an SDK: forms and preflights of browsers, and PutObject with an offset, which no boto3 has.
NO_CALLS = {"PostObject", "PreflightBucket", "PreflightObject", "AppendObject"}


class NotBuilt(OperationTest):
    def made_up(self, shape, depth=0):
        """The least that this shape of boto3's model takes."""
        if shape.type_name == "structure":
            if getattr(shape, "is_tagged_union", False):  # one of its members
                name, member = next(iter(shape.members.items()))
                return {name: self.made_up(member, depth + 1)}
            return {name: self.made_up(member, depth + 1) for name, member in shape.members.items() if name in shape.required_members}
        if shape.type_name == "list":
            return [self.made_up(shape.member, depth + 1)]
        if shape.type_name == "map":
            return {}
        if shape.type_name == "string":
            return shape.enum[0] if shape.enum else "x" * max(1, shape.metadata.get("min", 1))
        return {"integer": 1, "long": 1, "boolean": True, "blob": b"x", "timestamp": datetime.datetime(2030, 1, 1)}[shape.type_name]

    def test_each_says_so(self):
        self.put()
        asked = 0
        for operation, state in table().items():
            if state != "no" or operation in ELSEWHERE | NO_CALLS or operation not in self.model.operation_names:
                continue
            shape = self.model.operation_model(operation).input_shape
            words = {**self.made_up(shape), "Bucket": self.name}
            if "Key" in shape.members:
                words["Key"] = "k"
            with self.subTest(operation):
                error = self.refused("NotImplemented", lambda: self.s3._make_api_call(operation, words))
                self.assertEqual((self.status(error), error["Error"]["Header"]), (501, operation))
                asked += 1
        self.assertGreater(asked, 50)
        self.assertEqual((self.keys(), self.body()), (["k"], b"x"))


if __name__ == "__main__":
    main()
