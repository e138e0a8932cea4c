#include "admin/options_api.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <string>
#include <utility>

#include "admin/growth_json.h"
#include "admin/respond.h"
#include "model/compression.h"
#include "model/limits.h"
#include "repair/reconciler.h"
#include "telemetry/log.h"

namespace predastore::admin {

namespace json = boost::json;

namespace {

constexpr Duration kChangeTimeout = 10s;
constexpr std::size_t kBodyBytesMax = 16 * 1024;
constexpr std::string_view kBuckets = "/v1/buckets";
constexpr std::string_view kCluster = "/v1/cluster";

json::object to_json(const BucketRecord& bucket) {
  json::object object;
  object["name"] = bucket.name;
  object["created_ms"] = bucket.created_ms;
  object["region"] = bucket.region;
  object["rs"] = fmt::format("{}+{}", bucket.rs.data_shards, bucket.rs.parity_shards);
  object["compression"] = name_of(bucket.compression);
  return object;
}

Error bad(std::string why) { return make_error(ErrorCode::InvalidArgument, std::move(why)); }

Result<json::object> parse_object(const std::string& body) {
  boost::system::error_code error;
  json::value parsed = json::parse(body, error);
  if (error || !parsed.is_object()) return bad("the body is no JSON object");
  if (parsed.as_object().empty()) return bad("the body changes nothing");
  return std::move(parsed.as_object());
}

Result<Compression> compression_of(const json::value& value) {
  if (value.is_string()) {
    const auto compression = parse_compression(std::string{value.as_string()});
    if (compression) return *compression;
  }
  return bad("\"compression\" is none, lz4, snappy, zstd, or (of a bucket) default");
}

Result<meta::BucketOptions> bucket_options_of(const std::string& body) {
  PREDA_TRY(const json::object object, parse_object(body));
  meta::BucketOptions options;
  for (const auto& [name, value] : object) {
    if (name == "compression") {
      PREDA_TRY(options.compression, compression_of(value));
    } else if (name == "rs") {
      PREDA_TRY(options.rs, rs_of(value.is_string() ? std::string_view{value.as_string()} : ""));
    } else {
      return bad("nothing is called \"" + std::string{name} + "\" here");
    }
  }
  return options;
}

struct ClusterChange {
  meta::ClusterOptions options;
  bool wants_reconcile = false;
};

Result<ClusterChange> cluster_change_of(const std::string& body) {
  PREDA_TRY(const json::object object, parse_object(body));
  ClusterChange change;
  for (const auto& [name, value] : object) {
    if (name == "compression") {
      PREDA_TRY(change.options.compression, compression_of(value));
    } else if (name == "sweep" && value.is_bool()) {
      change.options.is_sweep_off = !value.as_bool();
    } else if (name == "inline_max_bytes") {
      boost::system::error_code problem;
      const auto bytes = value.to_number<std::uint32_t>(problem);
      if (problem || bytes > kInlineMaxBytes)
        return bad("\"inline_max_bytes\" is a number from 0 to " + std::to_string(kInlineMaxBytes));
      change.options.inline_max_bytes = bytes;
    } else if (name == "reconcile" && value.is_bool()) {
      change.wants_reconcile = value.as_bool();
    } else {
      return bad("\"" + std::string{name} + "\" is not known here, or not of that type");
    }
  }
  return change;
}

}  // namespace

bool OptionsApi::is_for(std::string_view path) {
  return path == kCluster || path == kBuckets || path.starts_with(std::string{kBuckets} + "/");
}

Instant OptionsApi::deadline() const { return env_.clock.now() + kChangeTimeout; }

Task<void> OptionsApi::handle(http::Exchange& exchange) {
  const std::string& method = exchange.request().method;
  const std::string path{exchange.request().path()};
  const bool is_cluster = path == kCluster;
  std::string name = !is_cluster && path.size() > kBuckets.size() ? path.substr(kBuckets.size() + 1)
                                                                  : std::string{};
  if (is_cluster && method == "GET") {
    co_await show_cluster(exchange);
  } else if (is_cluster && method == "POST") {
    co_await change_cluster(exchange);
  } else if (path == kBuckets && method == "GET") {
    co_await list_buckets(exchange);
  } else if (!name.empty() && method == "GET") {
    co_await show_bucket(exchange, std::move(name));
  } else if (!name.empty() && method == "POST") {
    co_await change_bucket(exchange, std::move(name));
  } else {
    co_await refuse(exchange, 405, "this method is not understood here");
  }
}

Task<void> OptionsApi::list_buckets(http::Exchange& exchange) {
  auto buckets = co_await meta_.list_buckets(deadline());
  if (!buckets) {
    co_await refuse(exchange, std::move(buckets).error());
    co_return;
  }
  json::array list;
  for (const BucketRecord& bucket : *buckets) list.push_back(to_json(bucket));
  json::object body;
  body["buckets"] = std::move(list);
  co_await respond_json(exchange, 200, json::serialize(body));
}

Task<void> OptionsApi::show_bucket(http::Exchange& exchange, std::string name) {
  auto bucket = co_await meta_.get_bucket(std::move(name), deadline());
  if (!bucket) {
    co_await refuse(exchange, std::move(bucket).error());
    co_return;
  }
  co_await respond_json(exchange, 200, json::serialize(to_json(*bucket)));
}

Task<void> OptionsApi::change_bucket(http::Exchange& exchange, std::string name) {
  const auto body = co_await read_body(exchange, kBodyBytesMax);
  auto options = body ? bucket_options_of(*body) : Result<meta::BucketOptions>(body.error());
  if (!options) {
    co_await refuse(exchange, std::move(options).error());
    co_return;
  }
  options->bucket = name;
  auto changed = co_await meta_.set_bucket_options(*std::move(options), deadline());
  if (!changed) {
    co_await refuse(exchange, std::move(changed).error());
    co_return;
  }
  telemetry::log_info("change the options of a bucket",
                      {{"bucket", name}, {"compression", name_of(changed->compression)}});
  co_await respond_json(exchange, 200, json::serialize(to_json(*changed)));
}

Task<void> OptionsApi::show_cluster(http::Exchange& exchange) {
  auto state = co_await meta_.cluster_state(deadline());
  if (!state) {
    co_await refuse(exchange, std::move(state).error());
    co_return;
  }
  json::object body;
  body["compression"] = name_of(state->compression);
  body["sweep"] = !state->is_sweep_off;
  body["inline_max_bytes"] = state->inline_max_bytes;
  body["write_epoch"] = state->write_epoch.value();
  body["commit_epochs"] = state->write_epochs;
  body["garbage_epochs"] = state->garbage_epochs;
  co_await respond_json(exchange, 200, json::serialize(body));
}

Task<void> OptionsApi::change_cluster(http::Exchange& exchange) {
  const auto body = co_await read_body(exchange, kBodyBytesMax);
  auto change = body ? cluster_change_of(*body) : Result<ClusterChange>(body.error());
  Result<void> changed;
  if (change) {
    changed = co_await meta_.set_cluster_options(change->options, deadline());
  } else {
    changed = change.error();
  }
  if (changed && change->wants_reconcile)
    changed = co_await repair::request_reconcile(meta_, deadline());
  if (!changed) {
    co_await refuse(exchange, changed.error());
    co_return;
  }
  telemetry::log_info("change the options of the cluster", {{"options", *body}});
  co_await show_cluster(exchange);
}

}  // namespace predastore::admin
