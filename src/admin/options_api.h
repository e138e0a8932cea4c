#pragma once

#include <string>
#include <string_view>

#include "env/environment.h"
#include "http/server.h"
#include "meta/meta_service.h"

namespace predastore::admin {

// What operators set for a bucket or for the whole cluster: /v1/buckets and what is below it, and
// /v1/cluster; see openapi.yaml. A change is replicated when it is answered, and new writes go by
// it within a second.
class OptionsApi {
 public:
  OptionsApi(Environment env, meta::MetaService& meta) : env_(env), meta_(meta) {}

  static bool is_for(std::string_view path);
  Task<void> handle(http::Exchange& exchange);

 private:
  Task<void> list_buckets(http::Exchange& exchange);
  Task<void> show_bucket(http::Exchange& exchange, std::string name);
  Task<void> change_bucket(http::Exchange& exchange, std::string name);
  Task<void> show_cluster(http::Exchange& exchange);
  Task<void> change_cluster(http::Exchange& exchange);
  Instant deadline() const;

  Environment env_;
  meta::MetaService& meta_;
};

}  // namespace predastore::admin
