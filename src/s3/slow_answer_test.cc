#include "s3/slow_answer.h"

#include "s3/testing/gateway_fixture.h"

namespace predastore::s3 {
namespace {

using testing::Answer;
using testing::GatewayTest;

constexpr std::string_view kDeclaration = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

class SlowAnswerTest : public GatewayTest {
 protected:
  void SetUp() override {
    GatewayTest::SetUp();
    GatewayOptions options;
    options.answer_patience = Duration{0};  // everything is slow
    restart(std::move(options));
    make_bucket();
    put("/bucket/source", "bytes");
  }
  // The declaration, white space, and a document without another declaration.
  static void expect_slow(const Answer& answer) {
    EXPECT_EQ(answer.status, 200u);
    EXPECT_EQ(answer.header("transfer-encoding"), "chunked");
    EXPECT_EQ(answer.header("content-type"), "application/xml");
    ASSERT_TRUE(answer.body.starts_with(kDeclaration)) << answer.body;
    const std::string rest = answer.body.substr(kDeclaration.size());
    const std::size_t root = rest.find('<');
    ASSERT_NE(root, std::string::npos);
    EXPECT_EQ(rest.find_first_not_of(' '), root);
    EXPECT_EQ(rest.find("<?xml"), std::string::npos);
  }
  std::string begin_upload() {
    const std::string id = send("POST", "/bucket/key?uploads").at("UploadId");
    const Answer part = send("PUT", "/bucket/key?partNumber=1&uploadId=" + id, {}, "part");
    etag_ = part.header("etag");
    return id;
  }
  std::string document() const {
    return "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>" + etag_ +
           "</ETag></Part></CompleteMultipartUpload>";
  }
  std::string etag_;
};

TEST_F(SlowAnswerTest, a_completion_is_told_behind_white_space) {
  const std::string id = begin_upload();
  const Answer done = send("POST", "/bucket/key?uploadId=" + id, {}, document());
  expect_slow(done);
  EXPECT_EQ(done.at("Key"), "key");
  EXPECT_EQ(send("GET", "/bucket/key").body, "part");
}

TEST_F(SlowAnswerTest, an_error_is_told_in_the_body_and_in_the_log) {
  const std::string id = begin_upload();
  put("/bucket/key", "there");
  const Answer refused =
      send("POST", "/bucket/key?uploadId=" + id, {{"If-None-Match", "*"}}, document());
  expect_slow(refused);
  EXPECT_EQ(refused.code(), "PreconditionFailed");
  EXPECT_EQ(refused.at("RequestId"), refused.header("x-amz-request-id"));
  wait_for_reports();
  EXPECT_EQ(reports_.back().code, "PreconditionFailed");
  EXPECT_EQ(reports_.back().operation, "CompleteMultipartUpload");
  EXPECT_NE(last_log_line().find("PreconditionFailed"), std::string::npos);
  EXPECT_EQ(send("GET", "/bucket/key").body, "there");
}

TEST_F(SlowAnswerTest, a_refusal_before_the_work_begins_is_an_ordinary_one) {
  const std::string id = begin_upload();
  EXPECT_EQ(code("POST", "/bucket/key?uploadId=" + id, {}, "<junk"), "400 MalformedXML");
  etag_ = "\"0123456789abcdef0123456789abcdef\"";
  EXPECT_EQ(code("POST", "/bucket/key?uploadId=" + id, {}, document()), "400 InvalidPart");
  EXPECT_EQ(code("PUT", "/bucket/copy", {{"x-amz-copy-source", "/bucket/missing"}}),
            "404 NoSuchKey");
}

TEST_F(SlowAnswerTest, copies_are_told_so_as_well) {
  const Answer copied = send("PUT", "/bucket/copy", {{"x-amz-copy-source", "/bucket/source"}});
  expect_slow(copied);
  EXPECT_EQ(copied.at("ETag"), send("HEAD", "/bucket/copy").header("etag"));
  EXPECT_EQ(send("GET", "/bucket/copy").body, "bytes");
  const Answer refused = send("PUT", "/bucket/copy",
                              {{"x-amz-copy-source", "/bucket/source"}, {"If-None-Match", "*"}});
  expect_slow(refused);
  EXPECT_EQ(refused.code(), "PreconditionFailed");
}

}  // namespace
}  // namespace predastore::s3
