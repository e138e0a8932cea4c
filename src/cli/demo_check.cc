#include <fmt/format.h>

#include <string>

#include "cli/commands.h"
#include "cli/demo_layout.h"
#include "cli/exit_codes.h"
#include "cli/s3_client.h"
#include "env/host.h"

namespace predastore::cli {

namespace {

constexpr const char* kBucketPath = "/predastore-check";
constexpr std::size_t kObjectSizeBytes = 3 * 1024 * 1024 + 1;

Result<std::string> expect(Result<S3Answer> answer, unsigned low, unsigned high,
                           const std::string& what) {
  if (!answer) return std::move(answer).error();
  if (answer->status < low || answer->status > high)
    return make_error(ErrorCode::Internal, fmt::format("{} was answered with {}: {}", what,
                                                       answer->status, answer->body));
  return std::move(answer->body);
}

// Through one node in, through every node out, then away.
Result<void> round_trip(ProductionHost& host, const DemoLayout& layout, const node::RootKey& key) {
  PREDA_TRY(const S3Endpoint first, layout.s3_endpoint(1));
  const auto send = [&](const S3Endpoint& endpoint, const std::string& method,
                        const std::string& path, const std::string& body) {
    return s3_request(host, endpoint, key, method, path, body);
  };
  const std::string object_path =
      fmt::format("{}/check-{:016x}", kBucketPath, host.random.next_u64());
  std::string bytes(kObjectSizeBytes, '\0');
  host.random.fill(std::as_writable_bytes(std::span{bytes}));
  // The bucket may be there from before: AWS answers 200 in us-east-1, 409 elsewhere.
  auto made = send(first, "PUT", kBucketPath, "");
  if (!made || made->status != 409) {
    PREDA_CHECK(expect(std::move(made), 200, 200, "making a bucket"));
  }
  PREDA_CHECK(expect(send(first, "PUT", object_path, bytes), 200, 200, "PUT"));
  for (std::uint32_t number = 1; number <= layout.nodes.size(); ++number) {
    PREDA_TRY(const S3Endpoint endpoint, layout.s3_endpoint(number));
    PREDA_TRY(const std::string back,
              expect(send(endpoint, "GET", object_path, ""), 200, 200, "GET"));
    if (back != bytes)
      return make_error(ErrorCode::Corruption, "other bytes came back through " + endpoint.address);
  }
  PREDA_CHECK(expect(send(first, "DELETE", object_path, ""), 200, 204, "DELETE"));
  PREDA_CHECK(expect(send(first, "GET", object_path, ""), 404, 404, "GET of what was deleted"));
  return {};
}

}  // namespace

int demo_check(const std::string& directory) {
  const auto layout = load_demo(directory);
  if (!layout) return fail(kExitNotFound, layout.error().detail);
  const auto key = node::load_root_key(layout->nodes.front().root_key_file);
  if (!key) return fail(kExitConfig, key.error().detail);
  ProductionHost host{1};
  const Result<void> done = round_trip(host, *layout, *key);
  if (!done) return fail(kExitFailed, done.error().to_string());
  fmt::print("stored an object of {} bytes, read it back through {} nodes, deleted it: all good\n",
             kObjectSizeBytes, layout->nodes.size());
  return kExitOk;
}

}  // namespace predastore::cli
