#pragma once

#include <string>

#include "base/result.h"
#include "http/server.h"

namespace predastore::admin {

// Answers of the administration, which are not to be kept by anybody.
Task<void> respond(http::Exchange& exchange, unsigned status, std::string type, std::string body);
Task<void> respond_json(http::Exchange& exchange, unsigned status, std::string body);
// {"error": MESSAGE}
Task<void> refuse(http::Exchange& exchange, unsigned status, std::string message);
// With the status that fits: 400, 404, 409, 503 (nothing happened), 500 (the outcome is unknown).
Task<void> refuse(http::Exchange& exchange, Error error);

// The whole body; InvalidArgument above `bytes_max`.
Task<Result<std::string>> read_body(http::Exchange& exchange, std::size_t bytes_max);

}  // namespace predastore::admin
