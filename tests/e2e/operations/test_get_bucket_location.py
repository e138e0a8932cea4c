#!/usr/bin/env python3
from support import OperationTest, main


class GetBucketLocation(OperationTest):
    def test_the_first_region_has_no_name(self):
        self.assertIsNone(self.s3.get_bucket_location(Bucket=self.name)["LocationConstraint"])

    def test_of_a_bucket_that_is_not_there(self):
        self.refused("NoSuchBucket", self.clients[1].get_bucket_location, Bucket=self.name + "x")


if __name__ == "__main__":
    main()
