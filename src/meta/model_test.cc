#include <map>
#include <random>
#include <set>

#include "meta/testing/meta_fixture.h"
#include "meta/testing/raw_machine.h"

namespace predastore::meta {
namespace {

// What a listing is, without any cleverness: all names in order, those after the start, a page.
struct NaiveListing {
  std::vector<std::string> keys;
  std::vector<std::string> prefixes;
  bool is_truncated = false;
  std::string next;
};
NaiveListing list_naively(const std::map<std::string, std::string>& objects,
                          const ListQuery& query) {
  std::map<std::string, bool> names;  // whether it is a common prefix
  for (const auto& [key, etag] : objects) {
    if (!key.starts_with(query.prefix)) continue;
    const auto found = query.delimiter.empty() ? std::string::npos
                                               : key.find(query.delimiter, query.prefix.size());
    if (found == std::string::npos)
      names.emplace(key, false);
    else
      names[key.substr(0, found + query.delimiter.size())] = true;
  }
  NaiveListing page;
  std::string last;
  std::size_t count = 0;
  for (const auto& [name, is_prefix] : names) {
    if (name <= query.start_after || query.max_entries == 0) continue;
    if (count == query.max_entries) {
      page.is_truncated = true;
      page.next = last;
      break;
    }
    ++count;
    last = name;
    (is_prefix ? page.prefixes : page.keys).push_back(name);
  }
  return page;
}

class MetaModel : public MetaTest, public ::testing::WithParamInterface<int> {
 protected:
  std::size_t below(std::size_t bound) { return random_() % bound; }
  // Few different bytes, among them those that encodings stumble over.
  std::string random_text(std::size_t size_max) {
    static const std::string alphabet{"/a/b\0\x01\xff/", 8};
    std::string text;
    for (std::size_t size = below(size_max + 1); size > 0; --size)
      text.push_back(alphabet[below(alphabet.size())]);
    return text;
  }
  std::string random_key() {
    std::string key = random_text(6);
    return key.empty() ? "/" : key;
  }
  void check_page(const ListQuery& query) {
    const auto page = run(service().list_objects(query, soon())).value();
    const NaiveListing expected = list_naively(model_, query);
    std::vector<std::string> keys;
    for (const ListedObject& object : page.objects) {
      keys.push_back(object.key);
      EXPECT_EQ(object.record.etag, model_.at(object.key));
    }
    const std::string what = to_hex(as_bytes(query.prefix)) + " " +
                             to_hex(as_bytes(query.delimiter)) + " " +
                             to_hex(as_bytes(query.start_after));
    EXPECT_EQ(keys, expected.keys) << what;
    EXPECT_EQ(page.common_prefixes, expected.prefixes) << what;
    EXPECT_EQ(page.is_truncated, expected.is_truncated) << what;
    EXPECT_EQ(page.next_start_after, expected.next) << what;
  }
  void random_write() {
    const std::string key = random_key();
    if (below(3) == 0) {
      EXPECT_TRUE(erase(key).has_value());
      model_.erase(key);
      return;
    }
    Precondition precondition;
    precondition.if_none_match_any = below(4) == 0;
    PutObject command = objects_.put("b", key, below(3) * 1500, context());
    command.precondition = precondition;
    if (command.record.size_bytes > 0 && below(3) == 0) {
      command.record.parts.front().chunk_size_bytes = 0;
      command.layouts.clear();
      command.inline_bytes = std::string(command.record.size_bytes, 'x');
    }
    const auto stored = run(service().put_object(std::move(command), soon()));
    const bool is_refused = precondition.if_none_match_any && model_.contains(key);
    EXPECT_EQ(stored.has_value(), !is_refused);
    if (stored) model_[key] = stored->etag;
  }
  void random_upload() {
    UploadRecord upload;
    upload.bucket = "b";
    upload.key = random_key();
    upload = run(service().create_upload(upload, soon())).value();
    CompleteUpload complete;
    complete.bucket = "b";
    complete.key = upload.key;
    complete.upload_id = upload.upload_id;
    complete.incarnation = upload.incarnation;
    std::map<std::uint16_t, std::string> parts;
    for (std::size_t i = below(5); i > 0; --i) {
      const auto number = static_cast<std::uint16_t>(1 + below(3));
      PutPart part = objects_.put_part(upload, number, 1 + below(2500), context());
      parts[number] = to_hex(as_bytes(part.part.etag_md5));
      EXPECT_TRUE(run(service().put_part(std::move(part), soon())).has_value());
    }
    if (parts.empty() || below(4) == 0) {
      EXPECT_TRUE(run(service().abort_upload("b", upload.key, upload.upload_id, soon())));
      return;
    }
    for (const auto& [number, etag] : parts) {
      if (complete.parts.empty() || below(3) != 0)
        complete.parts.push_back({PartNumber{number}, etag});
    }
    const auto stored = run(service().complete_upload(complete, soon()));
    ASSERT_TRUE(stored.has_value());
    model_[upload.key] = stored->etag;
  }
  // Every layout that is not garbage belongs to exactly one object, and the other way round.
  void check_ownership() {
    std::set<std::string> owned;
    std::size_t inline_count = 0;
    for (const auto& [key, etag] : model_) {
      const auto found = get(key).value();
      EXPECT_EQ(found.record.etag, etag);
      std::uint64_t size_bytes = found.inline_bytes.size();
      if (size_bytes > 0) ++inline_count;
      for (const ChunkLayout& layout : found.layouts) {
        size_bytes += layout.size_bytes;
        EXPECT_TRUE(owned.insert(chunk_key(layout.object_id, layout.chunk_index)).second);
      }
      EXPECT_EQ(size_bytes, found.record.size_bytes);
    }
    std::set<std::string> named;
    const auto layouts = run(service().layouts_after({}, 4096, soon())).value();
    for (const ChunkLayout& layout : layouts)
      named.insert(chunk_key(layout.object_id, layout.chunk_index));
    EXPECT_EQ(named, owned);
    EXPECT_EQ(meta_->stored_count(kInline), inline_count);
  }

