#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "env/host.h"
#include "env/run_task.h"
#include "meta/testing/test_meta.h"
#include "meta/testing/test_objects.h"

namespace predastore::meta {

inline constexpr std::uint64_t kWhole = ~std::uint64_t{0};

// A service on one node with a bucket "b", driven step by step.
class MetaTest : public ::testing::Test {
 protected:
  MetaTest() { start({}); }

  void start(TestMetaOptions options) {
    meta_ = std::make_unique<TestMeta>(host_.environment(), options);
    run(meta_->open());
    make_bucket("b");
  }
  template <class T>
  T run(Task<T> task) {
    return run_until_done(host_.loop, std::move(task));
  }
  Instant soon() { return host_.loop.clock().now() + 10s; }
  MetaService& service() { return meta_->service(); }

  BucketRecord make_bucket(const std::string& name) {
    BucketRecord bucket;
    bucket.name = name;
    bucket.rs = {2, 1};
    auto made = run(service().create_bucket(bucket, soon()));
    EXPECT_TRUE(made.has_value());
    return *made;
  }
  WriteContext context(const std::string& bucket = "b") {
    return run(service().write_context(bucket, soon())).value();
  }
  Result<ObjectRecord> put(const std::string& key, std::uint64_t size_bytes = 2500,
                           Precondition precondition = {}) {
    PutObject command = objects_.put("b", key, size_bytes, context());
    command.precondition = std::move(precondition);
    return run(service().put_object(std::move(command), soon()));
  }
  Result<ObjectAndLayouts> get(const std::string& key, std::uint64_t first = 0,
                               std::uint64_t last = kWhole) {
    return run(service().get_object("b", key, first, last, soon()));
  }
  Result<void> erase(const std::string& key, Precondition precondition = {}) {
    std::vector<std::string> keys{key};
    return run(service().delete_objects("b", std::move(keys), std::move(precondition), soon()));
  }
  ClusterState cluster() { return run(service().cluster_state(soon())).value(); }
  template <class T>
  static ErrorCode code_of(const Result<T>& result) {
    EXPECT_FALSE(result.has_value());
    return result.has_value() ? ErrorCode::Internal : result.error().code;
  }

  ProductionHost host_{2};
  TestObjects objects_;
  std::unique_ptr<TestMeta> meta_;
};

}  // namespace predastore::meta
