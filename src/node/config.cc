#include "node/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <numeric>
#include <set>
#include <sstream>
#include <stdexcept>
// toml++ 3.3 trips its own assertions over some broken files; those must not stop the process.
#define TOML_EXCEPTIONS 1
#define TOML_ASSERT(expression) \
  ((expression) ? static_cast<void>(0) : throw std::logic_error("not TOML near: " #expression))
#define TOML_ENABLE_FORMATTERS 0
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wterminate"
#include <toml++/toml.h>
#pragma GCC diagnostic pop

#include "base/text.h"
#include "model/limits.h"
#include "shard/drive_identity.h"

namespace predastore::node {

namespace {

std::size_t edit_distance(std::string_view left, std::string_view right) {
  std::vector<std::size_t> row(right.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= left.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= right.size(); ++j) {
      const std::size_t above = row[j];
      row[j] =
          std::min({above + 1, row[j - 1] + 1, diagonal + (left[i - 1] == right[j - 1] ? 0U : 1U)});
      diagonal = above;
    }
  }
  return row[right.size()];
}

// A number as a TOML integer or as text with a unit ("512MiB").
std::optional<std::uint64_t> parse_size(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{}) return std::nullopt;
  const std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
  static const std::vector<std::pair<std::string_view, unsigned>> kUnits = {
      {"", 0}, {"B", 0}, {"KiB", 10}, {"MiB", 20}, {"GiB", 30}, {"TiB", 40}};
  for (const auto& [name, shift] : kUnits) {
    if (unit != name) continue;
    if (shift != 0 && number > (UINT64_MAX >> shift)) return std::nullopt;
    return number << shift;
  }
  return std::nullopt;
}

bool is_address(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return false;
  const std::string_view digits = text.substr(colon + 1);
  std::uint32_t port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  return error == std::errc{} && end == digits.data() + digits.size() && port > 0 && port <= 65535;
}

// A host name that a bucket's name may stand before.
bool is_domain(std::string_view text) {
  const bool has_letter = std::ranges::any_of(text, [](char c) { return c >= 'a' && c <= 'z'; });
  const bool is_clean = std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
  });
  return has_letter && is_clean && text.front() != '.' && text.back() != '.' &&
         text.find("..") == std::string_view::npos;
}

// Collects problems while it takes the keys of one file apart.
class Checker {
 public:
  explicit Checker(std::string path) : directory_(std::filesystem::path(path).parent_path()) {
    config_.path = std::move(path);
  }

  ConfigCheck run(std::string_view text) {
    toml::table root;
    try {
      root = toml::parse(text, std::string_view{config_.path});
    } catch (const toml::parse_error& error) {
      problem(error.source(), std::string(error.description()));
      return finish();
    } catch (const std::logic_error&) {
      problem({}, "the file is not TOML");
      return finish();
    }
    known_keys(root, "",
               {"cluster", "node", "listen", "storage", "drive", "io", "upkeep", "rs", "s3",
                "limits", "epochs", "repair", "metadata", "nodes"});
    read_identity(root);
    read_listen(root);
    read_storage(root);
    read_upkeep(root);
    read_s3(root);
    read_limits(root);
    read_repair(root);
    read_metadata(root);
    read_nodes(root);
    check_together(root);
    return finish();
  }

 private:
  void problem(const toml::source_region& where, std::string message) {
    const auto line = std::max<std::size_t>(1, where.begin.line);
    problems_.push_back({line, std::max<std::size_t>(1, where.begin.column), std::move(message)});
  }

  ConfigCheck finish() {
    std::stable_sort(problems_.begin(), problems_.end(),
                     [](const ConfigProblem& left, const ConfigProblem& right) {
                       return std::pair{left.line, left.column} <
                              std::pair{right.line, right.column};
                     });
    ConfigCheck check;
    if (problems_.empty()) check.config = std::move(config_);
    check.problems = std::move(problems_);
    return check;
  }

