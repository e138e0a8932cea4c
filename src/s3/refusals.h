#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "env/random.h"
#include "http/server.h"
#include "s3/gateway.h"

namespace predastore::s3 {

// Sixteen of 0-9 A-V, as AWS's look.
std::string new_request_id(Random& random);
// What every answer has, whatever became of its request.
http::Headers identifying_headers(std::string_view request_id, std::string_view host_id);

// What clients get, as S3 words it, whose requests no handler sees: not HTTP, too large, too late,
// one connection too many. Each has a request id and is reported like any request. `random` and
// what `on_request` refers to outlive it.
http::ErrorPageMaker refusal_pages(Random& random, std::string host_id,
                                   std::function<void(const RequestReport&)> on_request);

}  // namespace predastore::s3
