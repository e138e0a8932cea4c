#include "s3/tagging.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "meta/meta_service.h"
#include "s3/query.h"
#include "s3/utf8.h"
#include "s3/xml_reader.h"
#include "s3/xml_writer.h"

namespace predastore::s3 {
namespace {

constexpr std::size_t kTagsMax = 10;
constexpr std::size_t kTagKeyMax = 128;    // characters
constexpr std::size_t kTagValueMax = 256;  // characters

bool is_tag_char(std::uint32_t code) {
  if (code >= 0x80) return true;  // letters and digits of all scripts; which ones, AWS decides
  const char c = static_cast<char>(code);
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
         std::string_view(" _.:/=+-@").find(c) != std::string_view::npos;
}

// Characters of allowed text; none for other text.
std::optional<std::size_t> tag_text_size(std::string_view text) {
  std::size_t count = 0;
  while (!text.empty()) {
    const Utf8Char next = first_utf8_char(text);
    if (next.size == 0 || !is_tag_char(next.code)) return std::nullopt;
    text.remove_prefix(next.size);
    ++count;
  }
  return count;
}

S3Error invalid_tag(std::string message, const std::string& key) {
  return S3Error{S3Code::InvalidTag, std::move(message)}.with("TagKey", key);
}

S3Result<void> add_tag(Tags& tags, std::string key, std::string value) {
  const std::optional<std::size_t> key_size = tag_text_size(key);
  const std::optional<std::size_t> value_size = tag_text_size(value);
  if (!key_size || *key_size == 0 || *key_size > kTagKeyMax || key.starts_with("aws:"))
    return invalid_tag("The TagKey you have provided is invalid", key);
  if (!value_size || *value_size > kTagValueMax)
    return invalid_tag("The TagValue you have provided is invalid", key);
  if (tags.contains(key)) return invalid_tag("Cannot provide multiple Tags with the same key", key);
  if (tags.size() == kTagsMax)
    return S3Error{S3Code::BadRequest, "Object tags cannot be greater than 10"};
  tags.emplace(std::move(key), std::move(value));
  return {};
}

// One <Tag> that has just been opened.
S3Result<void> read_tag(XmlReader& reader, Tags& tags) {
  std::optional<std::string> key;
  std::optional<std::string> value;
  while (true) {
    const XmlReader::Event event = reader.next();
    if (event == XmlReader::Event::end) break;
    if (event != XmlReader::Event::start) return S3Code::MalformedXML;
    const std::string name = reader.name();
    if (reader.next() != XmlReader::Event::end) return S3Code::MalformedXML;
    if (name == "Key" && !key) {
      key = reader.text();
    } else if (name == "Value" && !value) {
      value = reader.text();
    } else {
      return S3Code::MalformedXML;
    }
  }
  if (!key || !value) return S3Code::MalformedXML;
  return add_tag(tags, std::move(*key), std::move(*value));
}

}  // namespace

S3Result<Tags> parse_tagging_header(std::string_view header) {
  Tags tags;
  while (!header.empty()) {
    const std::size_t end = std::min(header.find('&'), header.size());
    const std::string_view pair = header.substr(0, end);
    header.remove_prefix(std::min(end + 1, header.size()));
    if (pair.empty()) continue;
    const std::size_t equals = std::min(pair.find('='), pair.size());
    std::optional<std::string> key = decode_query(pair.substr(0, equals));
    std::optional<std::string> value = decode_query(pair.substr(std::min(equals + 1, pair.size())));
    if (!key || !value) {
      return invalid_argument(
          "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded "
          "URL query parameters without tag name duplicates.",
          meta::kTaggingHeader, "");
    }
    PREDA_CHECK(add_tag(tags, std::move(*key), std::move(*value)));
  }
  return tags;
}

S3Result<Tags> parse_tagging_document(std::string_view document) {
  XmlReader reader{document};
  using Event = XmlReader::Event;
  Tags tags;
  if (reader.next() != Event::start || reader.name() != "Tagging") return S3Code::MalformedXML;
  if (reader.next() != Event::start || reader.name() != "TagSet") return S3Code::MalformedXML;
  while (true) {
    const Event event = reader.next();
    if (event == Event::end) break;
    if (event != Event::start || reader.name() != "Tag") return S3Code::MalformedXML;
    PREDA_CHECK(read_tag(reader, tags));
  }
  if (reader.next() != Event::end || reader.next() != Event::finished) return S3Code::MalformedXML;
  return tags;
}

std::string encode_tagging(const Tags& tags) {
  std::string text;
  for (const auto& [key, value] : tags) {
    if (!text.empty()) text += '&';
    text += encode_uri(key, false) + "=" + encode_uri(value, false);
  }
  return text;
}

std::string tagging_xml(const Tags& tags) {
  XmlWriter xml;
  xml.open_root("Tagging").open("TagSet");
  for (const auto& [key, value] : tags)
    xml.open("Tag").element("Key", key).element("Value", value).close();
  xml.close().close();
  return std::move(xml).take();
}

Tags tags_of(const ObjectRecord& record) {
  const auto at = record.headers.find(meta::kTaggingHeader);
  if (at == record.headers.end()) return {};
  S3Result<Tags> tags = parse_tagging_header(at->second);
  return tags ? *std::move(tags) : Tags{};
}

}  // namespace predastore::s3