  static std::string where_name(const std::string& section) {
    return section.empty() ? "" : " in [" + section + "]";
  }

  void known_keys(const toml::table& table, const std::string& section,
                  const std::vector<std::string>& known) {
    for (const auto& [key, value] : table) {
      if (std::find(known.begin(), known.end(), key.str()) != known.end()) continue;
      std::string message = fmt::format("unknown {} \"{}\"{}", section.empty() ? "section" : "key",
                                        key.str(), where_name(section));
      if (const auto meant = did_you_mean(key.str(), known)) {
        message += fmt::format("; did you mean \"{}\"?", *meant);
      } else {
        message += fmt::format("; known here: {}", fmt::join(known, ", "));
      }
      problem(key.source(), std::move(message));
    }
  }

  // The section, empty when it is missing (which is a problem only if a key in it is required).
  const toml::table& section(const toml::table& root, const std::string& name,
                             const std::vector<std::string>& known) {
    static const toml::table kNone;
    const toml::node* node = root.get(name);
    if (node == nullptr) return kNone;
    if (!node->is_table()) {
      problem(node->source(), fmt::format("\"{}\" is to be a section: [{}]", name, name));
      return kNone;
    }
    known_keys(*node->as_table(), name, known);
    return *node->as_table();
  }

  std::optional<std::string> text(const toml::table& table, const std::string& section,
                                  const std::string& key, bool is_required) {
    const toml::node* node = table.get(key);
    if (node == nullptr) {
      if (is_required)
        problem(table.source(), fmt::format("\"{}\" is missing{}", key, where_name(section)));
      return std::nullopt;
    }
    if (!node->is_string()) {
      problem(node->source(), fmt::format("{}.{} is to be text in quotes", section, key));
      return std::nullopt;
    }
    if (node->as_string()->get().empty()) {
      problem(node->source(), fmt::format("{}.{} is empty", section, key));
      return std::nullopt;
    }
    return node->as_string()->get();
  }

  void path(const toml::table& table, const std::string& section, const std::string& key,
            std::string& target, bool is_required = true) {
    const auto value = text(table, section, key, is_required);
    if (value) target = (directory_ / *value).lexically_normal().string();
  }

  void address(const toml::table& table, const std::string& section, const std::string& key,
               std::string& target) {
    const auto value = text(table, section, key, true);
    if (!value) return;
    if (!is_address(*value)) {
      problem(
          table.get(key)->source(),
          fmt::format("{}.{} = \"{}\" is no address; HOST:PORT is meant", section, key, *value));
    }
    target = *value;
  }

  template <std::size_t Size>
  std::optional<std::array<std::byte, Size>> hex(const toml::table& table,
                                                 const std::string& section,
                                                 const std::string& key) {
    const auto value = text(table, section, key, true);
    if (!value) return std::nullopt;
    const auto raw = from_hex(*value);
    if (!raw || raw->size() != Size) {
      problem(table.get(key)->source(),
              fmt::format("{}.{} is to be {} hexadecimal digits", section, key, 2 * Size));
      return std::nullopt;
    }
    std::array<std::byte, Size> bytes{};
    std::memcpy(bytes.data(), raw->data(), Size);
    return bytes;
  }

  NodeId node_id(const toml::table& table, const std::string& section) {
    const auto bytes = hex<8>(table, section, "id");
    std::uint64_t value = 0;
    if (bytes) {
      for (const std::byte byte : *bytes) value = value << 8 | std::to_integer<std::uint64_t>(byte);
    }
    return NodeId{value};
  }

  std::uint64_t number(const toml::table& table, const std::string& section, const std::string& key,
                       std::uint64_t fallback, std::uint64_t low, std::uint64_t high) {
    const toml::node* node = table.get(key);
    if (node == nullptr) return fallback;
    std::optional<std::uint64_t> value;
    if (node->is_integer() && node->as_integer()->get() >= 0)
      value = static_cast<std::uint64_t>(node->as_integer()->get());
    if (node->is_string()) value = parse_size(node->as_string()->get());
    if (!value) {
      problem(
          node->source(),
          fmt::format("{}.{} is to be a whole number, or text such as \"64MiB\"", section, key));
      return fallback;
    }
    if (*value < low || *value > high) {
      problem(node->source(), fmt::format("{}.{} = {} is out of range; {} to {} is possible",
                                          section, key, *value, low, high));
      return fallback;
    }
    return *value;
  }

