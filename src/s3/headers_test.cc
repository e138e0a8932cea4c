// Ranges, dates, conditions and the headers of objects.
#include <gtest/gtest.h>

#include "s3/conditions.h"
#include "s3/dates.h"
#include "s3/object_headers.h"
#include "s3/range.h"

namespace predastore::s3 {
namespace {

std::string ranged(std::string_view header, std::uint64_t size) {
  const auto range = parse_range(header, size);
  if (!range) return std::string(range.error().name());
  if (!*range) return "whole";
  return std::to_string((*range)->first) + "-" + std::to_string((*range)->last);
}

TEST(Range, reads_every_form_of_one_range) {
  EXPECT_EQ(ranged("bytes=0-0", 10), "0-0");
  EXPECT_EQ(ranged("bytes=0-9", 10), "0-9");
  EXPECT_EQ(ranged("bytes=9-9", 10), "9-9");
  EXPECT_EQ(ranged("bytes=3-", 10), "3-9");
  EXPECT_EQ(ranged("bytes=-3", 10), "7-9");
  EXPECT_EQ(ranged("bytes=-99", 10), "0-9");
  EXPECT_EQ(ranged("bytes=5-99", 10), "5-9");
  EXPECT_EQ(ranged("Bytes = 1 - 2 ", 10), "1-2");
  EXPECT_EQ(ranged("bytes=5-99999999999999999999999", 10), "5-9");
  EXPECT_EQ(ranged("bytes=-99999999999999999999999", 10), "0-9");
}

TEST(Range, refuses_what_holds_no_byte) {
  EXPECT_EQ(ranged("bytes=10-", 10), "InvalidRange");
  EXPECT_EQ(ranged("bytes=10-11", 10), "InvalidRange");
  EXPECT_EQ(ranged("bytes=-0", 10), "InvalidRange");
  EXPECT_EQ(ranged("bytes=0-", 0), "InvalidRange");
  EXPECT_EQ(ranged("bytes=-1", 0), "InvalidRange");
  EXPECT_EQ(ranged("bytes=99999999999999999999999-", 10), "InvalidRange");
}

TEST(Range, ignores_what_is_no_single_range_of_bytes) {
  for (const char* header :
       {"", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=1", "items=0-1", "bytes=0-1,3-4",
        "bytes=5-3", "bytes=--3", "bytes=+1-2", "bytes=1-2-3"})
    EXPECT_EQ(ranged(header, 10), "whole") << header;
}

TEST(Range, of_a_copy_has_one_form) {
  EXPECT_EQ(parse_copy_range("bytes=2-9", 10)->last, 9u);
  for (const char* bad : {"bytes=2-10", "bytes=2-", "bytes=-2", "2-3", "bytes=3-2", "bytes=2-3 "})
    EXPECT_EQ(parse_copy_range(bad, 10).error().code, S3Code::InvalidArgument) << bad;
}

constexpr std::int64_t kTime = 784'111'777'000;  // 1994-11-06T08:49:37Z

TEST(Dates, are_written_as_headers_and_xml_have_them) {
  EXPECT_EQ(http_date(kTime + 999), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(iso8601(kTime + 7), "1994-11-06T08:49:37.007Z");
  EXPECT_EQ(http_date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
  EXPECT_EQ(iso8601(951'782'400'000), "2000-02-29T00:00:00.000Z");
  EXPECT_EQ(iso8601(1'798'761'599'999), "2026-12-31T23:59:59.999Z");
  EXPECT_EQ(iso8601(253'402'300'799'999), "9999-12-31T23:59:59.999Z");
}

TEST(Dates, are_read_in_all_forms) {
  for (const char* text :
       {"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994", "1994-11-06T08:49:37Z", "1994-11-06T08:49:37.123Z"})
    EXPECT_EQ(parse_http_date(text), kTime / 1000) << text;
  for (const char* text : {"", "now", "Sun, 06 Nov 1994 08:49:37", "Sun, 31 Feb 1994 08:49:37 GMT",
                           "Sun, 06 Nov 1994 24:49:37 GMT", "Sun, 06 Xxx 1994 08:49:37 GMT",
                           "Sun, 06 Nov 1994 08:49:37 GMT!", "1994-11-06", "-1994-11-06T08:49:37Z"})
    EXPECT_FALSE(parse_http_date(text).has_value()) << text;
}

TEST(Dates, come_back_for_many_days) {
  for (std::int64_t day = 0; day < 60'000; day += 17)
    EXPECT_EQ(parse_http_date(http_date(day * 86'400'000 + 45'296'000)), day * 86'400 + 45'296);
}

std::string checked(http::Headers headers) {
  const auto result = ReadConditions::of(headers).check("abc", kTime + 500);
  return result ? "held" : std::string(result.error().name());
}
constexpr const char* kSame = "Sun, 06 Nov 1994 08:49:37 GMT";
constexpr const char* kBefore = "Sun, 06 Nov 1994 08:49:36 GMT";
constexpr const char* kAfter = "Sun, 06 Nov 1994 08:49:38 GMT";

TEST(Conditions, hold_alone_as_aws_has_them) {
  EXPECT_EQ(checked({}), "held");
  EXPECT_EQ(checked({{"If-Match", "\"abc\""}}), "held");
  EXPECT_EQ(checked({{"If-Match", "abc"}}), "held");
  EXPECT_EQ(checked({{"If-Match", "*"}}), "held");
  EXPECT_EQ(checked({{"If-Match", "\"x\", \"abc\""}}), "held");
  EXPECT_EQ(checked({{"If-Match", "\"x\""}}), "PreconditionFailed");
  EXPECT_EQ(checked({{"If-None-Match", "\"abc\""}}), "NotModified");
  EXPECT_EQ(checked({{"If-None-Match", "W/\"abc\""}}), "NotModified");
  EXPECT_EQ(checked({{"If-None-Match", "*"}}), "NotModified");
  EXPECT_EQ(checked({{"If-None-Match", "\"x\""}}), "held");
  EXPECT_EQ(checked({{"If-Modified-Since", kSame}}), "NotModified");
  EXPECT_EQ(checked({{"If-Modified-Since", kAfter}}), "NotModified");
  EXPECT_EQ(checked({{"If-Modified-Since", kBefore}}), "held");
  EXPECT_EQ(checked({{"If-Unmodified-Since", kSame}}), "held");
  EXPECT_EQ(checked({{"If-Unmodified-Since", kBefore}}), "PreconditionFailed");
  EXPECT_EQ(checked({{"If-Modified-Since", "yesterday"}}), "held");
  EXPECT_EQ(checked({{"If-Unmodified-Since", "yesterday"}}), "held");
}

TEST(Conditions, have_the_precedence_of_rfc_9110) {
  EXPECT_EQ(checked({{"If-Match", "\"abc\""}, {"If-Unmodified-Since", kBefore}}), "held");
  EXPECT_EQ(checked({{"If-None-Match", "\"x\""}, {"If-Modified-Since", kAfter}}), "held");
  EXPECT_EQ(checked({{"If-None-Match", "\"abc\""}, {"If-Modified-Since", kBefore}}), "NotModified");
  EXPECT_EQ(checked({{"If-Match", "\"x\""}, {"If-None-Match", "\"abc\""}}), "PreconditionFailed");
  EXPECT_EQ(checked({{"If-Match", "\"abc\""}, {"If-None-Match", "\"abc\""}}), "NotModified");
}

TEST(Conditions, of_a_range_name_the_object_as_it_is) {
  EXPECT_TRUE(range_still_applies({}, "abc", kTime));
  EXPECT_TRUE(range_still_applies({{"If-Range", "\"abc\""}}, "abc", kTime));
  EXPECT_FALSE(range_still_applies({{"If-Range", "W/\"abc\""}}, "abc", kTime));
  EXPECT_FALSE(range_still_applies({{"If-Range", "\"abd\""}}, "abc", kTime));
  EXPECT_TRUE(range_still_applies({{"If-Range", kSame}}, "abc", kTime));
  EXPECT_FALSE(range_still_applies({{"If-Range", kAfter}}, "abc", kTime));
}

TEST(Conditions, of_a_write_are_those_that_are_decided_in_the_log) {
  EXPECT_FALSE(write_precondition({})->if_match.has_value());
  EXPECT_TRUE(write_precondition({{"If-None-Match", "*"}})->if_none_match_any);
  EXPECT_TRUE(write_precondition({{"If-None-Match", "\"*\""}})->if_none_match_any);
  EXPECT_EQ(write_precondition({{"If-Match", "\"abc\""}})->if_match, "abc");
  EXPECT_EQ(write_precondition({{"If-None-Match", "\"abc\""}}).error().code,
            S3Code::NotImplemented);
  EXPECT_EQ(write_precondition({{"If-Modified-Since", kSame}}).error().code,
            S3Code::NotImplemented);
  EXPECT_EQ(write_precondition({{"If-Match", ""}}).error().code, S3Code::InvalidArgument);
  EXPECT_EQ(write_precondition({{"If-Match", "\"a\",\"b\""}}).error().code,
            S3Code::InvalidArgument);
}

TEST(ObjectHeaders, keep_content_headers_and_user_metadata) {
  const auto found = object_headers({{"Content-Type", "text/plain"},
                                     {"CACHE-Control", "no-cache"},
                                     {"x-amz-meta-Name", "a"},
                                     {"X-Amz-Meta-name", "b"},
                                     {"x-amz-meta-", "nothing"},
                                     {"x-amz-date", "x"},
                                     {"content-length", "3"}});
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->headers, (std::map<std::string, std::string>{{"content-type", "text/plain"},
                                                                {"cache-control", "no-cache"}}));
  EXPECT_EQ(found->user_metadata, (std::map<std::string, std::string>{{"name", "a,b"}}));
}

TEST(ObjectHeaders, leave_aws_chunked_out_of_the_encoding) {
  const auto encoding = [](std::string value) {
    const auto found = object_headers({{"Content-Encoding", std::move(value)}});
    const auto at = found->headers.find("content-encoding");
    return at == found->headers.end() ? std::string("none") : at->second;
  };
  EXPECT_EQ(encoding("aws-chunked"), "none");
  EXPECT_EQ(encoding("aws-chunked,gzip"), "gzip");
  EXPECT_EQ(encoding("gzip, AWS-chunked , br"), "gzip,br");
  EXPECT_EQ(encoding("gzip"), "gzip");
}

TEST(ObjectHeaders, bound_user_metadata_at_2_kib_of_names_and_values) {
  EXPECT_TRUE(object_headers({{"x-amz-meta-ab", std::string(2046, 'v')}}).has_value());
  EXPECT_EQ(object_headers({{"x-amz-meta-ab", std::string(2047, 'v')}}).error().code,
            S3Code::MetadataTooLarge);
  EXPECT_EQ(object_headers({{"x-amz-meta-a", std::string(1024, 'v')},
                            {"x-amz-meta-a", std::string(1023, 'v')}})
                .error()
                .code,
            S3Code::MetadataTooLarge);
}

TEST(ObjectHeaders, refuse_values_that_would_split_an_answer) {
  for (const std::string bad : {"a\r\nb", "a\nb", "a\x01", "\x7f", "\xff"})
    EXPECT_EQ(object_headers({{"x-amz-meta-a", bad}}).error().code, S3Code::InvalidArgument);
  EXPECT_TRUE(object_headers({{"x-amz-meta-a", "gr\xc3\xbc\xc3\x9f"}}).has_value());
}

TEST(ObjectHeaders, refuse_what_is_not_built) {
  const auto code = [](std::string name, std::string value) {
    const auto result = refuse_unbuilt({{std::move(name), std::move(value)}});
    return result ? std::string("taken") : std::string(result.error().name());
  };
  EXPECT_EQ(code("x-amz-server-side-encryption", "AES256"), "NotImplemented");
  EXPECT_EQ(code("x-amz-server-side-encryption-customer-algorithm", "AES256"), "NotImplemented");
  EXPECT_EQ(code("x-amz-object-lock-mode", "GOVERNANCE"), "NotImplemented");
  for (const char* taken : {"STANDARD", "REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA",
                            "INTELLIGENT_TIERING", "GLACIER_IR"})
    EXPECT_EQ(code("x-amz-storage-class", taken), "taken") << taken;
  for (const char* other :
       {"", "standard", "GLACIER", "DEEP_ARCHIVE", "OUTPOSTS", "SNOW", "EXPRESS_ONEZONE", "FAST"})
    EXPECT_EQ(code("x-amz-storage-class", other), "InvalidStorageClass") << other;
  EXPECT_EQ(code("x-amz-acl", "private"), "taken");
  EXPECT_EQ(code("x-amz-acl", "public-read"), "AccessControlListNotSupported");
  EXPECT_EQ(code("x-amz-grant-read", "id=1"), "AccessControlListNotSupported");
}

TEST(ObjectHeaders, answer_with_overrides_of_the_query) {
  ObjectRecord record;
  record.etag = "abc";
  record.last_modified_ms = kTime;
  record.headers = {{"content-type", "text/plain"}, {"content-language", "de"}};
  record.user_metadata = {{"name", "v"}};
  const auto query = Query::parse(
      "response-content-type=image%2Fpng&response-content-disposition=attachment%3B+filename%3Da");
  const auto headers = answer_headers(record, *query);
  ASSERT_TRUE(headers.has_value());
  EXPECT_EQ(headers->get("content-type"), "image/png");
  EXPECT_EQ(headers->get("content-disposition"), "attachment; filename=a");
  EXPECT_EQ(headers->get("content-language"), "de");
  EXPECT_EQ(headers->get("etag"), "\"abc\"");
  EXPECT_EQ(headers->get("last-modified"), kSame);
  EXPECT_EQ(headers->get("x-amz-meta-name"), "v");
  EXPECT_EQ(answer_headers(record, *Query::parse("response-expires=a%0d%0ab")).error().code,
            S3Code::InvalidArgument);
  EXPECT_EQ(answer_headers(ObjectRecord{}, Query{})->get("content-type"), "binary/octet-stream");
}

}  // namespace
}  // namespace predastore::s3
