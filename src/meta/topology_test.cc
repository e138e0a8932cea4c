// Nodes, rings and their epochs in the metadata.
#include "meta/testing/meta_fixture.h"

namespace predastore::meta {
namespace {

class MetaTopology : public MetaTest {
 protected:
  MetaTopology() {
    TestMetaOptions options;
    options.limits.write_epochs = 4;
    start(options);
  }
  Growth& growth() { return meta_->service().growth(); }
  Topology topology() { return run(growth().topology(soon())).value(); }
  Result<void> put_node(std::uint64_t id, const std::string& name) {
    NodeRecord node;
    node.node = NodeId{id};
    node.name = name;
    node.cluster_address = "127.0.0.1:" + std::to_string(7700 + id);
    return run(growth().put_node(node, soon()));
  }
  // The next epoch: these nodes, one slot each.
  Result<void> new_ring(const std::vector<std::uint64_t>& nodes) {
    const Topology now = topology();
    RingRecord ring = now.ring;
    ring.slots.clear();
    for (const std::uint64_t id : nodes) {
      RingSlot slot;
      slot.slot = SlotId{static_cast<SlotId::raw_type>(id - 1)};
      slot.node = NodeId{id};
      ring.slots.push_back(slot);
    }
    return run(growth().new_ring(now.ring.epoch, ring, soon()));
  }
  Result<void> set_state(std::uint64_t id, NodeState state) {
    return run(growth().set_node_state(NodeId{id}, state, soon()));
  }
  ChunkLayout layout_of(const ObjectRecord& record) {
    return run(service().get_layout(record.parts.front().object_id, ChunkIndex{0}, soon())).value();
  }
  // As a rebalance does it, without its shards.
  Result<void> swap(ChunkLayout layout, RingEpoch epoch, std::uint64_t onto) {
    SwapLayout command;
    command.write_epoch = context().write_epoch;
    layout.ring_epoch = epoch;
    layout.generation = next(layout.generation);
    layout.places[0].node = NodeId{onto};
    layout.places[0].write_id = WriteId{77};
    command.layout = layout;
    return run(service().swap_layout(command, soon()));
  }
};

TEST_F(MetaTopology, a_node_is_registered_once_by_id_and_by_name) {
  ASSERT_TRUE(put_node(4, "n4"));
  EXPECT_EQ(code_of(put_node(5, "n4")), ErrorCode::AlreadyExists);
  ASSERT_TRUE(put_node(4, "four"));  // a change of its own
  EXPECT_EQ(topology().nodes.size(), 4U);
  EXPECT_FALSE(topology().nodes.back().is_voter);
}

TEST_F(MetaTopology, a_new_ring_is_used_at_once_and_old_layouts_stay_readable) {
  const ObjectRecord old = put("old", 900).value();
  const ChunkLayout before = layout_of(old);
  ASSERT_TRUE(put_node(4, "n4"));
  ASSERT_TRUE(new_ring({1, 2, 3, 4}));
  EXPECT_EQ(context().ring.epoch, RingEpoch{2});
  EXPECT_EQ(layout_of(old), before);
  ASSERT_TRUE(put("new", 900));
  const Topology now = topology();
  EXPECT_EQ(now.layouts_by_epoch.at(RingEpoch{1}), 1U);
  EXPECT_EQ(now.layouts_by_epoch.at(RingEpoch{2}), 1U);
  EXPECT_EQ(now.layout_count, 2U);
}

TEST_F(MetaTopology, a_ring_names_only_nodes_that_are_registered_and_open) {
  EXPECT_EQ(code_of(new_ring({1, 2, 9})), ErrorCode::Conflict);
  ASSERT_TRUE(put_node(4, "n4"));
  ASSERT_TRUE(set_state(4, NodeState::draining));
  EXPECT_EQ(code_of(new_ring({1, 2, 3, 4})), ErrorCode::Conflict);
  ASSERT_TRUE(set_state(4, NodeState::active));
  ASSERT_TRUE(new_ring({1, 2, 3, 4}));
  RingRecord ring = topology().ring;
  EXPECT_EQ(code_of(run(growth().new_ring(RingEpoch{1}, ring, soon()))), ErrorCode::Conflict);
}

TEST_F(MetaTopology, a_ring_narrower_than_what_is_stored_is_refused) {
  EXPECT_EQ(code_of(new_ring({1, 2})), ErrorCode::Conflict);  // the bucket is RS(2,1)
  ASSERT_TRUE(put_node(4, "n4"));
  ASSERT_TRUE(new_ring({1, 2, 3, 4}));
  BucketOptions options;
  options.bucket = "b";
  options.rs = RsConfig{2, 2};
  ASSERT_TRUE(run(service().set_bucket_options(options, soon())));
  ASSERT_TRUE(put("k", 900));
  options.rs = RsConfig{2, 1};
  ASSERT_TRUE(run(service().set_bucket_options(options, soon())));
  EXPECT_EQ(code_of(new_ring({1, 2, 3})), ErrorCode::Conflict);  // a chunk of RS(2,2)
  ASSERT_TRUE(erase("k"));
  run(meta_->advance(3));
  const auto items = run(service().garbage_queue(10, soon())).value();
  ASSERT_EQ(items.size(), 1U);
  ASSERT_TRUE(run(service().garbage_done({items[0].id}, soon())));
  EXPECT_TRUE(new_ring({1, 2, 3}));
}

TEST_F(MetaTopology, what_is_placed_on_a_closed_node_counts_as_missing_elsewhere) {
  ASSERT_TRUE(put_node(4, "n4"));
  const WriteContext old = context();
  ASSERT_TRUE(new_ring({1, 2, 4}));
  ASSERT_TRUE(set_state(3, NodeState::draining));
  // An upload that began before, with a shard on each of 1, 2, 3.
  PutObject command = objects_.put("b", "k", 900, old);
  const auto stored = run(service().put_object(command, soon()));
  ASSERT_TRUE(stored) << stored.error().to_string();
  const ChunkLayout layout = layout_of(*stored);
  EXPECT_TRUE(layout.places[2].is_missing);
  EXPECT_EQ(layout.places[2].node, NodeId{4});
  EXPECT_FALSE(layout.places[0].is_missing);
  EXPECT_EQ(cluster().repair_pending, 1U);
  // Two closed nodes leave less than the write quorum.
  ASSERT_TRUE(set_state(2, NodeState::draining));
  EXPECT_EQ(code_of(run(service().put_object(objects_.put("b", "l", 900, old), soon()))),
            ErrorCode::InvalidArgument);
}

TEST_F(MetaTopology, no_shard_is_moved_onto_a_closed_node) {
  const ObjectRecord stored = put("k", 900).value();
  ASSERT_TRUE(put_node(4, "n4"));
  ASSERT_TRUE(new_ring({1, 2, 3, 4}));
  ASSERT_TRUE(set_state(4, NodeState::draining));
  EXPECT_EQ(code_of(swap(layout_of(stored), RingEpoch{2}, 4)), ErrorCode::Conflict);
  ASSERT_TRUE(set_state(4, NodeState::active));
  EXPECT_TRUE(swap(layout_of(stored), RingEpoch{2}, 4));
}

TEST_F(MetaTopology, a_node_departs_when_the_ring_does_not_name_it_and_never_comes_back) {
  ASSERT_TRUE(put_node(4, "n4"));
  ASSERT_TRUE(new_ring({1, 2, 3, 4}));
  EXPECT_EQ(code_of(set_state(4, NodeState::departed)), ErrorCode::Conflict);
  ASSERT_TRUE(new_ring({1, 2, 3}));
  ASSERT_TRUE(set_state(4, NodeState::departed));
  EXPECT_EQ(code_of(set_state(4, NodeState::active)), ErrorCode::Conflict);
  EXPECT_EQ(code_of(put_node(4, "n4")), ErrorCode::Conflict);
  EXPECT_TRUE(put_node(5, "n4"));  // the name is free again
  EXPECT_EQ(topology().closed(), (std::set<NodeId>{NodeId{4}}));
}

TEST_F(MetaTopology, an_epoch_goes_when_nothing_names_it_and_nothing_can) {
  const ObjectRecord stored = put("k", 900).value();
  const WriteContext old = context();
  ASSERT_TRUE(put_node(4, "n4"));
  ASSERT_TRUE(new_ring({1, 2, 3, 4}));
  EXPECT_EQ(code_of(run(growth().drop_ring(RingEpoch{1}, soon()))), ErrorCode::Conflict);
  ASSERT_TRUE(swap(layout_of(stored), RingEpoch{2}, 4));
  EXPECT_TRUE(topology().droppable.empty());  // an upload may still name it
  EXPECT_EQ(code_of(run(growth().drop_ring(RingEpoch{1}, soon()))), ErrorCode::Conflict);
  run(meta_->advance(4));
  EXPECT_EQ(topology().droppable, (std::set<RingEpoch>{RingEpoch{1}}));
  // A new write under the old ring comes too late, whatever its write epoch.
  WriteContext late = old;
  late.write_epoch = context().write_epoch;
  EXPECT_EQ(code_of(run(service().put_object(objects_.put("b", "l", 900, late), soon()))),
            ErrorCode::StaleEpoch);
  ASSERT_TRUE(run(growth().drop_ring(RingEpoch{1}, soon())));
  EXPECT_EQ(topology().layouts_by_epoch.size(), 1U);
  EXPECT_EQ(code_of(run(growth().drop_ring(RingEpoch{2}, soon()))), ErrorCode::InvalidArgument);
}

}  // namespace
}  // namespace predastore::meta
