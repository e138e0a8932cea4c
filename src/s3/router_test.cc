#include "s3/router.h"

#include <gtest/gtest.h>

#include <set>

#include "s3/names.h"

namespace predastore::s3 {
namespace {

std::string routed(std::string_view method, Level level, std::string_view query,
                   const http::Headers& headers = {}) {
  const auto parsed = Query::parse(query);
  if (!parsed) return std::string(parsed.error().name());
  const auto info = route(method, level, *parsed, headers);
  return std::string(info ? (*info)->name : info.error().name());
}

// A request that asks for exactly this operation.
std::string query_of(const OperationInfo& info) {
  std::string query;
  for (std::string selector : {std::string(info.selector), std::string(info.selector2)}) {
    if (selector.empty()) continue;
    if (!query.empty()) query += '&';
    query += selector;
    if (selector == "uploadId" || selector == "partNumber") query += "=7";
  }
  return query;
}
http::Headers headers_of(const OperationInfo& info) {
  http::Headers headers;
  if (!info.selecting_header.empty()) headers.add(std::string(info.selecting_header), "/b/k");
  return headers;
}

TEST(Router, reaches_every_operation_of_the_table) {
  std::set<std::string_view> names;
  for (const OperationInfo& info : operation_table()) {
    EXPECT_EQ(routed(info.method, info.level, query_of(info), headers_of(info)), info.name);
    EXPECT_TRUE(names.insert(info.name).second) << info.name;
  }
  EXPECT_GT(names.size(), 100u);
}

TEST(Router, does_not_leave_a_sub_resource_out_of_account) {
  // Every pair of a built operation and a foreign sub-resource.
  for (const OperationInfo& built : operation_table()) {
    if (!built.is_built()) continue;
    for (const OperationInfo& other : operation_table()) {
      if (other.selector.empty() || other.selector == built.selector) continue;
      std::string query = query_of(built);
      if (!query.empty()) query += '&';
      query += other.selector;
      const auto parsed = Query::parse(query);
      ASSERT_TRUE(parsed.has_value());
      const auto info = route(built.method, built.level, *parsed, headers_of(built));
      EXPECT_TRUE(!info || (*info)->operation != built.operation) << built.name << " " << query;
    }
  }
}

TEST(Router, answers_unknown_sub_resources_with_not_implemented) {
  EXPECT_EQ(routed("GET", Level::bucket, "brandNewThing"), "NotImplemented");
  EXPECT_EQ(routed("PUT", Level::object, "brandNewThing="), "NotImplemented");
  EXPECT_EQ(routed("DELETE", Level::bucket, "uploads"), "NotImplemented");
  EXPECT_EQ(routed("PUT", Level::object, "partNumber=1"), "NotImplemented");
  EXPECT_EQ(routed("PUT", Level::object, "uploadId=1"), "NotImplemented");
  EXPECT_EQ(routed("GET", Level::bucket, "list-type=3"), "NotImplemented");
}

TEST(Router, ignores_parameters_that_are_for_others) {
  EXPECT_EQ(routed("GET", Level::object, "x-id=GetObject&X-Amz-Signature=1"), "GetObject");
  EXPECT_EQ(routed("PUT", Level::object, "x-id=PutObject"), "PutObject");
  EXPECT_EQ(routed("GET", Level::object, "v=123"), "GetObject");
  EXPECT_EQ(routed("GET", Level::object, "prefix=a"), "GetObject");
}

TEST(Router, tells_the_operations_of_one_key_apart) {
  EXPECT_EQ(routed("GET", Level::object, "partNumber=3"), "GetObject");
  EXPECT_EQ(routed("HEAD", Level::object, "partNumber=3&versionId=null"), "HeadObject");
  EXPECT_EQ(routed("GET", Level::object, "uploadId=u&max-parts=3"), "ListParts");
  EXPECT_EQ(routed("PUT", Level::object, "uploadId=u&partNumber=3"), "UploadPart");
  const http::Headers copy{{"X-Amz-Copy-Source", "/a/b"}};
  EXPECT_EQ(routed("PUT", Level::object, "uploadId=u&partNumber=3", copy), "UploadPartCopy");
  EXPECT_EQ(routed("PUT", Level::object, "", copy), "CopyObject");
  EXPECT_EQ(routed("GET", Level::bucket, "analytics"), "ListBucketAnalyticsConfigurations");
  EXPECT_EQ(routed("GET", Level::bucket, "analytics&id=1"), "GetBucketAnalyticsConfiguration");
}

TEST(Router, says_which_methods_nothing_is_known_for) {
  EXPECT_EQ(routed("PATCH", Level::object, ""), "MethodNotAllowed");
  EXPECT_EQ(routed("POST", Level::object, ""), "MethodNotAllowed");
  EXPECT_EQ(routed("PUT", Level::service, ""), "MethodNotAllowed");
  EXPECT_EQ(routed("get", Level::object, ""), "MethodNotAllowed");
}

Address at(std::string_view host, std::string_view path) {
  static const std::vector<std::string> kDomains{"s3.example.org", "localhost"};
  auto address = parse_address(host, path, kDomains);
  EXPECT_TRUE(address.has_value()) << path;
  return address ? *address : Address{};
}
std::string refused(std::string_view path) {
  auto address = parse_address("127.0.0.1:9000", path, {});
  return address ? "accepted" : std::string(address.error().name());
}

TEST(Router, finds_bucket_and_key_in_the_path) {
  EXPECT_EQ(at("127.0.0.1:9000", "/").level, Level::service);
  EXPECT_EQ(at("127.0.0.1:9000", "/bucket").level, Level::bucket);
  EXPECT_EQ(at("127.0.0.1:9000", "/bucket/").level, Level::bucket);
  const Address address = at("[::1]:9000", "/bucket/a/b");
  EXPECT_EQ(address.level, Level::object);
  EXPECT_EQ(address.bucket, "bucket");
  EXPECT_EQ(address.key, "a/b");
}

TEST(Router, finds_the_bucket_in_the_host) {
  for (const char* host : {"bucket.s3.example.org", "bucket.s3.example.org:9000",
                           "BUCKET.S3.Example.Org", "bucket.localhost:9000", "bucket.localhost."}) {
    const Address address = at(host, "/photos/a");
    EXPECT_EQ(address.bucket, "bucket") << host;
    EXPECT_EQ(address.key, "photos/a") << host;
  }
  EXPECT_EQ(at("a.b.c.s3.example.org", "/").bucket, "a.b.c");
  EXPECT_EQ(at("bucket.localhost", "/").level, Level::bucket);
  EXPECT_EQ(at("s3.example.org", "/bucket/key").bucket, "bucket");
  EXPECT_EQ(at("xs3.example.org", "/bucket/key").bucket, "bucket");
  EXPECT_EQ(at("", "/bucket/key").bucket, "bucket");
  EXPECT_EQ(at("[::1]:9000", "/bucket/key").bucket, "bucket");
}

TEST(Router, takes_keys_as_they_are) {
  EXPECT_EQ(at("h", "/bucket//a").key, "/a");
  EXPECT_EQ(at("h", "/bucket/../../etc").key, "../../etc");
  EXPECT_EQ(at("h", "/bucket/%2e%2e%2Fx").key, "../x");
  EXPECT_EQ(at("h", "/bucket/a//b/").key, "a//b/");
  EXPECT_EQ(at("h", "/bucket/a+b%20c").key, "a+b c");
  EXPECT_EQ(at("h", "/bucket/%F0%9F%98%80").key, "\xf0\x9f\x98\x80");
  EXPECT_EQ(at("h", "/bucket/%00").key, std::string(1, '\0'));
  EXPECT_EQ(at("h", "/bucket/%2F").key, "/");
}

TEST(Router, refuses_addresses_that_are_none) {
  EXPECT_EQ(refused("*"), "InvalidURI");
  EXPECT_EQ(refused("/bucket/%zz"), "InvalidURI");
  EXPECT_EQ(refused("/bucket/%ff"), "InvalidURI");
  EXPECT_EQ(refused("/bucket/%ed%a0%80"), "InvalidURI");
  EXPECT_EQ(refused("//key"), "InvalidBucketName");
  EXPECT_EQ(refused("/a%2Fb/key"), "InvalidBucketName");
  EXPECT_EQ(refused("/../key"), "InvalidBucketName");
  EXPECT_EQ(refused("/bucket/" + std::string(1024, 'k')), "accepted");
  EXPECT_EQ(refused("/bucket/" + std::string(1025, 'k')), "KeyTooLongError");
}

TEST(Names, follow_the_rules_of_general_purpose_buckets) {
  const std::string longest(63, 'a');
  for (const std::string good : {"abc", "a-b", "a.b", "1bucket", "bucket1", "a--b", "a-.b", "1.2.3",
                                 "1.2.3.4.5", "a.1.2.3", longest.c_str(), "192-168-0-1"})
    EXPECT_TRUE(is_bucket_name(good)) << good;
  const std::string too_long(64, 'a');
  for (const std::string bad : {"",
                                "a",
                                "ab",
                                too_long.c_str(),
                                "Bucket",
                                "a_b",
                                "-ab",
                                "ab-",
                                ".ab",
                                "ab.",
                                "a..b",
                                "192.168.5.4",
                                "999.1.1.1",
                                "xn--abc",
                                "sthree-abc",
                                "amzn-s3-demo-abc",
                                "abc-s3alias",
                                "abc--ol-s3",
                                "abc.mrap",
                                "abc--x-s3",
                                "a b",
                                "a/b",
                                "b\xc3\xa9t"})
    EXPECT_FALSE(is_bucket_name(bad)) << bad;
}

}  // namespace
}  // namespace predastore::s3
