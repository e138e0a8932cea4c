// Targets, queries and headers of clients: no crash, and decoding is the reverse of encoding.
#include <cstddef>
#include <cstdint>

#include "base/assert.h"
#include "s3/dates.h"
#include "s3/listing.h"
#include "s3/query.h"
#include "s3/range.h"
#include "s3/router.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace predastore::s3;
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  PREDA_ASSERT(decode_path(encode_uri(text, true)) == text);
  PREDA_ASSERT(decode_query(encode_uri(text, false)) == text);
  if (const auto query = Query::parse(text)) {
    for (const char* method : {"GET", "PUT", "POST", "DELETE", "HEAD"}) {
      for (const Level level : {Level::service, Level::bucket, Level::object})
        (void)route(method, level, *query, {});
    }
    (void)parse_object_listing("bucket", *query, true);
    (void)parse_object_listing("bucket", *query, false);
  }
  (void)parse_address(text.substr(0, text.find('/')), text, {"localhost"});
  (void)read_token(text);
  (void)parse_http_date(text);
  if (const auto range = parse_range(text, size); range && *range)
    PREDA_ASSERT((*range)->first <= (*range)->last && (*range)->last < size);
  return 0;
}
