#pragma once

#include <string>

#include "admin/growth_request.h"
#include "admin/status.h"
#include "env/environment.h"
#include "meta/meta_service.h"
#include "repair/object_names.h"

namespace predastore::admin {

// /v1/heal: how healing goes, as the node that leads knows it, and what an operator wants of it.
// Used on one loop.
class HealApi {
 public:
  // All outlive this.
  HealApi(Environment env, ClusterView& view, meta::MetaService& meta)
      : env_(env), view_(view), meta_(meta), names_(env, meta) {}

  Task<Result<std::string>> answer(GrowthRequest request);  // JSON

 private:
  Task<Result<std::string>> show();
  Task<Result<std::string>> set_paused(bool is_paused);
  Task<Result<std::string>> start();
  Task<Result<std::string>> set_rate(std::string body);
  Instant deadline() const;

  Environment env_;
  ClusterView& view_;
  meta::MetaService& meta_;
  repair::ObjectNames names_;  // of what cannot be repaired
};

// The answer of GET /v1/heal; see src/admin/openapi.yaml.
std::string heal_json(const ClusterReport& report,
                      const std::map<ObjectId, repair::ObjectName>& names = {});

}  // namespace predastore::admin
