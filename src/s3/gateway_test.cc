// The gateway as a whole: ids, errors, refusals, limits, the log.
#include "s3/gateway.h"

#include "s3/testing/gateway_fixture.h"

namespace predastore::s3 {
namespace {

using testing::Answer;
using testing::GatewayTest;

TEST_F(GatewayTest, gives_one_request_id_in_header_body_and_log) {
  const Answer answer = send("GET", "/nosuchbucket/key");
  EXPECT_EQ(answer.status, 404u);
  EXPECT_EQ(answer.code(), "NoSuchBucket");
  EXPECT_EQ(answer.at("Resource"), "/nosuchbucket/key");
  const std::string id = answer.header("x-amz-request-id");
  EXPECT_EQ(id.size(), 16u);
  EXPECT_EQ(answer.at("RequestId"), id);
  EXPECT_EQ(answer.at("HostId"), answer.header("x-amz-id-2"));
  EXPECT_NE(last_log_line().find("\"request_id\":\"" + id + "\""), std::string::npos);
  EXPECT_NE(last_log_line().find("\"operation\":\"GetObject\""), std::string::npos);
  EXPECT_NE(send("GET", "/nosuchbucket/key").header("x-amz-request-id"), id);
}

TEST_F(GatewayTest, names_itself_without_a_version_and_dates_every_answer) {
  for (const char* target : {"/", "/nosuchbucket"}) {
    const Answer answer = send("GET", target);
    EXPECT_EQ(answer.header("server"), "Predastore");
    EXPECT_FALSE(answer.header("date").empty());
    EXPECT_EQ(answer.header("content-type"), "application/xml");
  }
}

TEST_F(GatewayTest, has_no_body_in_errors_of_head) {
  const Answer answer = send("HEAD", "/nosuchbucket/key");
  EXPECT_EQ(answer.status, 404u);
  EXPECT_EQ(answer.body, "");
  EXPECT_EQ(answer.header("x-amz-request-id").size(), 16u);
}

TEST_F(GatewayTest, does_nothing_for_whoever_has_no_signature) {
  make_bucket();
  put("/bucket/key", "body");
  for (const OperationInfo& info : operation_table()) {
    std::string target = info.level == Level::service  ? "/"
                         : info.level == Level::bucket ? "/bucket"
                                                       : "/bucket/key";
    if (!info.selector.empty()) target += "?" + std::string(info.selector);
    if (!info.selector2.empty()) target += "&" + std::string(info.selector2);
    http::RequestHead head;
    head.method = info.method;
    head.target = target;
    head.headers = {{"Host", "127.0.0.1"}};
    if (!info.selecting_header.empty())
      head.headers.add(std::string(info.selecting_header), "/bucket/key");
    EXPECT_EQ(send_as_it_is(head, "").status, 403u) << info.name;
    // The same with a signature that is not ours.
    testing::sign(head, "", {key_.id, "wrongsecretwrongsecret", key_.region},
                  host_.loop.clock().wall_now());
    EXPECT_EQ(send_as_it_is(head, "").status, 403u) << info.name;
  }
  EXPECT_EQ(send("GET", "/bucket/key").body, "body");
}

TEST_F(GatewayTest, tells_nobody_without_a_signature_what_exists) {
  make_bucket();
  put("/bucket/key", "body");
  http::RequestHead head;
  head.headers = {{"Host", "127.0.0.1"}, {"If-None-Match", "*"}};
  head.target = "/bucket/key";
  const Answer there = send_as_it_is(head, "");
  head.target = "/bucket/other";
  const Answer missing = send_as_it_is(head, "");
  EXPECT_EQ(there.status, 403u);
  EXPECT_EQ(missing.status, 403u);
  EXPECT_EQ(there.code(), missing.code());
}

TEST_F(GatewayTest, answers_501_for_every_operation_that_is_not_built) {
  make_bucket();
  put("/bucket/key", "body");
  for (const OperationInfo& info : operation_table()) {
    if (info.is_built() || info.method == "OPTIONS") continue;
    std::string target = info.level == Level::service  ? "/"
                         : info.level == Level::bucket ? "/bucket"
                                                       : "/bucket/key";
    if (!info.selector.empty()) target += "?" + std::string(info.selector);
    if (!info.selector2.empty())
      target += "&" + std::string(info.selector2) +
                (info.selector2.find('=') == std::string_view::npos ? "=1" : "");
    http::Headers headers;
    if (!info.selecting_header.empty())
      headers.add(std::string(info.selecting_header), "/bucket/key");
    const Answer answer = send(std::string(info.method), target, headers);
    EXPECT_EQ(answer.status, 501u) << info.name;
    EXPECT_EQ(answer.code(), "NotImplemented") << info.name;
  }
  EXPECT_EQ(code("GET", "/bucket?brandNewThing"), "501 NotImplemented");
  EXPECT_EQ(send("GET", "/bucket/key").body, "body");
}

TEST_F(GatewayTest, knows_buckets_by_host) {
  make_bucket();
  put("/bucket/a/b", "body");
  EXPECT_EQ(send("GET", "/a/b", {{"Host", "bucket.s3.test:9000"}}).body, "body");
  EXPECT_EQ(send("GET", "/?list-type=2", {{"Host", "bucket.s3.test"}}).at("Contents/Key"), "a/b");
  EXPECT_EQ(send("GET", "/bucket/a/b", {{"Host", "s3.test"}}).body, "body");
}

TEST_F(GatewayTest, refuses_methods_and_addresses_that_are_none) {
  EXPECT_EQ(code("PATCH", "/bucket/key"), "405 MethodNotAllowed");
  EXPECT_EQ(code("PUT", "/"), "405 MethodNotAllowed");
  EXPECT_EQ(code("GET", "/Bad_Bucket/key"), "400 InvalidBucketName");
  EXPECT_EQ(code("PUT", "/bucket/" + std::string(1025, 'k')), "400 KeyTooLongError");
}

TEST_F(GatewayTest, says_which_methods_there_are) {
  const Answer answer = send("PATCH", "/bucket/key");
  EXPECT_EQ(answer.status, 405u);
  EXPECT_EQ(answer.header("allow"), "GET, HEAD, PUT, POST, DELETE, OPTIONS");
  EXPECT_EQ(send("PUT", "/").header("allow"), "GET");
}

TEST_F(GatewayTest, sheds_load_with_slow_down_and_a_time_to_come_again) {
  GatewayOptions options;
  options.requests_max = 0;
  restart(std::move(options));
  const Answer answer = send("GET", "/");
  EXPECT_EQ(answer.status, 503u);
  EXPECT_EQ(answer.code(), "SlowDown");
  EXPECT_EQ(answer.header("retry-after"), "1");
}

TEST_F(GatewayTest, bounds_the_memory_of_documents_and_gives_it_back) {
  GatewayOptions options;
  options.document_bytes = kDocumentBytesMin;
  restart(std::move(options));
  make_bucket();
  // Each takes all there is, or much of it: a share that is not given back is missed by the next.
  const std::string blank(kDeleteBodyMaxBytes, ' ');
  const http::Headers md5{{"Content-MD5", to_base64(as_bytes(digest::md5(blank)))}};
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(code("POST", "/bucket?delete", md5, blank), "400 MalformedXML");
    EXPECT_EQ(send("GET", "/bucket").status, 200u);
  }
}

TEST_F(GatewayTest, names_a_full_cluster_and_hides_other_inner_errors) {
  make_bucket();
  objects_->refuse_writes = Error{ErrorCode::NoSpace, "drive d1 is full"};
  EXPECT_EQ(code("PUT", "/bucket/key", {}, "x"), "507 InsufficientStorage");
  objects_->refuse_writes = Error{ErrorCode::Unavailable, "queue"};
  EXPECT_EQ(code("PUT", "/bucket/key", {}, "x"), "503 SlowDown");
  objects_->refuse_writes = Error{ErrorCode::TimedOut, "the inside"};
  const Answer answer = send("PUT", "/bucket/key", {}, "x");
  EXPECT_EQ(answer.status, 500u);
  EXPECT_EQ(answer.body.find("the inside"), std::string::npos);
  EXPECT_NE(last_log_line().find("the inside"), std::string::npos);
}

TEST_F(GatewayTest, breaks_off_an_answer_that_it_cannot_finish) {
  make_bucket();
  put("/bucket/key", std::string(100'000, 'x'));
  objects_->unreadable_from = 50'000;
  const Answer broken = send("GET", "/bucket/key");
  EXPECT_EQ(broken.status, 0u) << "a clean end after half an object";
  EXPECT_TRUE(reports_.back().is_aborted);
  EXPECT_EQ(reports_.back().bytes_out, 50'000u);
  // What cannot be had from its first byte on is an error with a name.
  objects_->unreadable_from = 0;
  connect();
  EXPECT_EQ(code("GET", "/bucket/key"), "500 InternalError");
}

TEST_F(GatewayTest, reports_each_request_once) {
  make_bucket();
  reports_.clear();
  put("/bucket/key", "12345");
  (void)send("GET", "/bucket/key");
  (void)send("GET", "/bucket/other");
  ASSERT_EQ(reports_.size(), 3u);
  EXPECT_EQ(reports_[0].operation, "PutObject");
  EXPECT_EQ(reports_[0].bytes_in, 5u);
  EXPECT_EQ(reports_[1].operation, "GetObject");
  EXPECT_EQ(reports_[1].bytes_out, 5u);
  EXPECT_EQ(reports_[1].code, "");
  EXPECT_EQ(reports_[2].code, "NoSuchKey");
  EXPECT_EQ(reports_[2].status, 404u);
  EXPECT_EQ(gateway_->in_flight(), 0u);
}

TEST_F(GatewayTest, holds_the_expected_owner_against_the_real_one) {
  make_bucket();
  EXPECT_EQ(code("GET", "/bucket", {{"x-amz-expected-bucket-owner", "123456789012"}}),
            "403 AccessDenied");
  EXPECT_EQ(send("GET", "/bucket", {{"x-amz-expected-bucket-owner", "000000000000"}}).status, 200u);
  const http::Headers other_source{{"x-amz-copy-source", "/bucket/key"},
                                   {"x-amz-source-expected-bucket-owner", "123456789012"}};
  EXPECT_EQ(code("PUT", "/bucket/copy", other_source), "403 AccessDenied");
}

}  // namespace
}  // namespace predastore::s3
