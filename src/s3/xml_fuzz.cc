// The XML bodies of clients: no crash, and what is taken is within its bounds.
#include <cstddef>
#include <cstdint>

#include "base/assert.h"
#include "s3/tagging.h"
#include "s3/xml_reader.h"
#include "s3/xml_requests.h"
#include "s3/xml_writer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace predastore::s3;
  const std::string_view document{reinterpret_cast<const char*>(data), size};
  if (const auto parsed = parse_delete(document)) {
    PREDA_ASSERT(!parsed->entries.empty() && parsed->entries.size() <= kDeleteKeysMax);
  }
  if (const auto parsed = parse_complete(document)) {
    PREDA_ASSERT(!parsed->empty() && parsed->size() <= kPartsMax);
  }
  (void)parse_create_bucket(document);
  if (const auto tags = parse_tagging_document(document)) {
    const auto again = parse_tagging_header(encode_tagging(*tags));
    PREDA_ASSERT(again && *again == *tags);
  }
  // What the writer makes of any bytes, the reader reads.
  XmlWriter xml;
  xml.open("a").element("b", document).close();
  const std::string written = std::move(xml).take();
  XmlReader reader{written};
  XmlReader::Event event = reader.next();
  while (event == XmlReader::Event::start || event == XmlReader::Event::end) {
    if (event == XmlReader::Event::end && reader.name() == "b" && xml_can_carry(document))
      PREDA_ASSERT(reader.text() == document);
    event = reader.next();
  }
  PREDA_ASSERT(event == XmlReader::Event::finished);
  return 0;
}
