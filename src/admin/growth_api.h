#pragma once

#include <string>
#include <string_view>

#include "admin/growth_request.h"
#include "admin/heal_api.h"
#include "admin/member_api.h"
#include "admin/topology_api.h"
#include "env/environment.h"
#include "http/server.h"
#include "meta/growth.h"
#include "meta/meta_service.h"

namespace predastore::admin {

// What the administration says and changes of a cluster that grows: /v1/jobs, and what TopologyApi
// HealApi and MemberApi have. Used on one loop.
class GrowthApi {
 public:
  // All outlive this.
  GrowthApi(Environment env, ClusterView& view, meta::MetaService& meta, meta::Growth& growth,
            Membership& membership)
      : env_(env),
        meta_(meta),
        growth_(growth),
        topology_(env, view, meta, growth, membership),
        heal_(env, view, meta),
        members_(env, membership, growth) {}

  static bool is_for(std::string_view path);
  Task<void> handle(http::Exchange& exchange);

 private:
  Task<Result<std::string>> answer(GrowthRequest request);  // JSON
  Task<Result<std::string>> answer_jobs(GrowthRequest request);
  Task<Result<std::string>> list_jobs();
  Task<Result<std::string>> start_job(std::string body);
  Task<Result<std::string>> set_rate(std::string body);
  Instant deadline() const;

  Environment env_;
  meta::MetaService& meta_;
  meta::Growth& growth_;
  TopologyApi topology_;
  HealApi heal_;
  MemberApi members_;
};

}  // namespace predastore::admin
