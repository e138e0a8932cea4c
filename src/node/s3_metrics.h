#pragma once

#include <prometheus/metric_family.h>

#include <memory>
#include <vector>

#include "s3/gateway.h"

namespace predastore::node {

// Counts and durations of S3 requests by operation and status. No label that a client chooses.
class S3Metrics {
 public:
  S3Metrics();
  ~S3Metrics();

  void count(const s3::RequestReport& report);
  std::vector<prometheus::MetricFamily> collect() const;

 private:
  struct Families;
  std::unique_ptr<Families> families_;
};

}  // namespace predastore::node
