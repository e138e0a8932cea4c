#include "cli/node_join.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <iterator>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/demo_layout.h"
#include "cli/exit_codes.h"
#include "cli/join_token.h"
#include "cli/node_add.h"
#include "env/system_random.h"

namespace predastore::cli {

namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

constexpr std::int64_t kMillisecondsAnHour = 3'600'000;
constexpr std::size_t kNumberBytes = 8;
constexpr std::size_t kMachineBytes = 16;
constexpr const char* kClaimFile = "/joining";  // "<token> <machine>"

std::string random_hex(std::size_t size_bytes) {
  std::string bytes(size_bytes, '\0');
  SystemRandom random;
  random.fill(std::as_writable_bytes(std::span{bytes}));
  return to_hex(as_bytes(bytes));
}

std::int64_t now_ms() {
  ProductionHost host{1};
  return host.environment().clock.wall_now().time_since_epoch().count();
}

// ---- where the authority is

Result<JoinToken> make_token(const node::Config& like, const NodeTokenOptions& options,
                             const GrowthAnswer& answer) {
  JoinToken token;
  PREDA_TRY(token.peers, current_nodes(answer));
  std::ranges::stable_partition(token.peers, &node::NodeEntry::has_meta);
  PREDA_TRY(const auto authority, load_authority(options.ca_directory));
  token.number = random_hex(kNumberBytes);
  token.expires_ms = now_ms() + options.valid_hours * kMillisecondsAnHour;
  token.cluster = like.cluster_id;
  token.node = entry_at(options.address, options.name);
  token.rs = like.rs;
  token.region = like.region;
  token.has_https = !like.s3_tls_certificate_file.empty();
  token.ca_pem = authority.cert_pem();
  PREDA_TRY(token.certificate, authority.issue(token.node.id, {options.address.host, "localhost"}));
  PREDA_TRY(token.root_key, node::load_root_key(like.root_key_file));
  return token;
}

// ---- on the new machine

Result<std::string> read_token(const std::string& file) {
  if (file != "-") return node::load_text(file);
  return std::string{std::istreambuf_iterator<char>{std::cin}, {}};
}

// The number of an attempt that did not come to its end, so that the cluster knows it again.
std::string machine_of(const std::string& fresh, const JoinToken& token) {
  const auto text = node::load_text(fresh + kClaimFile);
  if (text && text->starts_with(token.number + " ") &&
      text->size() == token.number.size() + 1 + 2 * kMachineBytes)
    return text->substr(token.number.size() + 1);
  return random_hex(kMachineBytes);
}

Result<void> check_directory(const std::string& directory) {
  std::error_code error;
  if (fs::exists(directory + "/predastore.toml", error))
    return make_error(
        ErrorCode::AlreadyExists,
        fmt::format("{} is a node's already; start it, or choose another directory", directory));
  if (fs::exists(directory, error) &&
      !(fs::is_directory(directory, error) && fs::is_empty(directory, error)))
    return make_error(ErrorCode::AlreadyExists, fmt::format("{} is not empty", directory));
  return {};
}

// All files but under another name. The machine's number first: it is what may not be lost once
// the cluster has heard of it.
Result<void> write_attempt(const std::string& fresh, const JoinToken& token,
                           const std::string& machine) {
  std::error_code error;
  fs::remove_all(fresh, error);
  fs::create_directories(fresh, error);
  if (!error) fs::permissions(fresh, fs::perms::owner_all, error);
  if (error) return make_error(ErrorCode::Io, fmt::format("cannot make {}", fresh));
  PREDA_CHECK(write_new_file(fresh + kClaimFile, token.number + " " + machine, true));
  NodeFiles files;
  files.cluster = token.cluster;
  files.node = token.node;
  files.others = token.peers;
  files.rs = token.rs;
  files.region = token.region;
  files.certificate = token.certificate;
  files.ca_pem = token.ca_pem;
  files.root_key = fmt::format("access_key_id = \"{}\"\nsecret_access_key = \"{}\"\n",
                               token.root_key.access_key_id, token.root_key.secret_access_key);
  return write_node_files(fresh, files);
}

// The node's certificate is what it is let in with; only the others are asked.
Result<AdminAnswer> claim(const std::string& fresh, const JoinToken& token,
                          const std::string& machine) {
  PREDA_TRY(node::Config config, config_of_cluster(fresh + "/predastore.toml", {}));
  config.nodes = token.peers;
  json::object body;
  body["token"] = token.number;
  body["machine"] = machine;
  ProductionHost host{1};
  return call_admin(host, config, "POST",
                    fmt::format("/v1/nodes/{:016x}/join", token.node.id.value()),
                    json::serialize(body));
}

int exit_code_of(const Error& error) {
  switch (error.code) {
    case ErrorCode::NotFound: return kExitNotFound;
    case ErrorCode::Unavailable: return kExitUnreachable;
    default: return kExitFailed;
  }
}

// The directory is there when the cluster has written down that this machine is the node.
Result<void> join(const JoinToken& token, const std::string& directory) {
  PREDA_CHECK(check_directory(directory));
  const std::string fresh = directory + ".joining";
  const std::string machine = machine_of(fresh, token);
  PREDA_CHECK(write_attempt(fresh, token, machine));
  const auto answer = claim(fresh, token, machine);
  std::error_code error;
  const bool is_refused = answer && answer->status >= 400;
  const bool is_unheard = !answer && answer.error().code != ErrorCode::Internal;
  if (is_refused || is_unheard) fs::remove_all(fresh, error);
  if (is_refused)
    return make_error(answer->status == 404 ? ErrorCode::NotFound : ErrorCode::Conflict,
                      "the cluster refuses: " + answer->error());
  if (!answer && !is_unheard)
    return make_error(ErrorCode::Internal,
                      answer.error().detail + "\nrepeat the command: it goes on with " + fresh);
  if (!answer) return answer.error();
  fs::rename(fresh, directory, error);
  if (error)
    return make_error(ErrorCode::Io, fmt::format("cannot rename {} to {}", fresh, directory));
  fs::remove(directory + kClaimFile, error);
  return {};
}

void print_joined(const JoinToken& token, const std::string& directory) {
  const std::string config = directory + "/predastore.toml";
  fmt::print("node {} (id {:016x}) has joined; all that is its own is in {}\n", token.node.name,
             token.node.id.value(), directory);
  if (token.has_https)
    fmt::print("the others serve S3 over HTTPS: put tls_certificate and tls_key into [s3] of {}\n",
               config);
  fmt::print(
      "next: predastore server --config {0}\n"
      "      and when it runs: predastore ring assign {1} --config {0}\n"
      "                        predastore ring apply --version N --config {0}\n",
      config, token.node.name);
}

}  // namespace

