#include <gtest/gtest.h>

#include <algorithm>

#include "base/text.h"
#include "meta/state/state.h"
#include "meta/testing/test_objects.h"

// What is stored must be readable by the next build, and the same on every replica: these are
// formats (docs/formats/metadata.md), and a test that fails here asks for a new version.
namespace predastore::meta {
namespace {

std::string hex(const std::string& bytes) { return to_hex(as_bytes(bytes)); }

TEST(MetaFormat, keys) {
  const Incarnation life{0x0102030405060708};
  EXPECT_EQ(hex(keys::object(life, "a/b")),
            "0102030405060708"
            "612f62"
            "0001"
            "0000000000000000");
  EXPECT_EQ(hex(keys::object(life, std::string{"\0x", 2})),
            "0102030405060708"
            "00ff78"
            "0001"
            "0000000000000000");
  EXPECT_EQ(hex(keys::upload(life, "k", "id")),
            "0102030405060708"
            "6b0001"
            "69640001");
  EXPECT_EQ(hex(keys::part(life, "id", PartNumber{258})),
            "0102030405060708"
            "69640001"
            "0102");
  EXPECT_EQ(hex(keys::garbage(5)),
            "67"
            "0000000000000005");
  EXPECT_EQ(hex(keys::session_answer(1, 2)),
            "0000000000000001"
            "0000000000000002");
  EXPECT_EQ(hex(keys::ring(RingEpoch{1})),
            "72"
            "00000001");
  EXPECT_EQ(hex(keys::node(NodeId{3})),
            "6e"
            "0000000000000003");
}

TEST(MetaFormat, encoded_keys_are_in_the_order_of_the_names) {
  std::vector<std::string> names;
  const std::string alphabet{"\0\x01\x2f\xfe\xff", 5};
  for (const char a : alphabet) {
    names.emplace_back(1, a);
    for (const char b : alphabet) {
      names.push_back({a, b});
      for (const char c : alphabet) names.push_back({a, b, c});
    }
  }
  std::sort(names.begin(), names.end());
  const Incarnation life{7};
  for (std::size_t i = 0; i < names.size(); ++i) {
    const std::string encoded = keys::object(life, names[i]);
    EXPECT_EQ(keys::object_name(encoded), names[i]);
    if (i > 0) {
      EXPECT_LT(keys::object(life, names[i - 1]), encoded);
    }
    const std::string prefix = keys::object_prefix(life, names[i]);
    for (const std::string& name : names)
      EXPECT_EQ(keys::object(life, name).starts_with(prefix), name.starts_with(names[i]));
  }
}

TEST(MetaFormat, broken_keys_are_refused) {
  for (const char* broken : {"", "61", "6100", "610002", "61ff"}) {
    const std::string bytes = from_hex(broken).value();
    std::string_view rest = bytes;
    EXPECT_EQ(keys::take_terminated(rest), std::nullopt) << broken;
  }
}

TEST(MetaFormat, after_prefix_carries) {
  EXPECT_EQ(keys::after_prefix("a"), "b");
  EXPECT_EQ(keys::after_prefix("a\xff\xff"), "b");
  EXPECT_EQ(keys::after_prefix("\xff"), "");
}

ObjectRecord sample_object() {
  ObjectRecord record;
  record.etag = "e";
  record.size_bytes = 300;
  record.last_modified_ms = 1000;
  record.incarnation = Incarnation{1};
  record.headers = {{"content-type", "t"}, {"a", "b"}};
  record.checksum = {ChecksumAlgorithm::crc32, ChecksumType::composite, "\x01\x02"};
  return record;
}

TEST(MetaFormat, an_object_record) {
  const std::string encoded = encode_record(to_message(sample_object()));
  EXPECT_EQ(hex(encoded),
            "0801"
            "120165"
            "18ac02"
            "20e807"
            "290100000000000000"
            "32060a0161120162"
            "32110a0c636f6e74656e742d74797065120174"
            "4a08080110011a020102");
  EXPECT_EQ(from_message(*decode_record<pb::Object>(encoded)).value(), sample_object());
}

RingRecord golden_ring() {
  RingRecord record;
  record.epoch = RingEpoch{1};
  for (std::uint32_t i = 0; i < 3; ++i) {
    RingSlot slot;
    slot.slot = SlotId{i};
    slot.node = NodeId{i + 1};
    record.slots.push_back(slot);
  }
  return record;
}

ChunkLayout sample_layout(const ring::Ring& ring) {
  ChunkLayout layout;
  layout.object_id.bytes.fill(std::byte{0xAB});
  layout.chunk_index = ChunkIndex{3};
  layout.size_bytes = 1000;
  layout.rs = {2, 1};
  layout.ring_epoch = RingEpoch{1};
  layout.placement_hash = 0x1122334455667788;
  layout.generation = Generation{1};
  layout.write_epoch = WriteEpoch{9};
  layout.crc64nvme = 5;
  for (const NodeId node : ring.candidates(layout.placement_hash, 3))
    layout.places.push_back({node, WriteId{7}, false, true});
  return layout;
}

TEST(MetaFormat, a_layout_on_the_ring_lists_no_places) {
  const ring::Ring ring = ring::Ring::make(golden_ring()).value();
  const ChunkLayout layout = sample_layout(ring);
  const std::string encoded = encode_record(compact(layout, ring));
  EXPECT_EQ(hex(encoded),
            "0801"
            "10e807"
            "1802"
            "2001"
            "2801"
            "318877665544332211"
            "3801"
            "4009"
            "490500000000000000"
            "52080700000000000000");
  const std::string key = chunk_key(layout.object_id, layout.chunk_index);
  EXPECT_EQ(expand(*decode_record<pb::StoredLayout>(encoded), key, ring).value(), layout);
}

TEST(MetaFormat, only_what_differs_from_the_ring_is_an_exception) {
  const ring::Ring ring = ring::Ring::make(golden_ring()).value();
  ChunkLayout layout = sample_layout(ring);
  std::swap(layout.places[0].node, layout.places[1].node);
  layout.places[1].write_id = WriteId{8};
  layout.places[2].is_missing = true;
  const pb::StoredLayout stored = compact(layout, ring);
  EXPECT_EQ(stored.exceptions_size(), 3);
  EXPECT_EQ(stored.exceptions(2).node(), 0U);
  EXPECT_EQ(stored.write_ids_size(), 3);
  const std::string key = chunk_key(layout.object_id, layout.chunk_index);
  EXPECT_EQ(expand(stored, key, ring).value(), layout);
  layout.places[2].is_missing = false;
  layout.places[2].is_stored = false;
  layout.places[0].node = NodeId{99};
  EXPECT_EQ(expand(compact(layout, ring), key, ring).value(), layout);
}

TEST(MetaFormat, a_layout_that_makes_no_sense_is_corruption) {
  const ring::Ring ring = ring::Ring::make(golden_ring()).value();
  const ChunkLayout layout = sample_layout(ring);
  const std::string key = chunk_key(layout.object_id, layout.chunk_index);
  const auto refuse = [&](auto change, std::string_view at) {
    pb::StoredLayout stored = compact(layout, ring);
    change(stored);
    EXPECT_FALSE(expand(stored, at, ring).has_value());
  };
  refuse([](pb::StoredLayout& s) { s.set_data_shards(200); }, key);
  refuse([](pb::StoredLayout& s) { s.add_write_ids(1); }, key);
  refuse([](pb::StoredLayout& s) { s.clear_write_ids(); }, key);
  refuse([](pb::StoredLayout& s) { s.add_exceptions()->set_role(3); }, key);
  refuse([](pb::StoredLayout&) {}, "short");
  refuse([](pb::StoredLayout&) {}, key + "x");
}

TEST(MetaFormat, an_entry) {
  pb::Entry entry;
  entry.set_version(1);
  entry.set_time_ms(1000);
  pb::Proposal* proposal = entry.add_proposals();
  proposal->set_session(1);
  proposal->set_number(2);
  proposal->set_acknowledged(1);
  proposal->mutable_command()->set_version(1);
  proposal->mutable_command()->mutable_delete_bucket()->set_bucket("b");
  EXPECT_EQ(hex(entry.SerializeAsString()),
            "0801"
            "10e807"
            "1a0f"
            "0801"
            "1002"
            "1801"
            "2207"
            "0801"
            "3a03"
            "0a0162");
}

}  // namespace
}  // namespace predastore::meta
