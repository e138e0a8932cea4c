#include "admin/admin_api.h"

#include <boost/json.hpp>
#include <string>

#include "admin/respond.h"

namespace predastore::admin {

namespace {

constexpr Duration kLookTimeout = 1500ms;

}  // namespace

Task<void> AdminApi::handle(http::Exchange& exchange) {
  const std::string path{exchange.request().path()};
  const std::string& method = exchange.request().method;
  if (KeyApi::is_for(path)) {
    co_await keys_.handle(exchange);
    co_return;
  }
  if (OptionsApi::is_for(path)) {
    co_await options_.handle(exchange);
    co_return;
  }
  if (growth_ != nullptr && GrowthApi::is_for(path)) {
    co_await growth_->handle(exchange);
    co_return;
  }
  const bool is_known = path == "/v1/status" || path == "/metrics" || path == "/health";
  if (!is_known) {
    co_await refuse(exchange, 404, "there is nothing at " + path);
  } else if (method != "GET" && method != "HEAD") {
    co_await refuse(exchange, 405, "only GET is understood here");
  } else if (path == "/v1/status") {
    co_await status(exchange);
  } else if (path == "/metrics") {
    co_await metrics(exchange);
  } else {
    co_await health(exchange);
  }
}

Task<ClusterReport> AdminApi::look() {
  const Instant deadline = env_.clock.now() + kLookTimeout;
  co_return co_await view_.look(deadline);
}

Task<void> AdminApi::status(http::Exchange& exchange) {
  const ClusterReport report = co_await look();
  const Verdict verdict = judge(report);
  co_await respond(exchange, 200, "application/json", status_json(report, verdict) + "\n");
}

Task<void> AdminApi::metrics(http::Exchange& exchange) {
  const ClusterReport report = co_await look();
  const Verdict verdict = judge(report);
  co_await respond(exchange, 200, "text/plain; version=0.0.4; charset=utf-8",
                   metrics_text(report, verdict, local_()));
}

// For load balancers and service managers: whether this node can serve S3 now.
Task<void> AdminApi::health(http::Exchange& exchange) {
  const ClusterReport report = co_await look();
  const bool is_serving = report.state.has_value();
  boost::json::object body;
  body["serving"] = is_serving;
  co_await respond(exchange, is_serving ? 200 : 503, "application/json",
                   boost::json::serialize(body) + "\n");
}

}  // namespace predastore::admin
