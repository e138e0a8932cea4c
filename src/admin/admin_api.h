#pragma once

#include <functional>

#include "admin/growth_api.h"
#include "admin/key_api.h"
#include "admin/metrics.h"
#include "admin/options_api.h"
#include "admin/status.h"
#include "env/environment.h"
#include "http/server.h"

namespace predastore::admin {

// The administration port: HTTP and JSON, described by openapi.yaml beside this file. Who may talk
// to it is settled below, by TLS with certificates of the cluster on both sides. Used on one loop;
// outlives the server whose handler it is.
class AdminApi {
 public:
  using Local = std::function<LocalNumbers()>;
  AdminApi(Environment env, ClusterView& view, access::AccessKeys& keys, meta::MetaService& meta,
           Local local)
      : env_(env), view_(view), keys_(env, keys), options_(env, meta), local_(std::move(local)) {}

  // Before the first request; it outlives this.
  void extend(GrowthApi& growth) { growth_ = &growth; }

  Task<void> handle(http::Exchange& exchange);

 private:
  Task<ClusterReport> look();
  Task<void> status(http::Exchange& exchange);
  Task<void> metrics(http::Exchange& exchange);
  Task<void> health(http::Exchange& exchange);

  Environment env_;
  ClusterView& view_;
  KeyApi keys_;
  OptionsApi options_;
  Local local_;
  GrowthApi* growth_ = nullptr;
};

}  // namespace predastore::admin
