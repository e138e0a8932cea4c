#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "access/access_keys.h"
#include "http/server.h"
#include "s3/auth/authenticate.h"
#include "s3/call.h"
#include "s3/xml_requests.h"

namespace predastore::s3 {

// What is known about a request once it is over; for metrics.
struct RequestReport {
  std::string_view operation;  // AWS's name, or "Unknown" when none was reached
  std::string_view code;       // of the error; empty without one
  unsigned status = 200;
  bool is_aborted = false;  // the answer broke off
  Duration duration{};
  std::uint64_t bytes_in = 0;   // of bodies
  std::uint64_t bytes_out = 0;  // of bodies
};

inline constexpr std::uint64_t kDocumentBytesMin = 2 * kDeleteBodyMaxBytes;

struct GatewayOptions {
  std::string region = "us-east-1";
  std::vector<std::string> domains{"localhost"};  // of virtual-host addresses: BUCKET.DOMAIN
  std::string account_id = "000000000000";        // for x-amz-expected-bucket-owner
  std::string owner = "root";                     // of all buckets, until there are accounts
  RsConfig rs;                                    // of buckets that are made here
  std::string host_id = "predastore";             // x-amz-id-2: which gateway answered
  Duration metadata_timeout = 30s;
  Duration auth_timeout = 10s;
  Duration answer_patience = 5s;      // of copies and completions before their answer begins
  std::uint32_t requests_max = 4096;  // at once; more are told to slow down
  // XML of clients and listings that are held at once; more of it waits. At least
  // kDocumentBytesMin, which is the largest share of one request.
  std::uint64_t document_bytes = 64ULL << 20;
  std::function<void(const RequestReport&)> on_request;
};

// The S3 wire: authenticates each request, finds its operation, runs it, answers its errors and
// writes one line about it. One a server, on its loop; outlives every exchange it handles.
class Gateway {
 public:
  Gateway(Services services, access::AccessKeys& keys, GatewayOptions options);
  Gateway(const Gateway&) = delete;
  Gateway& operator=(const Gateway&) = delete;

  Task<void> handle(http::Exchange& exchange);
  http::Handler handler();  // refers to this gateway
  std::uint32_t in_flight() const { return in_flight_; }

 private:
  struct Trace;
  Task<S3Result<Reply>> serve(http::Exchange& exchange, Trace& trace);
  Task<S3Result<Reply>> run(http::Exchange& exchange, AuthenticatedRequest& request, Trace& trace);
  Task<void> answer(http::Exchange& exchange, S3Result<Reply> outcome, Trace& trace);
  Task<void> answer_error(http::Exchange& exchange, S3Error error, Trace& trace);
  void report(http::Exchange& exchange, const Trace& trace);
  http::Headers common_headers(std::string_view request_id) const;
  std::string make_request_id();

  Services services_;
  GatewayOptions options_;
  Authenticator authenticator_;
  Owner owner_;
  Semaphore documents_;
  std::uint32_t in_flight_ = 0;
};

// The body of an error: <Error> with Code, Message, the error's own elements, Resource, RequestId
// and HostId.
std::string error_xml(const S3Error& error, std::string_view resource, std::string_view request_id,
                      std::string_view host_id);

}  // namespace predastore::s3
