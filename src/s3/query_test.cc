#include "s3/query.h"

#include <gtest/gtest.h>

#include "s3/utf8.h"

namespace predastore::s3 {
namespace {

TEST(Query, decodes_plus_as_space_in_queries_only) {
  EXPECT_EQ(*decode_query("a+b%2Bc"), "a b+c");
  EXPECT_EQ(*decode_path("a+b%2Bc"), "a+b+c");
}

TEST(Query, decodes_each_byte_once) {
  EXPECT_EQ(*decode_path("%252F%2f%00%ff"), std::string("%2F/\0\xff", 6));
}

TEST(Query, refuses_invalid_escapes) {
  for (const char* raw : {"%", "%2", "a%", "%zz", "%2g", "%%41"})
    EXPECT_FALSE(decode_path(raw).has_value()) << raw;
  EXPECT_EQ(Query::parse("prefix=%2").error().code, S3Code::InvalidURI);
  EXPECT_EQ(Query::parse("%g1=2").error().code, S3Code::InvalidURI);
}

TEST(Query, keeps_names_without_values_and_empty_ones_apart_from_absent_ones) {
  const auto query = Query::parse("uploads&prefix=&key=a=b&&x");
  ASSERT_TRUE(query.has_value());
  EXPECT_TRUE(query->has("uploads"));
  EXPECT_EQ(query->get("prefix"), "");
  EXPECT_TRUE(query->has("prefix"));
  EXPECT_EQ(query->get("key"), "a=b");
  EXPECT_TRUE(query->has("x"));
  EXPECT_FALSE(query->has("marker"));
  EXPECT_FALSE(query->has("Uploads"));
  EXPECT_EQ(query->parameters().size(), 4u);
}

TEST(Query, refuses_a_name_that_is_there_twice_however_it_is_written) {
  EXPECT_EQ(Query::parse("a=1&b=2&%61=3").error().code, S3Code::InvalidArgument);
}

TEST(Query, encodes_what_is_not_unreserved) {
  EXPECT_EQ(encode_uri("a/b c+~_-.\xc3\xa9\x01", true), "a/b%20c%2B~_-.%C3%A9%01");
  EXPECT_EQ(encode_uri("a/b", false), "a%2Fb");
}

TEST(Query, decodes_what_it_encoded_for_all_bytes) {
  std::string all;
  for (int i = 0; i < 256; ++i) all.push_back(static_cast<char>(i));
  EXPECT_EQ(*decode_path(encode_uri(all, true)), all);
  EXPECT_EQ(*decode_query(encode_uri(all, false)), all);
}

TEST(Utf8, takes_every_scalar_value_and_gives_it_back) {
  for (std::uint32_t code = 0; code <= 0x10ffff; ++code) {
    if (code >= 0xd800 && code <= 0xdfff) continue;
    std::string text;
    append_utf8(text, code);
    const Utf8Char first = first_utf8_char(text);
    ASSERT_EQ(first.code, code);
    ASSERT_EQ(first.size, text.size());
  }
}

TEST(Utf8, refuses_what_rfc_3629_does) {
  for (const std::string bad :
       {"\x80", "\xc0\x80", "\xc1\xbf", "\xc2", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xed\xbf\xbf",
        "\xe2\x82", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "a\xfe",
        "\xc3(", "\xe2(\xa1", "\xf0\x9f\x98"})
    EXPECT_FALSE(is_utf8(bad)) << bad;
  EXPECT_TRUE(is_utf8(""));
  EXPECT_TRUE(is_utf8(std::string_view("\0", 1)));
}

}  // namespace
}  // namespace predastore::s3