  std::mt19937 random_{static_cast<unsigned>(GetParam())};
  std::map<std::string, std::string> model_;  // key: etag
};

TEST_P(MetaModel, random_operations_agree_with_a_map) {
  TestMetaOptions options;
  options.limits.part_size_min_bytes = 0;
  start(options);
  for (int round = 0; round < 12; ++round) {
    for (int i = 0; i < 15; ++i) below(5) == 0 ? random_upload() : random_write();
    for (int i = 0; i < 15; ++i) {
      ListQuery query;
      query.bucket = "b";
      if (below(2) == 0) query.prefix = random_text(2);
      if (below(3) != 0) query.delimiter = random_text(2);
      if (below(2) == 0) query.start_after = random_text(5);
      query.max_entries = static_cast<std::uint32_t>(below(6));
      check_page(query);
      // From page to page nothing is left out and nothing comes twice.
      query.max_entries = static_cast<std::uint32_t>(1 + below(3));
      for (;;) {
        check_page(query);
        const NaiveListing page = list_naively(model_, query);
        if (!page.is_truncated || ::testing::Test::HasFailure()) break;
        query.start_after = page.next;
      }
    }
    EXPECT_EQ(cluster().object_count, model_.size());
    check_ownership();
    if (below(3) == 0) {
      run(meta_->advance(2));
      std::vector<std::uint64_t> ids;
      const auto items = run(service().garbage_queue(50, soon())).value();
      for (const GarbageItem& item : items) ids.push_back(item.id);
      EXPECT_TRUE(run(service().garbage_done(std::move(ids), soon())).has_value());
      check_ownership();
    }
  }
}

// The same entries make the same state, whatever was lost on the way and however they were grouped.
TEST_P(MetaModel, replicas_that_crash_come_to_the_same_state) {
  TestMetaOptions options;
  options.limits.part_size_min_bytes = 0;
  options.limits.session_epochs = 3;
  start(options);
  for (int i = 0; i < 60; ++i) {
    below(4) == 0 ? random_upload() : random_write();
    if (below(6) == 0) run(meta_->advance());
  }
  const auto& log = meta_->replica().log;
  RawMachine replica;
  while (replica.machine().applied_index() < log.size()) {
    const std::size_t next = replica.machine().applied_index();
    ASSERT_TRUE(replica.apply(log[next]).has_value());
    if (below(8) == 0) replica.flush();
    if (below(10) == 0) replica.crash(below(4));
    if (below(20) == 0) replica.open();
  }
  EXPECT_EQ(to_hex(as_bytes(replica.hash())),
            to_hex(as_bytes(content_hash(meta_->state().store()).value())));
}

INSTANTIATE_TEST_SUITE_P(Seeds, MetaModel, ::testing::Range(1, 9));

}  // namespace
}  // namespace predastore::meta
