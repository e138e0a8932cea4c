#include "shard/drive_identity.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>

#include "base/text.h"
#include "digest/crc.h"

namespace predastore::shard {
namespace {

constexpr std::string_view kIdentityTitle = "predastore drive 1";
constexpr std::string_view kListTitle = "predastore drives 1";
constexpr std::string_view kCrcWord = "crc32";
constexpr std::size_t kPlaceMaxBytes = 4096;

std::string with_crc(std::string text) {
  const std::uint32_t crc = digest::crc32(as_bytes(text));
  return text + fmt::format("{} {:08x}\n", kCrcWord, crc);
}

// The lines between the title and the checksum, which is right.
Result<std::vector<std::string_view>> lines_of(std::string_view text, std::string_view title) {
  const std::string_view kind = title.substr(0, title.rfind(' ') + 1);
  const std::string_view first = text.substr(0, text.find('\n'));
  if (first != title && first.starts_with(kind))
    return make_error(ErrorCode::Unsupported,
                      fmt::format("\"{}\" is of a version that is not known", first));
  const std::size_t crc_at = text.rfind(std::string{"\n"} + std::string{kCrcWord} + " ");
  if (first != title || crc_at == std::string_view::npos || text.back() != '\n')
    return make_error(ErrorCode::Corruption, "not a whole file of its kind");
  if (with_crc(std::string{text.substr(0, crc_at + 1)}) != text)
    return make_error(ErrorCode::Corruption, "its checksum is wrong");
  std::vector<std::string_view> lines;
  std::string_view rest = text.substr(0, crc_at + 1);
  rest.remove_prefix(first.size() + 1);
  while (!rest.empty()) {
    const std::size_t end = rest.find('\n');
    lines.push_back(rest.substr(0, end));
    rest.remove_prefix(end + 1);
  }
  return lines;
}

struct Line {
  std::string_view word;
  std::string_view value;
};
Line split(std::string_view line) {
  const std::size_t space = line.find(' ');
  if (space == std::string_view::npos) return {line, {}};
  return {line.substr(0, space), line.substr(space + 1)};
}

template <class Id>
std::optional<Id> parse_id(std::string_view text) {
  const auto raw = from_hex(text);
  if (!raw || raw->size() != sizeof(Id)) return std::nullopt;
  return Id::from(as_bytes(*raw));
}

std::optional<NodeId> parse_node(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (error != std::errc{} || end != text.data() + text.size() || text.size() != 16)
    return std::nullopt;
  return NodeId{value};
}

// Places come from the configuration; one with a line break would be two lines here.
bool is_place(std::string_view place) {
  return !place.empty() && place.size() <= kPlaceMaxBytes &&
         place.find('\n') == std::string_view::npos;
}

// "<id> <place>"
std::optional<KnownDrive> parse_known(std::string_view value) {
  const Line line = split(value);
  const auto id = parse_id<DriveId>(line.word);
  if (!id || !is_place(line.value)) return std::nullopt;
  return KnownDrive{*id, std::string{line.value}};
}

template <class Target, class Source>
bool take(Target& target, const std::optional<Source>& source) {
  if (source) target = *source;
  return source.has_value();
}

Error not_understood(std::string_view line) {
  return make_error(ErrorCode::Corruption, fmt::format("\"{}\" is not understood", line));
}

}  // namespace

std::string encode_drive_identity(const DriveIdentity& identity) {
  return with_crc(fmt::format("{}\ncluster {}\nnode {:016x}\ndrive {}\nplace {}\n", kIdentityTitle,
                              to_hex(identity.cluster.span()), identity.node.value(),
                              to_hex(identity.drive.span()), identity.place));
}

Result<DriveIdentity> decode_drive_identity(std::string_view text) {
  DriveIdentity identity;
  if (text.size() == 33 && text.back() == '\n') {
    if (!take(identity.drive, parse_id<DriveId>(text.substr(0, 32)))) return not_understood(text);
    return identity;
  }
  PREDA_TRY(const auto lines, lines_of(text, kIdentityTitle));
  std::set<std::string_view> seen;
  for (const std::string_view line : lines) {
    const auto [word, value] = split(line);
    bool is_good = seen.insert(word).second;
    if (word == "cluster") {
      is_good = is_good && take(identity.cluster, parse_id<ClusterId>(value));
    } else if (word == "node") {
      is_good = is_good && take(identity.node, parse_node(value));
    } else if (word == "drive") {
      is_good = is_good && take(identity.drive, parse_id<DriveId>(value));
    } else if (word == "place") {
      is_good = is_good && is_place(value);
      identity.place = value;
    } else {
      is_good = false;
    }
    if (!is_good) return not_understood(line);
  }
  if (seen.size() != 4) return make_error(ErrorCode::Corruption, "a line is missing");
  return identity;
}

std::string encode_drive_list(const DriveList& list) {
  std::string text = fmt::format("{}\ncluster {}\nnode {:016x}\n", kListTitle,
                                 to_hex(list.cluster.span()), list.node.value());
  for (const KnownDrive& drive : list.drives)
    text += fmt::format("{} {} {}\n", drive.is_unreconciled ? "new" : "drive",
                        to_hex(drive.id.span()), drive.place);
  for (const KnownDrive& drive : list.lost)
    text += fmt::format("lost {} {}\n", to_hex(drive.id.span()), drive.place);
  return with_crc(std::move(text));
}

Result<DriveList> decode_drive_list(std::string_view text) {
  PREDA_TRY(const auto lines, lines_of(text, kListTitle));
  DriveList list;
  bool has_cluster = false;
  bool has_node = false;
  for (const std::string_view line : lines) {
    const auto [word, value] = split(line);
    bool is_good = false;
    if (word == "cluster") {
      is_good = !has_cluster && take(list.cluster, parse_id<ClusterId>(value));
      has_cluster = true;
    } else if (word == "node") {
      is_good = !has_node && take(list.node, parse_node(value));
      has_node = true;
    } else if (auto known = parse_known(value);
               known && (word == "drive" || word == "new" || word == "lost")) {
      is_good = true;
      known->is_unreconciled = word == "new";
      (word == "lost" ? list.lost : list.drives).push_back(std::move(*known));
    }
    if (!is_good) return not_understood(line);
  }
  if (!has_cluster || !has_node) return make_error(ErrorCode::Corruption, "a line is missing");
  return list;
}

}  // namespace predastore::shard
