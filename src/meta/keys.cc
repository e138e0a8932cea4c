#include "meta/keys.h"

#include "base/buffer.h"
#include "base/codec.h"

namespace predastore::meta {

std::vector<std::string> family_names() {
  std::vector<std::string> names = {"system",   "buckets",   "objects", "object_parts", "uploads",
                                    "parts",    "completed", "layouts", "repair",       "garbage",
                                    "sessions", "topology",  "inline"};
  PREDA_ASSERT(names.size() == kFamilyCount);
  return names;
}

namespace keys {
namespace {
constexpr char kEscape = '\0';
constexpr char kEscapedZero = '\xFF';
constexpr char kEnd = '\x01';
constexpr std::uint64_t kCurrentVersion = 0;
}  // namespace

std::string escape(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 2);
  for (const char c : text) {
    out.push_back(c);
    if (c == kEscape) out.push_back(kEscapedZero);
  }
  return out;
}

std::string terminated(std::string_view text) {
  std::string out = escape(text);
  out.push_back(kEscape);
  out.push_back(kEnd);
  return out;
}

std::optional<std::string> take_terminated(std::string_view& rest) {
  std::string text;
  for (std::size_t i = 0; i < rest.size(); ++i) {
    if (rest[i] != kEscape) {
      text.push_back(rest[i]);
      continue;
    }
    if (++i == rest.size()) return std::nullopt;
    if (rest[i] == kEnd) {
      rest.remove_prefix(i + 1);
      return text;
    }
    if (rest[i] != kEscapedZero) return std::nullopt;
    text.push_back(kEscape);
  }
  return std::nullopt;
}

std::string after_prefix(std::string prefix) {
  while (!prefix.empty()) {
    const auto last = static_cast<unsigned char>(prefix.back());
    if (last != 0xFF) {
      prefix.back() = static_cast<char>(last + 1);
      break;
    }
    prefix.pop_back();
  }
  return prefix;
}

std::string be64(std::uint64_t value) { return Encoder{}.be(value).str(); }

std::string object_prefix(Incarnation incarnation, std::string_view key_prefix) {
  return be64(incarnation.value()) + escape(key_prefix);
}
std::string object(Incarnation incarnation, std::string_view key) {
  return be64(incarnation.value()) + terminated(key) + be64(kCurrentVersion);
}
std::optional<std::string> object_name(std::string_view encoded) {
  if (encoded.size() < sizeof(std::uint64_t)) return std::nullopt;
  encoded.remove_prefix(sizeof(std::uint64_t));
  return take_terminated(encoded);
}

std::string upload(Incarnation incarnation, std::string_view key, std::string_view upload_id) {
  return be64(incarnation.value()) + terminated(key) + terminated(upload_id);
}
std::string part_prefix(Incarnation incarnation, std::string_view upload_id) {
  return be64(incarnation.value()) + terminated(upload_id);
}
std::string part(Incarnation incarnation, std::string_view upload_id, PartNumber number) {
  return part_prefix(incarnation, upload_id) + Encoder{}.be(number.value()).str();
}
std::string completed(Incarnation incarnation, std::string_view upload_id) {
  return "u" + be64(incarnation.value()) + terminated(upload_id);
}
std::string completed_expiry(WriteEpoch epoch, std::string_view completed_key) {
  return "t" + be64(epoch.value()) + std::string{completed_key};
}

std::string garbage(std::uint64_t id) { return "g" + be64(id); }
std::string released(const ObjectId& object_id) {
  return "o" + std::string{as_text(object_id.span())};
}

std::string session(std::uint64_t id) { return be64(id); }
std::string session_answer(std::uint64_t id, std::uint64_t number) {
  return be64(id) + be64(number);
}

std::string ring(RingEpoch epoch) { return "r" + Encoder{}.be(epoch.value()).str(); }
std::string node(NodeId id) { return "n" + be64(id.value()); }
std::string job(std::uint64_t id) { return "j" + be64(id); }
std::string setting(std::string_view name) { return "s" + std::string{name}; }
std::string drive_mark_prefix(NodeId node) { return "v" + be64(node.value()); }
std::string drive_mark(NodeId node, const DriveId& drive) {
  return drive_mark_prefix(node) + std::string{as_text(drive.span())};
}
std::string deleted_bucket(Incarnation incarnation) { return "d" + be64(incarnation.value()); }

}  // namespace keys
}  // namespace predastore::meta