int node_token(const ClusterChoice& cluster, const NodeTokenOptions& options) {
  const auto like = config_of_cluster(cluster.config_file, cluster.directory);
  if (!like) return fail(kExitConfig, like.error().detail);
  const GrowthAnswer answer = ask_cluster(cluster, "GET", "/v1/nodes");
  if (answer.exit_code != 0) return answer.exit_code;
  const auto token = make_token(*like, options, answer);
  if (!token) return fail(kExitFailed, token.error().detail);
  const auto line = encode_join_token(*token);
  if (!line) return fail(kExitUsage, line.error().detail);
  // Before the node is registered: a token that could not be written would leave a name in use.
  if (!options.out.empty()) {
    const auto written = write_new_file(options.out, *line + "\n", true);
    if (!written) return fail(kExitFailed, written.error().detail);
  }
  json::object body;
  body["token"] = token->number;
  body["expires_ms"] = token->expires_ms;
  const int registered = register_node(cluster, token->node, std::move(body));
  if (registered != kExitOk) {
    if (!options.out.empty()) ::unlink(options.out.c_str());
    return registered;
  }
  if (options.out.empty()) fmt::print("{}\n", *line);
  fmt::print(stderr,
             "node {} (id {:016x}) is registered; its token is good once, until {} UTC\n"
             "Whoever has the token is this node: treat it as a password.\n"
             "next, on its machine: predastore node join --token {} --data DIR\n",
             options.name, token->node.id.value(), time_text(token->expires_ms),
             options.out.empty() ? "FILE" : options.out);
  return kExitOk;
}

int node_join(const NodeJoinOptions& options) {
  const auto text = read_token(options.token_file);
  if (!text) return fail(exit_code_of(text.error()), text.error().detail);
  const auto token = decode_join_token(*text);
  if (!token) return fail(kExitFailed, token.error().detail);
  // By this machine's clock, for a clear word; the cluster goes by its own.
  if (now_ms() >= token->expires_ms)
    return fail(kExitFailed, fmt::format("the token expired at {} UTC; `predastore node remove {} "
                                         "--dead` and make another one",
                                         time_text(token->expires_ms), token->node.name));
  std::error_code error;
  std::string directory = fs::absolute(options.directory, error).lexically_normal().string();
  while (directory.size() > 1 && directory.back() == '/') directory.pop_back();
  const auto joined = join(*token, directory);
  if (!joined) return fail(exit_code_of(joined.error()), joined.error().detail);
  print_joined(*token, directory);
  return kExitOk;
}

}  // namespace predastore::cli