  void read_identity(const toml::table& root) {
    const toml::table& cluster = required(root, "cluster", {"id", "ca", "certificate", "key"});
    if (const auto id = hex<16>(cluster, "cluster", "id")) config_.cluster_id.bytes = *id;
    path(cluster, "cluster", "ca", config_.ca_file);
    path(cluster, "cluster", "certificate", config_.certificate_file);
    path(cluster, "cluster", "key", config_.key_file);
    const toml::table& node = required(root, "node", {"id", "name"});
    config_.node_id = node_id(node, "node");
    config_.node_name = text(node, "node", "name", true).value_or("");
  }

  const toml::table& required(const toml::table& root, const std::string& name,
                              const std::vector<std::string>& known) {
    if (root.get(name) == nullptr)
      problem(root.source(), fmt::format("section [{}] is missing", name));
    return section(root, name, known);
  }

  void read_listen(const toml::table& root) {
    const toml::table& listen = required(root, "listen", {"s3", "cluster", "admin"});
    address(listen, "listen", "s3", config_.s3_address);
    address(listen, "listen", "cluster", config_.cluster_address);
    address(listen, "listen", "admin", config_.admin_address);
  }

  void read_storage(const toml::table& root) {
    const toml::table& storage = required(
        root, "storage",
        {"data_dir", "drives", "drive_capacity_bytes", "near_full_percent", "full_percent"});
    path(storage, "storage", "data_dir", config_.data_dir);
    config_.drive_count =
        static_cast<std::uint32_t>(number(storage, "storage", "drives", 1, 1, shard::kDrivesMax));
    config_.drive_capacity_bytes =
        number(storage, "storage", "drive_capacity_bytes", 0, 0, INT64_MAX);
    read_drives(root, storage);
    config_.near_full_percent =
        static_cast<std::uint32_t>(number(storage, "storage", "near_full_percent", 85, 1, 99));
    config_.full_percent =
        static_cast<std::uint32_t>(number(storage, "storage", "full_percent", 95, 2, 99));
    if (config_.near_full_percent >= config_.full_percent) {
      const toml::node* const at = storage.contains("near_full_percent")
                                       ? storage.get("near_full_percent")
                                       : storage.get("full_percent");
      problem(at->source(),
              fmt::format("storage.near_full_percent = {} is to be below storage.full_percent = {}",
                          config_.near_full_percent, config_.full_percent));
    }
    const toml::table& rs = section(root, "rs", {"data", "parity"});
    config_.rs.data_shards =
        static_cast<std::uint8_t>(number(rs, "rs", "data", 2, 1, kDataShardsMax));
    config_.rs.parity_shards =
        static_cast<std::uint8_t>(number(rs, "rs", "parity", 1, 1, kParityShardsMax));
  }

  void read_upkeep(const toml::table& root) {
    const toml::table& io = section(root, "io", {"backend"});
    config_.io_backend = text(io, "io", "backend", false).value_or("auto");
    const std::vector<std::string> known = {"auto", "io_uring", "threads"};
    if (std::find(known.begin(), known.end(), config_.io_backend) == known.end()) {
      problem(io.get("backend")->source(),
              fmt::format("io.backend = \"{}\" is not known; known: {}", config_.io_backend,
                          fmt::join(known, ", ")));
    }
    const toml::table& upkeep =
        section(root, "upkeep",
                {"compaction_bytes_per_second", "scrub_bytes_per_second", "scrub_period_hours"});
    constexpr std::uint64_t kMebi = 1 << 20;
    config_.upkeep.compaction_bytes_per_second =
        number(upkeep, "upkeep", "compaction_bytes_per_second", 64 * kMebi, 0, INT64_MAX);
    config_.upkeep.scrub_bytes_per_second =
        number(upkeep, "upkeep", "scrub_bytes_per_second", 32 * kMebi, kMebi / 16, INT64_MAX);
    config_.upkeep.scrub_period_hours = static_cast<std::uint32_t>(
        number(upkeep, "upkeep", "scrub_period_hours", 14 * 24, 0, 10 * 365 * 24));
  }

