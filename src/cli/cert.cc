#include <fmt/format.h>

#include <charconv>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/demo_layout.h"
#include "cli/exit_codes.h"
#include "crypto/certificates.h"
#include "env/system_random.h"

namespace predastore::cli {

namespace {

Result<ClusterId> cluster_id_of(const std::string& text) {
  ClusterId id;
  if (text.empty()) {
    SystemRandom random;
    random.fill(id.bytes);
    return id;
  }
  const auto raw = from_hex(text);
  if (!raw || raw->size() != sizeof(ClusterId))
    return make_error(ErrorCode::InvalidArgument, "--cluster-id is to be 32 hexadecimal digits");
  return ClusterId::from(as_bytes(*raw));
}

Result<NodeId> node_id_of(const std::string& text) {
  if (text.empty()) {
    SystemRandom random;
    NodeId id;
    while (id == NodeId{}) id = NodeId{random.next_u64()};
    return id;
  }
  std::uint64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (text.size() != 16 || parsed.ec != std::errc{} || parsed.ptr != text.data() + 16 || value == 0)
    return make_error(ErrorCode::InvalidArgument,
                      "--node-id is to be 16 hexadecimal digits, not all zero");
  return NodeId{value};
}

int exit_code_of(const Error& error) {
  if (error.code == ErrorCode::InvalidArgument) return kExitUsage;
  return error.code == ErrorCode::NotFound ? kExitNotFound : kExitFailed;
}

Result<void> init(const CertOptions& options) {
  PREDA_TRY(const ClusterId id, cluster_id_of(options.cluster_id));
  PREDA_TRY(const auto authority, crypto::CertificateAuthority::create(id));
  PREDA_CHECK(write_new_file(options.directory + "/ca.key", authority.key_pem(), true));
  PREDA_CHECK(write_new_file(options.directory + "/ca.pem", authority.cert_pem(), false));
  fmt::print(
      "cluster id   {}\nauthority    {}/ca.pem (for every node)\nits key      {}/ca.key (for "
      "nobody: keep it off the nodes)\nnext: predastore cert issue --dir {} --host HOST --out n1\n",
      to_hex(id.span()), options.directory, options.directory, options.directory);
  return {};
}

Result<void> issue(const CertOptions& options) {
  PREDA_TRY(const std::string cert, node::load_text(options.directory + "/ca.pem"));
  PREDA_TRY(const std::string key, node::load_text(options.directory + "/ca.key"));
  PREDA_TRY(const auto authority, crypto::CertificateAuthority::load(cert, key));
  PREDA_TRY(const NodeId id, node_id_of(options.node_id));
  PREDA_TRY(const crypto::CertificatePair pair, authority.issue(id, options.hosts));
  PREDA_CHECK(write_new_file(options.out + ".key", pair.key_pem, true));
  PREDA_CHECK(write_new_file(options.out + ".pem", pair.cert_pem, false));
  fmt::print(
      "node id      {:016x} (node.id of its configuration)\ncertificate  {}.pem\nkey          "
      "{}.key (only its node may read it)\n",
      id.value(), options.out, options.out);
  return {};
}

Result<void> show(const CertOptions& options) {
  PREDA_TRY(const std::string pem, node::load_text(options.file));
  const auto id = crypto::node_of_certificate(pem);
  if (!id) {
    return make_error(ErrorCode::Internal,
                      options.file + " is no node's certificate: " + id.error().detail);
  }
  fmt::print("{}: node {:016x} ({})\n", options.file, id->value(), crypto::node_uri(*id));
  return {};
}

int finish(const Result<void>& done) {
  return done ? kExitOk : fail(exit_code_of(done.error()), done.error().detail);
}

}  // namespace

int cert_init(const CertOptions& options) { return finish(init(options)); }
int cert_issue(const CertOptions& options) { return finish(issue(options)); }
int cert_show(const CertOptions& options) { return finish(show(options)); }

}  // namespace predastore::cli
