// Heads of strangers: no crash, and what is taken can be written again and reads the same.
#include <cstddef>
#include <cstdint>

#include "base/assert.h"
#include "http/message.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace predastore::http;
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  const HeadLimits limits;
  RequestHead head;
  if (!parse_request_head(text, limits, head)) {
    BodyFraming framing;
    if (!request_framing(head, framing)) {
      PREDA_ASSERT(head.headers.count("content-length") == 0 ||
                   head.headers.count("transfer-encoding") == 0);
      PREDA_ASSERT(framing.content_length <= INT64_MAX);
    }
    const auto written = format_request_head(head);
    PREDA_ASSERT(written.has_value());
    RequestHead again;
    // Spaces that are put behind colons may take it over the limit.
    if (written->size() <= limits.size_max_bytes) {
      PREDA_ASSERT(!parse_request_head(*written, limits, again));
      PREDA_ASSERT(again.method == head.method && again.target == head.target);
      PREDA_ASSERT(again.headers.size() == head.headers.size());
      for (std::size_t i = 0; i < head.headers.size(); ++i)
        PREDA_ASSERT(again.headers.entries()[i].value == head.headers.entries()[i].value);
    }
  }
  ResponseHead response;
  if (!parse_response_head(text, limits, response)) {
    BodyFraming framing;
    (void)response_framing(response, "GET", framing);
    PREDA_ASSERT(format_response_head(response).has_value());
  }
  return 0;
}
