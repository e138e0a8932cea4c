// Claims and canonical requests from any head: no crash, nothing admitted that is malformed, and a
// canonical request that no byte of the head can break out of.
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/assert.h"
#include "s3/auth/checksum.h"
#include "s3/auth/sigv4.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace predastore;
  using namespace predastore::s3;
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  http::RequestHead head;
  if (http::parse_request_head(text, http::HeadLimits{}, head)) return 0;
  (void)read_body_promise(head.headers, true, false);
  const auto parsed = parse_claim(head);
  const auto* claim = std::get_if<SigV4Claim>(&parsed);
  if (claim == nullptr) return 0;
  PREDA_ASSERT(claim->signature.size() == 64 && claim->date.size() == 8);
  PREDA_ASSERT(claim->timestamp.size() == 16 && !claim->signed_headers.empty());
  const ClaimRules rules{"us-east-1"};
  if (!check_claim(*claim, head, rules, claim->time))
    PREDA_ASSERT(std::ranges::count(claim->signed_headers, "host") == 1);
  const auto forms = canonical_requests(*claim, head, "hash");
  PREDA_ASSERT(forms.size() == 1 || forms.size() == 2);
  for (const std::string& form : forms) {
    const auto lines = std::ranges::count(form, '\n');
    PREDA_ASSERT(static_cast<std::size_t>(lines) == claim->signed_headers.size() + 5);
    (void)string_to_sign(*claim, form);
  }
  return 0;
}
