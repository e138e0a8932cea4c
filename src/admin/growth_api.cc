#include "admin/growth_api.h"

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <vector>

#include "admin/growth_json.h"
#include "admin/respond.h"
#include "base/text.h"
#include "repair/job_runner.h"
#include "telemetry/log.h"

namespace predastore::admin {

namespace json = boost::json;

namespace {

constexpr Duration kTimeout = 10s;
constexpr std::size_t kBodyBytesMax = 64 * 1024;

std::vector<std::string> words_of(const std::string& path) {
  std::vector<std::string> words;
  std::size_t begin = 0;
  while (begin < path.size()) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    if (end > begin) words.push_back(path.substr(begin, end - begin));
    begin = end + 1;
  }
  return words;
}

Result<std::uint64_t> number_of(const std::string& text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size())
    return make_error(ErrorCode::InvalidArgument, "\"" + text + "\" is no number");
  return number;
}

}  // namespace

bool GrowthApi::is_for(std::string_view path) {
  return path.starts_with("/v1/jobs") || path.starts_with("/v1/nodes") ||
         path.starts_with("/v1/ring") || path.starts_with("/v1/heal") ||
         path.starts_with("/v1/meta");
}

Instant GrowthApi::deadline() const { return env_.clock.now() + kTimeout; }

Task<void> GrowthApi::handle(http::Exchange& exchange) {
  const std::string path{exchange.request().path()};
  const std::vector<std::string> words = words_of(path);
  GrowthRequest request;
  request.method = exchange.request().method;
  request.collection = words.size() > 1 ? words[1] : std::string{};
  request.name = words.size() > 2 ? words[2] : std::string{};
  request.action = words.size() > 3 ? words[3] : std::string{};
  const bool is_change = request.method != "GET";
  Result<std::string> done = make_error(ErrorCode::InvalidArgument, "too long a path");
  if (words.size() <= 4) {
    if (is_change) {
      auto body = co_await read_body(exchange, kBodyBytesMax);
      if (!body) {
        co_await refuse(exchange, std::move(body).error());
        co_return;
      }
      request.body = *std::move(body);
    }
    done = co_await answer(std::move(request));
  }
  if (!done) {
    co_await refuse(exchange, std::move(done).error());
    co_return;
  }
  if (is_change)
    telemetry::log_info("administration", {{"path", path}, {"remote", exchange.remote_address()}});
  co_await respond_json(exchange, 200, *std::move(done));
}

Task<Result<std::string>> GrowthApi::answer(GrowthRequest request) {
  if (request.collection == "jobs") co_return co_await answer_jobs(std::move(request));
  if (request.collection == "heal") co_return co_await heal_.answer(std::move(request));
  if (request.collection == "nodes" || request.collection == "ring")
    co_return co_await topology_.answer(std::move(request));
  if (request.collection == "meta") co_return co_await members_.answer(std::move(request));
  co_return nothing_there();
}

// ---- jobs

Task<Result<std::string>> GrowthApi::answer_jobs(GrowthRequest request) {
  if (request.name.empty()) {
    if (request.method == "GET") co_return co_await list_jobs();
    if (request.method == "POST") co_return co_await start_job(std::move(request.body));
    co_return make_error(ErrorCode::InvalidArgument, "GET or POST");
  }
  if (request.name == "rate" && request.method == "PUT")
    co_return co_await set_rate(std::move(request.body));
  PREDA_CO_TRY(const std::uint64_t id, number_of(request.name));
  JobState state = JobState::running;
  if (request.method != "POST") co_return nothing_there();
  if (request.action == "pause") {
    state = JobState::paused;
  } else if (request.action == "cancel") {
    state = JobState::cancelled;
  } else if (request.action != "resume" && request.action != "retry") {
    co_return nothing_there();
  }
  PREDA_CO_TRY(const JobRecord job, co_await growth_.set_job_state(JobId{id}, state, deadline()));
  co_return json::serialize(job_json(job));
}

Task<Result<std::string>> GrowthApi::list_jobs() {
  PREDA_CO_TRY(const std::vector<JobRecord> jobs, co_await growth_.jobs(deadline()));
  json::array list;
  for (const JobRecord& job : jobs) list.push_back(job_json(job));
  json::object body;
  body["jobs"] = std::move(list);
  PREDA_CO_TRY(const auto rate, co_await meta_.get_setting(repair::kJobRateSetting, deadline()));
  if (rate) body["bytes_per_second"] = *rate;
  co_return json::serialize(body);
}

Task<Result<std::string>> GrowthApi::start_job(std::string body) {
  PREDA_CO_TRY(const json::object wanted, object_of(body));
  const auto kind = job_kind_of(text_of(wanted, "kind"));
  if (!kind)
    co_return make_error(ErrorCode::InvalidArgument, "\"kind\" is none that can be started");
  std::string argument = text_of(wanted, "bucket");
  if (*kind == JobKind::rs_migrate && !argument.empty()) {
    PREDA_CO_TRY([[maybe_unused]] const BucketRecord bucket,
                 co_await meta_.get_bucket(argument, deadline()));
  }
  PREDA_CO_TRY(const JobRecord job,
               co_await growth_.start_job(*kind, std::move(argument), deadline()));
  co_return json::serialize(job_json(job));
}

Task<Result<std::string>> GrowthApi::set_rate(std::string body) {
  PREDA_CO_TRY(const json::object wanted, object_of(body));
  const json::value* value = wanted.if_contains("bytes_per_second");
  if (value == nullptr || !value->is_int64() || value->as_int64() < 0)
    co_return make_error(ErrorCode::InvalidArgument, "\"bytes_per_second\" is to be a number");
  std::string rate = std::to_string(value->as_int64());
  PREDA_CO_CHECK(co_await meta_.put_setting(repair::kJobRateSetting, rate, deadline()));
  co_return "{\"bytes_per_second\":" + rate + "}";
}

}  // namespace predastore::admin
