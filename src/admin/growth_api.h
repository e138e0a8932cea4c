#pragma once

#include <string>
#include <string_view>

#include "env/environment.h"
#include "http/server.h"
#include "meta/growth.h"
#include "meta/meta_service.h"

namespace predastore::admin {

// /v1/jobs of the administration: background work of the cluster. Used on one loop.
class GrowthApi {
 public:
  // Both outlive this.
  GrowthApi(Environment env, meta::MetaService& meta, meta::Growth& growth)
      : env_(env), meta_(meta), growth_(growth) {}

  static bool is_for(std::string_view path);
  Task<void> handle(http::Exchange& exchange);

 private:
  // What is asked for: POST /v1/jobs/7/pause gives "jobs", "7", "pause".
  struct Request {
    std::string method;
    std::string collection;
    std::string name;
    std::string action;
    std::string body;
  };
  Task<Result<std::string>> answer(Request request);  // JSON
  Task<Result<std::string>> answer_jobs(Request request);
  Task<Result<std::string>> list_jobs();
  Task<Result<std::string>> start_job(std::string body);
  Task<Result<std::string>> set_rate(std::string body);
  Instant deadline() const;

  Environment env_;
  meta::MetaService& meta_;
  meta::Growth& growth_;
};

}  // namespace predastore::admin
