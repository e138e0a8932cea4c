// Two nodes over the transport in memory: one stores, the other asks.
#include "net/memory_transport.h"
#include "shard/routed_shard_service.h"
#include "shard/shard_messages.h"
#include "shard/shard_server.h"
#include "shard/test_support.h"

namespace predastore::shard {
namespace {

using namespace testing;  // NOLINT: the test's own vocabulary

constexpr NodeId kStoreNode{7};
constexpr NodeId kOtherNode{8};

class ShardRemoteTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(machine_.open());
    store_server_.attach(rpc_server());
    tasks_.spawn(server_->run());
  }
  void TearDown() override {
    ASSERT_TRUE(machine_.run(stop(*this)));
    machine_.settle();
  }
  static Task<Result<void>> stop(ShardRemoteTest& self) {
    co_await self.store_end_->stop();
    co_await self.other_end_->stop();
    co_return co_await self.tasks_.join();
  }
  rpc::Server& rpc_server() {
    server_ = std::make_unique<rpc::Server>(machine_.env(), *store_end_);
    return *server_;
  }
  static Task<Result<void>> wait(Clock& clock) {
    co_await sleep_for(clock, 40s);
    co_return Result<void>{};
  }
  Result<void> put(ShardService& service, std::uint32_t number, std::uint64_t write_id,
                   std::uint64_t size, std::uint32_t generation = 1) {
    auto writer = machine_.run(service.create(kStoreNode, key_of(number),
                                              stamp_of(write_id, generation), machine_.soon()));
    return machine_.run(
        write_shard(std::move(writer), segments_of(write_id, size), machine_.soon()));
  }
  Result<std::vector<Segment>> fetch(ShardService& service, std::uint32_t number,
                                     std::uint64_t write_id, std::uint32_t first,
                                     std::uint16_t count) {
    return machine_.run(service.fetch(kStoreNode, key_of(number), WriteId{write_id},
                                      SegmentIndex{first}, count, machine_.soon()));
  }

  TestMachine machine_;
  net::MemoryNetwork network_{machine_.env()};
  std::unique_ptr<net::Transport> store_end_ = network_.endpoint(kStoreNode);
  std::unique_ptr<net::Transport> other_end_ = network_.endpoint(kOtherNode);
  std::unique_ptr<rpc::Server> server_;
  rpc::Client client_{machine_.env(), *other_end_};
  struct LateStore {  // the store is opened in SetUp
    TestMachine& machine;
    std::unique_ptr<ShardServer> server;
    void attach(rpc::Server& rpc) {
      server = std::make_unique<ShardServer>(machine.env(), *machine.store);
      server->attach(rpc);
    }
  };
  LateStore store_server_{machine_, nullptr};
  TaskGroup tasks_{machine_.loop.get_executor(), machine_.clock};
  RoutedShardService remote_{machine_.env(), kOtherNode, nullptr, client_};
};

TEST_F(ShardRemoteTest, the_caller_cannot_tell_local_from_remote) {
  RoutedShardService local{machine_.env(), kStoreNode, machine_.store.get(), client_};
  ASSERT_TRUE(put(remote_, 1, 5, 40 * 65536 + 17));
  ASSERT_TRUE(put(local, 2, 6, 70000));
  for (ShardService* service :
       {static_cast<ShardService*>(&local), static_cast<ShardService*>(&remote_)}) {
    std::vector<Segment> all;
    while (all.size() < 41) {
      const auto some =
          fetch(*service, 1, all.empty() ? 0 : 5, static_cast<std::uint32_t>(all.size()), 16);
      ASSERT_TRUE(some) << some.error().to_string();
      EXPECT_EQ(some->size(), std::min<std::size_t>(16, 41 - all.size()));
      all.insert(all.end(), some->begin(), some->end());
    }
    EXPECT_TRUE(same(all, segments_of(5, 40 * 65536 + 17)));
    EXPECT_TRUE(same(*fetch(*service, 2, 6, 0, 16), segments_of(6, 70000)));
    EXPECT_TRUE(fetch(*service, 2, 6, 2, 16)->empty());
    EXPECT_EQ(fetch(*service, 2, 99, 0, 1).error().code, ErrorCode::NotFound);
    EXPECT_EQ(fetch(*service, 3, 0, 0, 1).error().code, ErrorCode::NotFound);
    const auto info = machine_.run(service->stat(kStoreNode, key_of(1), machine_.soon()));
    ASSERT_TRUE(info);
    EXPECT_EQ(info->segment_count, 41U);
    EXPECT_EQ(info->stamp.write_id, WriteId{5});
    EXPECT_EQ(machine_.run(service->stat(kStoreNode, key_of(3), machine_.soon())).error().code,
              ErrorCode::NotFound);
    EXPECT_EQ(put(*service, 2, 7, 100, 0).error().code, ErrorCode::Conflict);
  }
  ASSERT_TRUE(machine_.run(remote_.remove(
      kStoreNode, {{key_of(1), Generation{1}}, {key_of(9), Generation{1}}}, machine_.soon())));
  EXPECT_EQ(fetch(local, 1, 0, 0, 1).error().code, ErrorCode::NotFound);
}

