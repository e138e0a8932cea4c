#include "s3/refusals.h"

#include <gtest/gtest.h>

#include <pugixml.hpp>

#include "env/host.h"
#include "telemetry/log.h"

namespace predastore::s3 {
namespace {

std::string at(const http::ErrorPage& page, const char* path) {
  pugi::xml_document xml;
  const std::string text{page.body.text()};
  if (!xml.load_buffer(text.data(), text.size())) return "<not XML>";
  return xml.document_element().child(path).text().get();
}

TEST(Refusals, have_an_id_in_header_body_and_log_and_are_reported) {
  static std::string line;
  telemetry::set_log_sink([](std::string_view written) { line = written; });
  ProductionHost host{1};
  std::vector<RequestReport> reports;
  const http::ErrorPageMaker pages =
      refusal_pages(host.environment().random, "n1",
                    [&](const RequestReport& report) { reports.push_back(report); });
  const http::ErrorPage bad = pages(http::ParseFailure{400, "a bad line"});
  telemetry::set_log_sink(nullptr);
  EXPECT_EQ(bad.head.status, 400u);
  EXPECT_EQ(at(bad, "Code"), "BadRequest");
  EXPECT_EQ(at(bad, "HostId"), "n1");
  EXPECT_EQ(bad.head.headers.get("content-type"), "application/xml");
  EXPECT_EQ(bad.head.headers.get("server"), "Predastore");
  const std::string id(bad.head.headers.get("x-amz-request-id"));
  EXPECT_EQ(id.size(), 16u);
  EXPECT_EQ(at(bad, "RequestId"), id);
  EXPECT_NE(line.find(id), std::string::npos);
  ASSERT_EQ(reports.size(), 1u);
  EXPECT_EQ(reports[0].code, "BadRequest");
  EXPECT_EQ(reports[0].status, 400u);
  EXPECT_NE(at(pages(http::ParseFailure{400, "another"}), "RequestId"), id);
}

TEST(Refusals, are_those_of_aws_where_it_has_a_word_for_them) {
  ProductionHost host{1};
  const http::ErrorPageMaker pages = refusal_pages(host.environment().random, "n1", {});
  const auto refused = [&](unsigned status) {
    const http::ErrorPage page = pages(http::ParseFailure{status, "why"});
    return std::to_string(page.head.status) + " " + at(page, "Code");
  };
  EXPECT_EQ(refused(408), "400 RequestTimeout");
  EXPECT_EQ(refused(414), "400 RequestHeaderSectionTooLarge");
  EXPECT_EQ(refused(431), "400 RequestHeaderSectionTooLarge");
  EXPECT_EQ(refused(417), "417 BadRequest");
  EXPECT_EQ(refused(505), "505 BadRequest");
  EXPECT_EQ(refused(503), "503 SlowDown");
  EXPECT_EQ(pages(http::ParseFailure{503, "full"}).head.headers.get("retry-after"), "1");
}

}  // namespace
}  // namespace predastore::s3
