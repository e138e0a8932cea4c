#include "cli/s3_client.h"

#include <gtest/gtest.h>

namespace predastore::cli {
namespace {

// Made with botocore's S3SigV4Auth for this very request.
TEST(SignV4, a_request_is_signed_as_the_aws_sdk_signs_it) {
  SigningInput input;
  input.method = "GET";
  input.path = "/bucket/key";
  input.host = "127.0.0.1:9000";
  input.amz_date = "20261125T120000Z";
  input.payload_sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
  input.region = "us-east-1";
  const node::RootKey key{"AKIDEXAMPLEAKIDEXAMP", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"};
  EXPECT_EQ(sign_v4(input, key),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLEAKIDEXAMP/20261125/us-east-1/s3/aws4_request, "
            "SignedHeaders=host;x-amz-content-sha256;x-amz-date, "
            "Signature=21847a6de0ff6d5af7ec1b55b0882451b400ba6415e4bd65085d8a8d660fc756");
}

}  // namespace
}  // namespace predastore::cli