TEST_F(ShardRemoteTest, a_writer_that_goes_away_leaves_nothing) {
  auto writer = machine_.run(remote_.create(kStoreNode, key_of(1), stamp_of(5), machine_.soon()));
  ASSERT_TRUE(writer);
  ASSERT_TRUE(machine_.run((*writer)->append(segments_of(5, 100000), machine_.soon())));
  machine_.settle();
  EXPECT_GT(machine_.store->status().queued_bytes, 0U);
  writer->reset();
  machine_.settle();
  EXPECT_EQ(machine_.store->status().queued_bytes, 0U);
  EXPECT_EQ(fetch(remote_, 1, 0, 0, 1).error().code, ErrorCode::NotFound);
}

TEST_F(ShardRemoteTest, a_refusal_reaches_the_writer_with_its_reason) {
  auto writer = machine_.run(remote_.create(kStoreNode, key_of(1), stamp_of(5), machine_.soon()));
  auto segments = segments_of(5, 40 * 65536);
  ++segments[3].crc32;
  const auto appended = machine_.run((*writer)->append(std::move(segments), machine_.soon()));
  const auto result = appended ? machine_.run((*writer)->commit(machine_.soon())) : appended;
  EXPECT_EQ(result.error().code, ErrorCode::Corruption) << result.error().to_string();
}

TEST_F(ShardRemoteTest, damage_on_the_drive_is_corruption_for_the_gateway) {
  ASSERT_TRUE(put(remote_, 1, 5, 70000));
  machine_.disk.live_names.begin()->second->live[8192 + 500] ^= 4;
  EXPECT_EQ(fetch(remote_, 1, 5, 0, 2).error().code, ErrorCode::Corruption);
  EXPECT_TRUE(fetch(remote_, 1, 5, 1, 1));
  EXPECT_EQ(machine_.damage.size(), 1U);
}

TEST_F(ShardRemoteTest, a_node_that_is_down_is_unavailable) {
  network_.down(kStoreNode);
  EXPECT_EQ(fetch(remote_, 1, 5, 0, 2).error().code, ErrorCode::Unavailable);
  EXPECT_EQ(put(remote_, 1, 5, 100).error().code, ErrorCode::Unavailable);
  EXPECT_EQ(
      machine_
          .run(remote_.fetch(kOtherNode, key_of(1), WriteId{}, SegmentIndex{0}, 1, machine_.soon()))
          .error()
          .code,
      ErrorCode::Unavailable);  // it stores nothing itself
}

TEST_F(ShardRemoteTest, a_writer_that_says_nothing_is_given_up) {
  auto writer = machine_.run(remote_.create(kStoreNode, key_of(1), stamp_of(5), machine_.soon()));
  ASSERT_TRUE(machine_.run((*writer)->append({segment_of(5, 0, 1000)}, machine_.soon())));
  ASSERT_TRUE(machine_.run(wait(machine_.clock)));
  EXPECT_EQ(machine_.store->status().queued_bytes, 0U);
  EXPECT_FALSE(machine_.run((*writer)->commit(machine_.soon())));
}

}  // namespace
}  // namespace predastore::shard