  void read_drives(const toml::table& root, const toml::table& storage) {
    const toml::node* node = root.get("drive");
    if (node == nullptr) return;
    if (!node->is_array_of_tables()) {
      problem(node->source(), "drives are named in [[drive]] sections, one each");
      return;
    }
    for (const char* const key : {"drives", "drive_capacity_bytes"}) {
      if (storage.contains(key))
        problem(
            storage.get(key)->source(),
            fmt::format("storage.{} is for drives without [[drive]] sections; give each section "
                        "its path and capacity instead",
                        key));
    }
    std::map<std::string, std::size_t> lines;
    for (const toml::node& element : *node->as_array()) read_drive(*element.as_table(), lines);
    if (config_.drives.size() > shard::kDrivesMax)
      problem(node->source(), fmt::format("{} drives are too many; 1 to {} are possible",
                                          config_.drives.size(), shard::kDrivesMax));
  }

  void read_drive(const toml::table& table, std::map<std::string, std::size_t>& lines) {
    known_keys(table, "drive", {"path", "capacity"});
    DriveEntry entry;
    path(table, "drive", "path", entry.directory);
    entry.capacity_bytes = number(table, "drive", "capacity", 0, 0, INT64_MAX);
    if (entry.directory.empty()) return;
    if (entry.directory.size() > 1 && entry.directory.back() == '/') entry.directory.pop_back();
    entry.place = table.get("path")->as_string()->get();
    const toml::source_region at = table.get("path")->source();
    if (entry.place.find('\n') != std::string::npos) problem(at, "drive.path is to be one line");
    const auto [first, is_new] = lines.try_emplace(entry.directory, at.begin.line);
    if (!is_new)
      problem(at, fmt::format("drive.path = \"{}\" is named twice, in line {} as well", entry.place,
                              first->second));
    if (entry.directory == config_.data_dir)
      problem(at, "drive.path is storage.data_dir; a drive needs a directory of its own");
    config_.drives.push_back(std::move(entry));
  }

  void read_s3(const toml::table& root) {
    const toml::table& s3 =
        section(root, "s3", {"region", "root_key_file", "tls_certificate", "tls_key", "domains"});
    config_.region = text(s3, "s3", "region", false).value_or("us-east-1");
    path(s3, "s3", "root_key_file", config_.root_key_file);
    path(s3, "s3", "tls_certificate", config_.s3_tls_certificate_file, false);
    path(s3, "s3", "tls_key", config_.s3_tls_key_file, false);
    if (config_.s3_tls_certificate_file.empty() != config_.s3_tls_key_file.empty())
      problem(s3.source(), "s3.tls_certificate and s3.tls_key go together");
    config_.s3_domains = {"localhost"};
    const toml::node* domains = s3.get("domains");
    if (domains == nullptr) return;
    config_.s3_domains.clear();
    if (!domains->is_array()) {
      problem(domains->source(), "s3.domains is to be a list of host names");
      return;
    }
    for (const toml::node& element : *domains->as_array()) {
      const auto domain = element.value<std::string>();
      if (!element.is_string() || !is_domain(*domain)) {
        problem(element.source(), "s3.domains is to be a list of host names in lower case");
        continue;
      }
      config_.s3_domains.push_back(*domain);
    }
  }

