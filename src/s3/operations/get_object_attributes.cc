#include <algorithm>
#include <utility>

#include "s3/checksums.h"
#include "s3/dates.h"
#include "s3/operations/operations.h"
#include "s3/range.h"
#include "s3/read_plan.h"
#include "s3/storage_class.h"
#include "s3/xml_writer.h"

namespace predastore::s3 {
namespace {

struct Asked {
  bool etag = false;
  bool checksum = false;
  bool object_parts = false;
  bool storage_class = false;
  bool object_size = false;
  std::uint32_t max_parts = 1000;
  std::uint32_t after_part = 0;
};

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

S3Result<void> ask(std::string_view name, Asked& asked) {
  if (name == "ETag") {
    asked.etag = true;
  } else if (name == "Checksum") {
    asked.checksum = true;
  } else if (name == "ObjectParts") {
    asked.object_parts = true;
  } else if (name == "StorageClass") {
    asked.storage_class = true;
  } else if (name == "ObjectSize") {
    asked.object_size = true;
  } else {
    return invalid_argument("Invalid attribute name specified.", "x-amz-object-attributes", name);
  }
  return {};
}

S3Result<std::uint32_t> number_header(const http::Headers& headers, std::string_view name,
                                      std::uint32_t otherwise, std::uint64_t max) {
  const std::string* text = headers.find(name);
  if (text == nullptr) return otherwise;
  const std::optional<std::uint64_t> value = parse_decimal(*text);
  if (!value || *value > 0x7fffffff)
    return invalid_argument("The value is not an integer within integer range", name, *text);
  return static_cast<std::uint32_t>(std::min(*value, max));
}

S3Result<Asked> parse_asked(const http::Headers& headers) {
  Asked asked;
  bool has_any = false;
  for (std::string_view list : headers.all("x-amz-object-attributes")) {
    while (!list.empty()) {
      const std::size_t end = std::min(list.find(','), list.size());
      PREDA_CHECK(ask(trimmed(list.substr(0, end)), asked));
      has_any = true;
      list.remove_prefix(std::min(end + 1, list.size()));
    }
  }
  if (!has_any) {
    return S3Error{S3Code::InvalidRequest,
                   "The x-amz-object-attributes header specifying the attributes to be retrieved "
                   "is either missing or empty"};
  }
  PREDA_TRY(asked.max_parts, number_header(headers, "x-amz-max-parts", 1000, 1000));
  PREDA_TRY(asked.after_part, number_header(headers, "x-amz-part-number-marker", 0, 0x7fffffff));
  return asked;
}

void write_parts(XmlWriter& xml, const ObjectRecord& record, const Asked& asked) {
  std::vector<const ObjectPart*> page;
  bool is_truncated = false;
  for (const ObjectPart& part : record.parts) {
    if (part.part_number.value() <= asked.after_part) continue;
    if (page.size() == asked.max_parts) {
      is_truncated = true;
      break;
    }
    page.push_back(&part);
  }
  const std::uint32_t last = page.empty() ? asked.after_part : page.back()->part_number.value();
  xml.open("ObjectParts")
      .element("PartsCount", std::uint64_t{record.parts.size()})
      .element("PartNumberMarker", std::uint64_t{asked.after_part})
      .element("NextPartNumberMarker", std::uint64_t{last})
      .element("MaxParts", std::uint64_t{asked.max_parts})
      .element("IsTruncated", is_truncated);
  for (const ObjectPart* part : page) {
    xml.open("Part")
        .element("PartNumber", std::uint64_t{part->part_number.value()})
        .element("Size", part->size_bytes);
    if (part->checksum.algorithm != ChecksumAlgorithm::none)
      xml.element(checksum_element(part->checksum.algorithm), checksum_text(part->checksum, 1));
    xml.close();
  }
  xml.close();
}

std::string attributes_xml(const ObjectRecord& record, const Asked& asked) {
  const bool is_multipart = record.etag.find('-') != std::string::npos;
  XmlWriter xml;
  xml.open_root("GetObjectAttributesResponse");
  if (asked.etag) xml.element("ETag", record.etag);
  if (asked.checksum && record.checksum.algorithm != ChecksumAlgorithm::none) {
    xml.open("Checksum")
        .element(checksum_element(record.checksum.algorithm),
                 checksum_text(record.checksum, record.parts.size()))
        .element("ChecksumType", checksum_type_name(record.checksum.type))
        .close();
  }
  if (asked.object_parts && is_multipart) write_parts(xml, record, asked);
  if (asked.storage_class) xml.element("StorageClass", storage_class_of(record.headers));
  if (asked.object_size) xml.element("ObjectSize", record.size_bytes);
  xml.close();
  return std::move(xml).take();
}

}  // namespace

Task<S3Result<Reply>> get_object_attributes(Call& call) {
  PREDA_CO_CHECK(check_version_id(call.query));
  PREDA_CO_TRY(Asked asked, parse_asked(call.headers()));
  PREDA_CO_TRY(ObjectRecord record, as_s3(co_await call.objects().head(call.bucket(), call.key())));
  Reply reply = xml_reply(attributes_xml(record, asked));
  reply.headers.add("Last-Modified", http_date(record.last_modified_ms));
  co_return reply;
}

}  // namespace predastore::s3
