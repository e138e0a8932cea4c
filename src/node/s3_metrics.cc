#include "node/s3_metrics.h"

#include <prometheus/counter.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <chrono>
#include <string>

namespace predastore::node {

namespace {

// From a metadata answer out of memory to a part of gibibytes.
const prometheus::Histogram::BucketBoundaries kSeconds = {
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300};

}  // namespace

struct S3Metrics::Families {
  prometheus::Registry registry;
  prometheus::Family<prometheus::Counter>& requests =
      prometheus::BuildCounter()
          .Name("predastore_s3_requests_total")
          .Help("S3 requests by operation and HTTP status.")
          .Register(registry);
  prometheus::Family<prometheus::Histogram>& durations =
      prometheus::BuildHistogram()
          .Name("predastore_s3_request_duration_seconds")
          .Help("From the request's head to the end of its answer.")
          .Register(registry);
  prometheus::Counter& received = prometheus::BuildCounter()
                                      .Name("predastore_s3_received_bytes_total")
                                      .Help("Of request bodies.")
                                      .Register(registry)
                                      .Add({});
  prometheus::Counter& sent = prometheus::BuildCounter()
                                  .Name("predastore_s3_sent_bytes_total")
                                  .Help("Of answers' bodies.")
                                  .Register(registry)
                                  .Add({});
  prometheus::Counter& aborted = prometheus::BuildCounter()
                                     .Name("predastore_s3_aborted_answers_total")
                                     .Help("Answers that broke off after their first byte.")
                                     .Register(registry)
                                     .Add({});
};

S3Metrics::S3Metrics() : families_(std::make_unique<Families>()) {}
S3Metrics::~S3Metrics() = default;

void S3Metrics::count(const s3::RequestReport& report) {
  const std::string api{report.operation};
  families_->requests.Add({{"api", api}, {"code", std::to_string(report.status)}}).Increment();
  families_->durations.Add({{"api", api}}, kSeconds)
      .Observe(std::chrono::duration<double>(report.duration).count());
  families_->received.Increment(static_cast<double>(report.bytes_in));
  families_->sent.Increment(static_cast<double>(report.bytes_out));
  if (report.is_aborted) families_->aborted.Increment();
}

std::vector<prometheus::MetricFamily> S3Metrics::collect() const {
  return families_->registry.Collect();
}

}  // namespace predastore::node
