#include <gtest/gtest.h>

#include <pugixml.hpp>

#include "s3/xml_reader.h"
#include "s3/xml_requests.h"
#include "s3/xml_writer.h"

namespace predastore::s3 {
namespace {

// The events of a document, in short.
std::string events(std::string_view document) {
  XmlReader reader{document};
  std::string out;
  for (int i = 0; i < 1000; ++i) {
    switch (reader.next()) {
      case XmlReader::Event::start: out += "<" + reader.name(); break;
      case XmlReader::Event::end: out += ">" + reader.text(); break;
      case XmlReader::Event::finished: return out + ".";
      case XmlReader::Event::error:
        EXPECT_EQ(reader.next(), XmlReader::Event::error);
        return "error";
    }
  }
  return "endless";
}

TEST(XmlReader, reads_elements_text_and_references) {
  EXPECT_EQ(events("<a/>"), "<a>.");
  EXPECT_EQ(events("<?xml version=\"1.0\"?>\n<a><b>x</b><c/></a>\n"), "<a<b>x<c>>.");
  EXPECT_EQ(events("\xef\xbb\xbf<a>t</a>"), "<a>t.");
  EXPECT_EQ(events("<s:a xmlns:s='u' q = \"1>2\">t</s:a >"), "<a>t.");
  EXPECT_EQ(events("<a>&lt;&gt;&amp;&quot;&apos;&#65;&#x42;&#xe9;</a>"), "<a><>&\"'AB\xc3\xa9.");
  EXPECT_EQ(events("<a>x<![CDATA[<&]]]]>y</a>"), "<a>x<&]]y.");
  EXPECT_EQ(events("<!-- c --><a>1<!-- c -->2</a><!-- c -->"), "<a>12.");
  EXPECT_EQ(events("<a>1\r\n2\r3&#13;</a>"), "<a>1\n2\n3\r.");
}

TEST(XmlReader, refuses_what_is_not_well_formed) {
  for (const char* bad : {"",
                          "text",
                          "<a>",
                          "<a></b>",
                          "</a>",
                          "<a/><b/>",
                          "<a/>x",
                          "x<a/>",
                          "<a",
                          "<a b></a>",
                          "<a b=c></a>",
                          "<a b='<'/>",
                          "<a b='1'c='2'/>",
                          "< a/>",
                          "<a>&</a>",
                          "<a>&x;</a>",
                          "<a>&#;</a>",
                          "<a>&#x;</a>",
                          "<a>&#xD800;</a>",
                          "<a>&#x110000;</a>",
                          "<a>&#99999999999;</a>",
                          "<a>&lt</a>",
                          "<a>]]></a>",
                          "<a><!-- -- --></a>",
                          "<a><!--",
                          "<a><![CDATA[</a>",
                          "<![CDATA[x]]><a/>",
                          "<a>\xff</a>",
                          "<a>\x01</a>",
                          "<1/>",
                          "<a:/>",
                          "<?xml?><a/>",
                          "<?pi x?><a/>",
                          "<a><?pi x?></a>",
                          "<?xml version='1.0'",
                          "<a></ a>"})
    EXPECT_EQ(events(bad), "error") << bad;
}

TEST(XmlReader, has_no_document_types_and_no_entities_of_its_own) {
  EXPECT_EQ(events("<!DOCTYPE a><a/>"), "error");
  EXPECT_EQ(events("<!DOCTYPE a [<!ENTITY e \"eeee\">]><a>&e;</a>"), "error");
  EXPECT_EQ(events("<!DOCTYPE a [<!ENTITY e SYSTEM \"file:///etc/passwd\">]><a>&e;</a>"), "error");
}

TEST(XmlReader, bounds_the_depth) {
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "<a>";
  EXPECT_EQ(events(deep), "error");
}

TEST(XmlWriter, writes_what_a_parser_reads_back) {
  std::string text = "<&>\"'\r\n\t \xc3\xa9\xf0\x9f\x98\x80";
  XmlWriter xml;
  xml.open_root("A").element("B", text).element("N", std::uint64_t{7}).element("T", true).close();
  const std::string document = std::move(xml).take();
  pugi::xml_document parsed;
  ASSERT_TRUE(parsed.load_buffer(document.data(), document.size(),
                                 pugi::parse_default | pugi::parse_ws_pcdata));
  EXPECT_EQ(parsed.child("A").child("B").text().get(), text);
  EXPECT_STREQ(parsed.child("A").child("N").text().get(), "7");
  EXPECT_STREQ(parsed.child("A").child("T").text().get(), "true");
  EXPECT_STREQ(parsed.child("A").attribute("xmlns").value(), kXmlNamespace.data());
  EXPECT_EQ(events(document), "<A<B>" + text + "<N>7<T>true>.");
}

TEST(XmlWriter, replaces_what_xml_cannot_carry) {
  XmlWriter xml;
  xml.open("A").element("B", std::string_view("a\0b\x01\xff\xef\xbf\xbf", 8)).close();
  EXPECT_NE(std::move(xml).take().find("<B>a\xef\xbf\xbd"
                                       "b\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd</B>"),
            std::string::npos);
  EXPECT_FALSE(xml_can_carry(std::string_view("\0", 1)));
  EXPECT_FALSE(xml_can_carry("\x1f"));
  EXPECT_FALSE(xml_can_carry("\xef\xbf\xbe"));
  EXPECT_FALSE(xml_can_carry("\xff"));
  EXPECT_TRUE(xml_can_carry("\t\r\n \x7f\xef\xbf\xbd"));
}

std::string deleted(std::string_view document) {
  const auto parsed = parse_delete(document);
  if (!parsed) return std::string(parsed.error().name());
  std::string out = parsed->is_quiet ? "quiet" : "loud";
  for (const DeleteEntry& entry : parsed->entries)
    out += " " + entry.key + "/" + entry.version_id + "/" + entry.etag;
  return out;
}

TEST(XmlRequests, read_a_delete_document) {
  EXPECT_EQ(deleted("<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
                    "<Object><Key>a b</Key></Object>"
                    "<Object><Key>\xc3\xa9&amp;</Key><VersionId>null</VersionId></Object>"
                    "<Object><ETag>\"e\"</ETag><Key> s </Key></Object>"
                    "<Quiet>true</Quiet></Delete>"),
            "quiet a b// \xc3\xa9&/null/  s //\"e\"");
  EXPECT_EQ(deleted("<Delete><Object><Key>a&#1;b</Key></Object></Delete>"),
            "loud a\x01"
            "b//");
}

TEST(XmlRequests, refuse_delete_documents_by_the_schema) {
  for (const char* bad :
       {"", "<Delete/>", "<Delete></Delete>", "<Remove><Object><Key>a</Key></Object></Remove>",
        "<Delete><Object/></Delete>", "<Delete><Object><Key/></Object></Delete>",
        "<Delete><Object><Key>a</Key></Object>", "<Delete><Object><Key>a</Object></Delete>",
        "<Delete><Object><Key>a</Key><Size>1</Size></Object></Delete>",
        "<Delete><Object><Key>a</Key></Object></Delete><x/>"})
    EXPECT_EQ(deleted(bad), "MalformedXML") << bad;
}

TEST(XmlRequests, bound_the_number_of_keys_and_parts) {
  const auto delete_of = [](int count) {
    std::string document = "<Delete>";
    for (int i = 0; i < count; ++i) document += "<Object><Key>k</Key></Object>";
    return document + "</Delete>";
  };
  EXPECT_TRUE(parse_delete(delete_of(1000)).has_value());
  EXPECT_EQ(parse_delete(delete_of(1001)).error().code, S3Code::MalformedXML);

  std::string parts = "<CompleteMultipartUpload>";
  for (int i = 1; i <= 10'000; ++i)
    parts += "<Part><PartNumber>" + std::to_string(i) + "</PartNumber><ETag>e</ETag></Part>";
  EXPECT_EQ(parse_complete(parts + "</CompleteMultipartUpload>")->size(), 10'000u);
  parts += "<Part><PartNumber>10000</PartNumber><ETag>e</ETag></Part></CompleteMultipartUpload>";
  EXPECT_EQ(parse_complete(parts).error().code, S3Code::MalformedXML);
}

std::string completed(std::string_view parts) {
  const auto parsed = parse_complete("<CompleteMultipartUpload>" + std::string(parts) +
                                     "</CompleteMultipartUpload>");
  if (!parsed) return std::string(parsed.error().name());
  std::string out;
  for (const CompleteEntry& entry : *parsed) {
    out += std::to_string(entry.part_number.value()) + "=" + entry.etag;
    if (entry.checksum) out += "+" + std::string(algorithm_name(entry.checksum->algorithm));
    out += ";";
  }
  return out;
}

TEST(XmlRequests, read_a_complete_document) {
  EXPECT_EQ(completed("<Part><ETag>\"e1\"</ETag><PartNumber>1</PartNumber></Part>"
                      "<Part><PartNumber> 10000 </PartNumber><ETag>&quot;e2&quot;</ETag>"
                      "<ChecksumCRC32>AAAAAA==</ChecksumCRC32></Part>"),
            "1=e1;10000=e2+CRC32;");
}

TEST(XmlRequests, refuse_complete_documents_by_the_schema) {
  EXPECT_EQ(completed(""), "MalformedXML");
  EXPECT_EQ(completed("<Part/>"), "MalformedXML");
  EXPECT_EQ(completed("<Part><PartNumber>1</PartNumber></Part>"), "MalformedXML");
  EXPECT_EQ(completed("<Part><ETag>e</ETag></Part>"), "MalformedXML");
  EXPECT_EQ(completed("<Part><PartNumber>x</PartNumber><ETag>e</ETag></Part>"), "MalformedXML");
  EXPECT_EQ(completed("<Part><PartNumber>0</PartNumber><ETag>e</ETag></Part>"), "InvalidPart");
  EXPECT_EQ(completed("<Part><PartNumber>10001</PartNumber><ETag>e</ETag></Part>"), "InvalidPart");
  EXPECT_EQ(completed("<Part><PartNumber>2</PartNumber><ETag>e</ETag></Part>"
                      "<Part><PartNumber>1</PartNumber><ETag>e</ETag></Part>"),
            "InvalidPartOrder");
  EXPECT_EQ(completed("<Part><PartNumber>1</PartNumber><ETag>e</ETag></Part>"
                      "<Part><PartNumber>1</PartNumber><ETag>e</ETag></Part>"),
            "InvalidPartOrder");
  EXPECT_EQ(completed("<Part><PartNumber>1</PartNumber><ETag>e</ETag>"
                      "<ChecksumCRC32>AA==</ChecksumCRC32></Part>"),
            "InvalidRequest");
}

TEST(XmlRequests, read_a_bucket_configuration) {
  EXPECT_EQ(*parse_create_bucket(""), "");
  EXPECT_EQ(*parse_create_bucket("<CreateBucketConfiguration/>"), "");
  EXPECT_EQ(*parse_create_bucket("<CreateBucketConfiguration><LocationConstraint>eu-1"
                                 "</LocationConstraint></CreateBucketConfiguration>"),
            "eu-1");
  EXPECT_EQ(parse_create_bucket("<Other/>").error().code, S3Code::MalformedXML);
  EXPECT_EQ(parse_create_bucket("junk").error().code, S3Code::MalformedXML);
  EXPECT_EQ(parse_create_bucket("<CreateBucketConfiguration><Bucket><Type>Directory</Type>"
                                "</Bucket></CreateBucketConfiguration>")
                .error()
                .code,
            S3Code::NotImplemented);
}

}  // namespace
}  // namespace predastore::s3
