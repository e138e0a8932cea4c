#include "s3/xml_requests.h"

#include <utility>

#include "s3/conditions.h"
#include "s3/range.h"
#include "s3/xml_reader.h"

namespace predastore::s3 {
namespace {

using Event = XmlReader::Event;

// Reads on until the element that has just been opened is closed; its text, or none when the
// document is damaged.
std::optional<std::string> skip_element(XmlReader& reader) {
  const std::size_t depth = reader.depth();
  while (true) {
    const Event event = reader.next();
    if (event == Event::error || event == Event::finished) return std::nullopt;
    if (event == Event::end && reader.depth() < depth) return reader.text();
  }
}

// Calls `child(name, text)` for each child of the element that has just been opened; a child's own
// children are read over. False when the document is damaged or `child` returns false.
template <class Child>
bool for_each_child(XmlReader& reader, Child child) {
  while (true) {
    const Event event = reader.next();
    if (event == Event::end) return true;
    if (event != Event::start) return false;
    const std::string name = reader.name();
    const std::optional<std::string> text = skip_element(reader);
    if (!text || !child(name, *text)) return false;
  }
}

bool starts_with_root(XmlReader& reader, std::string_view name) {
  return reader.next() == Event::start && reader.name() == name;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

bool read_delete_entry(XmlReader& reader, DeleteEntry& entry) {
  return for_each_child(reader, [&](const std::string& name, const std::string& text) {
    if (name == "Key") entry.key = text;
    if (name == "VersionId") entry.version_id = text;
    if (name == "ETag") entry.etag = text;
    // Conditions of directory buckets: they may not be left out of account.
    return name != "LastModifiedTime" && name != "Size";
  });
}

S3Result<CompleteEntry> read_complete_entry(XmlReader& reader) {
  CompleteEntry entry;
  bool has_number = false;
  bool has_etag = false;
  S3Result<void> problem;
  const bool is_good =
      for_each_child(reader, [&](const std::string& name, const std::string& text) {
        if (name == "PartNumber") {
          const std::optional<std::uint64_t> number = parse_decimal(trimmed(text));
          if (!number) return false;
          if (*number < 1 || *number > kPartsMax) {
            problem = S3Error{S3Code::InvalidPart};
            return false;
          }
          entry.part_number = PartNumber{static_cast<std::uint16_t>(*number)};
          has_number = true;
        } else if (name == "ETag") {
          entry.etag = std::string(unquoted_etag(trimmed(text)));
          has_etag = true;
        } else if (const auto algorithm = algorithm_of_element(name)) {
          S3Result<ClaimedChecksum> claimed = parse_claimed(*algorithm, trimmed(text));
          if (!claimed) {
            problem = claimed.error();
            return false;
          }
          entry.checksum = *std::move(claimed);
        }
        return true;
      });
  if (!problem) return std::move(problem).error();
  if (!is_good || !has_number || !has_etag) return S3Code::MalformedXML;
  return entry;
}

}  // namespace

S3Result<DeleteDocument> parse_delete(std::string_view document) {
  XmlReader reader{document};
  if (!starts_with_root(reader, "Delete")) return S3Code::MalformedXML;
  DeleteDocument found;
  while (true) {
    const Event event = reader.next();
    if (event == Event::end) break;
    if (event != Event::start) return S3Code::MalformedXML;
    if (reader.name() == "Object") {
      DeleteEntry entry;
      if (!read_delete_entry(reader, entry) || entry.key.empty()) return S3Code::MalformedXML;
      if (found.entries.size() == kDeleteKeysMax) return S3Code::MalformedXML;
      found.entries.push_back(std::move(entry));
      continue;
    }
    const bool is_quiet = reader.name() == "Quiet";
    const std::optional<std::string> text = skip_element(reader);
    if (!text) return S3Code::MalformedXML;
    if (is_quiet) found.is_quiet = trimmed(*text) == "true";
  }
  if (reader.next() != Event::finished || found.entries.empty()) return S3Code::MalformedXML;
  return found;
}

S3Result<std::vector<CompleteEntry>> parse_complete(std::string_view document) {
  XmlReader reader{document};
  if (!starts_with_root(reader, "CompleteMultipartUpload")) return S3Code::MalformedXML;
  std::vector<CompleteEntry> parts;
  bool is_ascending = true;
  while (true) {
    const Event event = reader.next();
    if (event == Event::end) break;
    if (event != Event::start) return S3Code::MalformedXML;
    if (reader.name() != "Part") {
      if (!skip_element(reader)) return S3Code::MalformedXML;
      continue;
    }
    PREDA_TRY(CompleteEntry entry, read_complete_entry(reader));
    if (parts.size() == kPartsMax) return S3Code::MalformedXML;
    if (!parts.empty() && entry.part_number <= parts.back().part_number) is_ascending = false;
    parts.push_back(std::move(entry));
  }
  if (reader.next() != Event::finished || parts.empty()) return S3Code::MalformedXML;
  if (!is_ascending) return S3Code::InvalidPartOrder;
  return parts;
}

S3Result<std::string> parse_create_bucket(std::string_view document) {
  std::string constraint;
  if (trimmed(document).empty()) return constraint;
  XmlReader reader{document};
  if (!starts_with_root(reader, "CreateBucketConfiguration")) return S3Code::MalformedXML;
  bool asks_for_more = false;
  const bool is_good =
      for_each_child(reader, [&](const std::string& name, const std::string& text) {
        if (name == "LocationConstraint") constraint = std::string(trimmed(text));
        if (name == "Location" || name == "Bucket" || name == "Tags") asks_for_more = true;
        return true;
      });
  if (!is_good || reader.next() != Event::finished) return S3Code::MalformedXML;
  // Directory buckets and tags; leaving them out of account would make another bucket.
  if (asks_for_more) return S3Code::NotImplemented;
  return constraint;
}

}  // namespace predastore::s3
