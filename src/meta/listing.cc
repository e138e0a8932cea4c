#include <algorithm>

#include "meta/queries.h"

namespace predastore::meta {
namespace {

// The common prefix that `key` falls under: up to and with the first delimiter after the prefix.
// Empty: it falls under none.
std::string common_prefix_of(std::string_view key, std::string_view prefix,
                             std::string_view delimiter) {
  if (delimiter.empty() || !key.starts_with(prefix)) return {};
  const auto found = key.find(delimiter, prefix.size());
  if (found == std::string_view::npos) return {};
  return std::string{key.substr(0, found + delimiter.size())};
}

std::uint32_t entries_max(std::uint32_t asked) { return std::min(asked, kPageEntriesMax); }

// Where the keys of a common prefix (or of all that begin with `text`) end.
std::string behind(Incarnation incarnation, std::string_view text) {
  return keys::after_prefix(keys::object_prefix(incarnation, text));
}

// Where the names after `start_after` begin: behind the key itself, or behind the whole common
// prefix that it is or lies in, for that one's name is not after it.
std::string first_after(Incarnation incarnation, const std::string& prefix,
                        const std::string& delimiter, const std::string& start_after) {
  const std::string from_prefix = keys::object_prefix(incarnation, prefix);
  if (start_after.empty() || start_after < prefix) return from_prefix;
  const std::string group = common_prefix_of(start_after, prefix, delimiter);
  if (!group.empty()) return behind(incarnation, group);
  // Bytes after the key's own terminator are its versions.
  return keys::after_prefix(keys::be64(incarnation.value()) + keys::terminated(start_after));
}

}  // namespace

void list_objects(State& state, Incarnation incarnation, const pb::ListObjects& query,
                  pb::ObjectPage& page) {
  const std::uint32_t count_max = entries_max(query.max_entries());
  if (count_max == 0) return;
  const std::string within = keys::object_prefix(incarnation, query.prefix());
  Cursor cursor{state.view(), kObjects};
  cursor.seek(first_after(incarnation, query.prefix(), query.delimiter(), query.start_after()));
  std::uint32_t count = 0;
  std::size_t bytes = 0;
  while (cursor.valid_within(within)) {
    if (count == count_max || bytes > kPageBytesMax) {
      page.set_is_truncated(true);
      return;
    }
    auto key = keys::object_name(cursor.key());
    if (!key) {
      state.view().fail(make_error(ErrorCode::Corruption, "the key of an object"));
      break;
    }
    ++count;
    std::string group = common_prefix_of(*key, query.prefix(), query.delimiter());
    if (!group.empty()) {
      cursor.seek(behind(incarnation, group));
      bytes += group.size();
      page.set_next_start_after(group);
      page.add_common_prefixes(std::move(group));
      continue;
    }
    pb::ListedObject* listed = page.add_objects();
    if (!state.parse_listed(cursor.value(), *listed->mutable_object())) break;
    bytes += key->size() + cursor.value().size();
    page.set_next_start_after(*key);
    listed->set_key(*std::move(key));
    cursor.next();
  }
  page.clear_next_start_after();
}

pb::UploadPage list_uploads(State& state, Incarnation incarnation, const pb::ListUploads& query) {
  pb::UploadPage page;
  const std::uint32_t count_max = entries_max(query.max_entries());
  if (count_max == 0) return page;
  const std::string within = keys::object_prefix(incarnation, query.prefix());
  std::string first =
      first_after(incarnation, query.prefix(), query.delimiter(), query.key_marker());
  // With an upload id the uploads of the marker's own key go on behind it.
  const bool is_group =
      !common_prefix_of(query.key_marker(), query.prefix(), query.delimiter()).empty();
  if (!query.upload_id_marker().empty() && !is_group && query.key_marker() >= query.prefix())
    first =
        keys::after_prefix(keys::upload(incarnation, query.key_marker(), query.upload_id_marker()));
  Cursor cursor{state.view(), kUploads};
  cursor.seek(first);
  std::uint32_t count = 0;
  std::size_t bytes = 0;
  while (cursor.valid_within(within)) {
    if (count == count_max || bytes > kPageBytesMax) {
      page.set_is_truncated(true);
      return page;
    }
    ++count;
    auto upload = state.view().decode<pb::Upload>(cursor.value());
    if (!upload) break;
    std::string group = common_prefix_of(upload->key(), query.prefix(), query.delimiter());
    if (!group.empty()) {
      cursor.seek(behind(incarnation, group));
      bytes += group.size();
      page.set_next_key_marker(group);
      page.clear_next_upload_id_marker();
      page.add_common_prefixes(std::move(group));
      continue;
    }
    bytes += cursor.key().size() + cursor.value().size();
    page.set_next_key_marker(upload->key());
    page.set_next_upload_id_marker(upload->upload_id());
    *page.add_uploads() = *std::move(upload);
    cursor.next();
  }
  page.clear_next_key_marker();
  page.clear_next_upload_id_marker();
  return page;
}

}  // namespace predastore::meta
