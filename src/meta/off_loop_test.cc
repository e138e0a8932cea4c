// The loop that steps Raft never waits for the database: every call of the store that may go to the
// drive runs in env.blocking.
#include <stdlib.h>

#include <filesystem>

#include "kv/memory_store.h"
#include "meta/testing/meta_fixture.h"

namespace predastore::meta {
namespace {

// Knows whether it is doing its work just now.
class WatchedBlocking final : public Blocking {
 public:
  explicit WatchedBlocking(Blocking& inner) : inner_(inner) {}
  void submit(Executor executor, std::function<void()> work, std::function<void()> done) override {
    ++submitted;
    auto watched = [work = std::move(work)] {
      is_working = true;
      work();
      is_working = false;
    };
    inner_.submit(std::move(executor), std::move(watched), std::move(done));
  }
  static thread_local bool is_working;
  std::size_t submitted = 0;

 private:
  Blocking& inner_;
};
thread_local bool WatchedBlocking::is_working = false;

struct Calls {
  std::atomic<std::size_t> beside_the_loop = 0;
  std::atomic<std::size_t> on_the_loop = 0;
  void note() { ++(WatchedBlocking::is_working ? beside_the_loop : on_the_loop); }
};

class WatchedStore final : public kv::KeyValueStore {
 public:
  WatchedStore(std::unique_ptr<kv::KeyValueStore> inner, Calls& calls)
      : inner_(std::move(inner)), calls_(calls) {}
  Result<std::optional<std::string>> get(kv::Family family, std::string_view key) override {
    calls_.note();
    return inner_->get(family, key);
  }
  Result<void> write(const kv::Batch& batch) override {
    calls_.note();
    return inner_->write(batch);
  }
  std::unique_ptr<kv::Iterator> iterate(kv::Family family) override {
    calls_.note();
    return inner_->iterate(family);
  }
  Result<void> flush() override {
    calls_.note();
    return inner_->flush();
  }

 private:
  std::unique_ptr<kv::KeyValueStore> inner_;
  Calls& calls_;
};

class OffLoop : public ::testing::Test {
 protected:
  template <class T>
  T run(Task<T> task) {
    return run_until_done(host_.loop, std::move(task));
  }
  Instant soon() { return host_.loop.clock().now() + 10s; }
  std::unique_ptr<ReplicatedMetaService> service_on(const Environment& env, StateMachine& state,
                                                    ImmediateReplica& replica) {
    MetaOptions options;
    options.self = NodeId{1};
    options.bootstrap.emplace();
    NodeRecord node;
    node.node = NodeId{1};
    options.bootstrap->nodes.push_back(node);
    auto service = ReplicatedMetaService::make(env, options, state, replica, nullptr, nullptr);
    EXPECT_TRUE(run(service->initialise(soon())));
    return service;
  }

  ProductionHost host_{2};
  WatchedBlocking blocking_{host_.blocking};
  Calls calls_;
};

TEST_F(OffLoop, writes_reads_and_flushes_of_the_state_run_beside_the_loop) {
  const Environment real = host_.environment();
  const Environment env{real.executor, real.clock, real.random, real.files, blocking_};
  auto disk = std::make_shared<kv::MemoryDisk>(kFamilyCount);
  auto store = std::make_unique<WatchedStore>(kv::open_memory(disk), calls_);
  const auto state = StateMachine::open(env, std::move(store)).value();
  calls_.on_the_loop = 0;  // opening it is before there is anything to hold up
  ImmediateReplica replica(env, NodeId{1}, *state);
  const auto service = service_on(env, *state, replica);
  BucketRecord bucket;
  bucket.name = "b";
  ASSERT_TRUE(run(service->create_bucket(bucket, soon())));
  const auto context = run(service->write_context("b", soon()));
  ASSERT_TRUE(context);
  TestObjects objects;
  ASSERT_TRUE(run(service->put_object(objects.put("b", "k", 2500, *context), soon())));
  ASSERT_TRUE(run(service->get_object("b", "k", 0, kWhole, soon())));
  ListQuery list;
  list.bucket = "b";
  list.max_entries = 10;
  ASSERT_TRUE(run(service->list_objects(list, soon())));
  ASSERT_TRUE(run(service->advance_write_epoch(soon())));
  ASSERT_TRUE(run(state->flush()));
  ASSERT_TRUE(run(service->cluster_state(soon())));
  EXPECT_EQ(calls_.on_the_loop, 0U);
  EXPECT_GT(calls_.beside_the_loop, 10U);
  EXPECT_GT(blocking_.submitted, 5U);
}

TEST_F(OffLoop, a_short_read_of_what_is_in_memory_changes_no_threads) {
  std::string directory = std::filesystem::temp_directory_path() / "predastore-meta-XXXXXX";
  ASSERT_NE(::mkdtemp(directory.data()), nullptr);
  {
    const Environment real = host_.environment();
    const Environment env{real.executor, real.clock, real.random, real.files, blocking_};
    const auto state =
        run(StateMachine::open_in(env, directory + "/state", kv::open_rocks)).value();
    ImmediateReplica replica(env, NodeId{1}, *state);
    const auto service = service_on(env, *state, replica);
    BucketRecord bucket;
    bucket.name = "b";
    ASSERT_TRUE(run(service->create_bucket(bucket, soon())));
    const auto context = run(service->write_context("b", soon()));
    ASSERT_TRUE(context);
    TestObjects objects;
    ASSERT_TRUE(run(service->put_object(objects.put("b", "k", 2500, *context), soon())));
    const std::size_t before = blocking_.submitted;
    EXPECT_TRUE(run(service->get_object("b", "k", 0, 1 << 20, soon())));
    EXPECT_TRUE(run(service->write_context("b", soon())));
    EXPECT_EQ(run(service->get_object("b", "absent", 0, 1 << 20, soon())).error().code,
              ErrorCode::NotFound);
    EXPECT_EQ(blocking_.submitted, before);
    ListQuery list;
    list.bucket = "b";
    list.max_entries = 10;
    ASSERT_TRUE(run(service->list_objects(list, soon())));
    EXPECT_GT(blocking_.submitted, before) << "a page may be long";
  }
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace predastore::meta