  void read_limits(const toml::table& root) {
    const toml::table& limits = section(
        root, "limits", {"put_memory_bytes", "get_memory_bytes", "connections", "requests"});
    constexpr std::uint64_t kMebi = 1 << 20;
    config_.limits.put_memory_bytes =
        number(limits, "limits", "put_memory_bytes", 64 * kMebi, 16 * kMebi, 1024 * 1024 * kMebi);
    config_.limits.get_memory_bytes =
        number(limits, "limits", "get_memory_bytes", 64 * kMebi, 16 * kMebi, 1024 * 1024 * kMebi);
    config_.limits.connections_max =
        static_cast<std::uint32_t>(number(limits, "limits", "connections", 1024, 1, 65536));
    config_.limits.requests_max =
        static_cast<std::uint32_t>(number(limits, "limits", "requests", 512, 1, 65536));
  }

  void read_repair(const toml::table& root) {
    RepairTimes& out = config_.repair;
    const auto read = [this](const toml::table& table, const char* in, const char* key,
                             std::uint32_t& value, std::uint32_t low, std::uint32_t high) {
      value = static_cast<std::uint32_t>(number(table, in, key, value, low, high));
    };
    constexpr std::uint32_t kYear = 365 * 24 * 3600;
    const toml::table& epochs =
        section(root, "epochs", {"write_epoch_seconds", "commit", "garbage"});
    read(epochs, "epochs", "write_epoch_seconds", out.write_epoch_seconds, 1, 3600);
    read(epochs, "epochs", "commit", out.commit_epochs, 2, 1'000'000);
    read(epochs, "epochs", "garbage", out.garbage_epochs, 1, 1'000'000);
    const toml::table& repair = section(root, "repair", {"sweep_seconds", "reconcile_seconds"});
    read(repair, "repair", "sweep_seconds", out.sweep_seconds, 1, kYear);
    read(repair, "repair", "reconcile_seconds", out.reconcile_seconds, 1, kYear);
  }

  void read_metadata(const toml::table& root) {
    constexpr std::uint64_t kMebi = 1 << 20;
    const toml::table& metadata = section(root, "metadata", {"log_bytes"});
    config_.metadata.log_bytes =
        number(metadata, "metadata", "log_bytes", 256 * kMebi, 32 * kMebi, 64 * 1024 * kMebi);
  }

  void read_nodes(const toml::table& root) {
    const toml::node* node = root.get("nodes");
    if (node == nullptr || !node->is_array_of_tables()) {
      problem(node == nullptr ? root.source() : node->source(),
              "the nodes of the cluster are missing: one [[nodes]] section each");
      return;
    }
    std::set<NodeId> ids;
    std::set<std::string> names;
    for (const toml::node& element : *node->as_array()) {
      const toml::table& table = *element.as_table();
      known_keys(table, "nodes", {"id", "name", "cluster", "s3", "admin", "meta"});
      NodeEntry entry;
      entry.id = node_id(table, "nodes");
      entry.name = text(table, "nodes", "name", true).value_or("");
      address(table, "nodes", "cluster", entry.cluster_address);
      address(table, "nodes", "s3", entry.s3_address);
      address(table, "nodes", "admin", entry.admin_address);
      if (const toml::node* voter = table.get("meta"); voter != nullptr) {
        if (!voter->is_boolean()) problem(voter->source(), "nodes.meta is to be true or false");
        entry.has_meta = voter->value_or(true);
      }
      if (entry.id != NodeId{} && !ids.insert(entry.id).second)
        problem(table.source(), "this node's id is that of another one");
      if (!entry.name.empty() && !names.insert(entry.name).second) {
        problem(table.source(), fmt::format("a second node is called \"{}\"", entry.name));
      }
      node_lines_.push_back(table.source().begin.line);
      config_.nodes.push_back(std::move(entry));
    }
  }

  void check_together(const toml::table& root) {
    const toml::source_region rs_at =
        root.contains("rs") ? root.get("rs")->source() : root.source();
    if (!config_.nodes.empty() && config_.nodes.size() < config_.rs.width()) {
      problem(
          rs_at,
          fmt::format("rs.data = {} and rs.parity = {} need {} nodes, the file has {} (lines {})",
                      config_.rs.data_shards, config_.rs.parity_shards, config_.rs.width(),
                      config_.nodes.size(), fmt::join(node_lines_, ", ")));
    }
    if (config_.nodes.empty() || config_.node_id == NodeId{}) return;
    const auto own =
        std::find_if(config_.nodes.begin(), config_.nodes.end(),
                     [this](const NodeEntry& entry) { return entry.id == config_.node_id; });
    const toml::source_region node_at = root.get("node")->source();
    if (own == config_.nodes.end()) {
      problem(node_at, "no [[nodes]] section has the id of this node");
    } else if (own->name != config_.node_name) {
      problem(node_at, fmt::format("node.name = \"{}\", but [[nodes]] calls it \"{}\"",
                                   config_.node_name, own->name));
    }
  }

  std::filesystem::path directory_;
  Config config_;
  std::vector<ConfigProblem> problems_;
  std::vector<std::size_t> node_lines_;
};

}  // namespace

std::optional<std::string> did_you_mean(std::string_view word,
                                        const std::vector<std::string>& known) {
  std::optional<std::string> best;
  std::size_t best_distance = std::max<std::size_t>(2, word.size() / 3) + 1;
  for (const std::string& candidate : known) {
    const bool begins_alike = word.size() >= 3 && candidate.compare(0, 3, word.substr(0, 3)) == 0;
    const std::size_t distance = edit_distance(word, candidate) - (begins_alike ? 1 : 0);
    if (distance >= best_distance) continue;
    best_distance = distance;
    best = candidate;
  }
  return best;
}

std::string ConfigCheck::report(std::string_view path) const {
  std::string text;
  for (const ConfigProblem& problem : problems) {
    text +=
        fmt::format("{}:{}:{}: error: {}\n", path, problem.line, problem.column, problem.message);
  }
  return text;
}

std::string drive_list_of(const Config& config) { return config.data_dir + "/drives.list"; }

std::vector<DriveEntry> drives_of(const Config& config) {
  if (!config.drives.empty()) return config.drives;
  std::vector<DriveEntry> drives;
  for (std::uint32_t i = 0; i < config.drive_count; ++i) {
    const std::string place = fmt::format("drives/{}", i);
    drives.push_back({config.data_dir + "/" + place, place, config.drive_capacity_bytes});
  }
  return drives;
}

ConfigCheck check_config(std::string_view text, const std::string& path) {
  return Checker{path}.run(text);
}

Result<std::string> load_text(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) return make_error(ErrorCode::NotFound, "cannot read " + path);
  std::ostringstream text;
  text << stream.rdbuf();
  if (stream.bad()) return make_error(ErrorCode::InvalidArgument, "cannot read " + path);
  return text.str();
}

namespace {

Result<toml::table> parse_toml(const std::string& text, const std::string& path) {
  try {
    return toml::parse(text, std::string_view{path});
  } catch (const toml::parse_error& error) {
    return make_error(ErrorCode::InvalidArgument, path + ": " + std::string(error.description()));
  } catch (const std::logic_error&) {
    return make_error(ErrorCode::InvalidArgument, path + ": the file is not TOML");
  }
}

}  // namespace

Result<RootKey> load_root_key(const std::string& path) {
  PREDA_TRY(const std::string text, load_text(path));
  PREDA_TRY(const toml::table table, parse_toml(text, path));
  RootKey key;
  key.access_key_id = table["access_key_id"].value_or(std::string{});
  key.secret_access_key = table["secret_access_key"].value_or(std::string{});
  if (key.access_key_id.empty() || key.secret_access_key.empty()) {
    return make_error(ErrorCode::InvalidArgument,
                      path + " is to hold access_key_id = \"...\" and secret_access_key = \"...\"");
  }
  return key;
}

}  // namespace predastore::node
