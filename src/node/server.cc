#include "node/server.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <memory>
#include <set>

#include "admin/admin_api.h"
#include "admin/growth_api.h"
#include "env/host.h"
#include "env/run_task.h"
#include "http/server.h"
#include "model/limits.h"
#include "net/quic_transport.h"
#include "node/cluster_view.h"
#include "node/membership.h"
#include "node/node.h"
#include "node/process_numbers.h"
#include "node/s3_certificate.h"
#include "node/s3_metrics.h"
#include "s3/gateway.h"
#include "s3/refusals.h"
#include "segment/record.h"
#include "telemetry/log.h"

namespace predastore::node {

namespace {

constexpr Duration kRequestsMayFinish = 5s;  // after SIGTERM

// Bodies are hashed on a quarter of the cores at most.
std::size_t hash_batches() {
  return static_cast<std::size_t>(std::max(4L, ::sysconf(_SC_NPROCESSORS_ONLN))) / 4;
}

struct ListenAddress {
  std::string host;
  std::uint16_t port = 0;
};

// The configuration has checked the form.
ListenAddress split_address(const std::string& address) {
  ListenAddress at;
  const std::size_t colon = address.rfind(':');
  at.host = address.substr(0, colon);
  if (at.host.size() > 2 && at.host.front() == '[') at.host = at.host.substr(1, at.host.size() - 2);
  (void)std::from_chars(address.data() + colon + 1, address.data() + address.size(), at.port);
  return at;
}

Result<access::AccessKey> root_key_of(const Config& config) {
  PREDA_TRY(const RootKey key, load_root_key(config.root_key_file));
  if (!access::is_access_key_id(key.access_key_id))
    return make_error(
        ErrorCode::InvalidArgument,
        config.root_key_file + ": access_key_id is to be 16 to 128 letters and digits");
  return access::AccessKey{key.access_key_id, crypto::Secret{key.secret_access_key}, true};
}

// Everything of the process that has a life of its own, in the order in which it is made.
class Process {
 public:
  Process(ProductionHost& host, Config config)
      : host_(host),
        env_(host.environment()),
        config_(std::move(config)),
        tasks_(env_.executor, env_.clock) {}

  Task<Result<void>> run() {
    Result<void> opened = co_await open();
    if (opened) {
      telemetry::log_info("serve", {{"node", config_.node_name},
                                    {"version", PREDASTORE_VERSION},
                                    {"s3", config_.s3_address},
                                    {"cluster", config_.cluster_address},
                                    {"admin", config_.admin_address}});
      print_banner();
      co_await wait_for_signal();
      telemetry::log_info("stop", {{"node", config_.node_name}});
    }
    co_await close();
    co_return opened;
  }

 private:
  Task<Result<void>> open() {
    PREDA_CO_TRY(const std::string ca, load_text(config_.ca_file));
    PREDA_CO_TRY(const std::string certificate, load_text(config_.certificate_file));
    PREDA_CO_TRY(const std::string key, load_text(config_.key_file));
    PREDA_CO_CHECK(co_await open_transport(ca, certificate, key));
    NodeOptions options;
    options.config = config_;
    options.metadata_threads = {&host_.metadata_files, &host_.metadata_blocking};
    options.refuse_peers = [this](std::set<NodeId> departed) { departed_ = std::move(departed); };
    options.write_epoch_interval = std::chrono::seconds{config_.repair.write_epoch_seconds};
    options.raft_log_bytes = config_.metadata.log_bytes;
    options.hash_batches_max = hash_batches();
    options.limits.write_epochs = config_.repair.commit_epochs;
    options.limits.garbage_epochs = config_.repair.garbage_epochs;
    options.limits.inline_max_bytes = kInlineDefaultBytes;
    options.care.sweep.interval = std::chrono::seconds{config_.repair.sweep_seconds};
    options.care.reconcile.interval = std::chrono::seconds{config_.repair.reconcile_seconds};
    PREDA_CO_TRY(options.root_key, root_key_of(config_));
    PREDA_CO_TRY(node_, co_await Node::open(env_, *transport_, std::move(options)));
    tasks_.spawn(node_->run());
    PREDA_CO_CHECK(listen_admin(ca, certificate, key));
    std::optional<http::TlsServerOptions> s3_tls;
    if (!config_.s3_tls_certificate_file.empty()) {
      s3_certificate_ = std::make_unique<S3Certificate>(env_, config_);
      PREDA_CO_TRY(s3_tls, co_await s3_certificate_->load());
    }
    PREDA_CO_CHECK(listen_s3(std::move(s3_tls)));
    if (s3_certificate_) tasks_.spawn(s3_certificate_->watch(*s3_server_));
    co_return Result<void>{};
  }

  Task<Result<void>> open_transport(std::string ca, std::string certificate, std::string key) {
    const ListenAddress at = split_address(config_.cluster_address);
    net::QuicOptions options;
    options.listen_host = at.host;
    options.listen_port = at.port;
    options.self = config_.node_id;
    options.ca_pem = std::move(ca);
    options.cert_pem = std::move(certificate);
    options.key_pem = std::move(key);
    options.admits = [this](NodeId node) { return !departed_.contains(node); };
    PREDA_CO_TRY(transport_,
                 co_await net::open_quic_transport(env_, host_.loop.io(), std::move(options)));
    co_return Result<void>{};
  }

  Result<void> listen_admin(const std::string& ca, const std::string& certificate,
                            const std::string& key) {
    view_ = std::make_unique<NodeClusterView>(env_, *node_);
    admin_api_ = std::make_unique<admin::AdminApi>(env_, *view_, node_->keys(), node_->meta(),
                                                   [this] { return local_numbers(); });
    membership_ = std::make_unique<NodeMembership>(node_->members());
    growth_api_ = std::make_unique<admin::GrowthApi>(env_, *view_, node_->meta(), node_->growth(),
                                                     *membership_);
    admin_api_->extend(*growth_api_);
    const ListenAddress at = split_address(config_.admin_address);
    http::ServerOptions options;
    options.address = at.host;
    options.port = at.port;
    options.connections_max = 64;
    options.tls.emplace();
    options.tls->certificate = crypto::CertificatePair{certificate, key};
    options.tls->client_ca_pem = ca;
    PREDA_TRY(admin_server_,
              http::Server::listen(env_, std::move(options), [this](http::Exchange& exchange) {
                return admin_api_->handle(exchange);
              }));
    tasks_.spawn(admin_server_->run());
    return {};
  }

  Result<void> listen_s3(std::optional<http::TlsServerOptions> tls) {
    s3::GatewayOptions gateway_options;
    gateway_options.region = config_.region;
    gateway_options.rs = config_.rs;
    gateway_options.domains = config_.s3_domains;
    gateway_options.requests_max = config_.limits.requests_max;
    gateway_options.host_id = config_.node_name;
    gateway_options.on_request = [this](const s3::RequestReport& report) {
      s3_metrics_.count(report);
    };
    const s3::Services services{env_, node_->objects(), node_->meta()};
    gateway_ = std::make_unique<s3::Gateway>(services, node_->keys(), std::move(gateway_options));
    const ListenAddress at = split_address(config_.s3_address);
    http::ServerOptions options;
    options.address = at.host;
    options.port = at.port;
    options.connections_max = config_.limits.connections_max;
    options.tls = std::move(tls);
    options.error_page =
        s3::refusal_pages(env_.random, config_.node_name,
                          [this](const s3::RequestReport& report) { s3_metrics_.count(report); });
    PREDA_TRY(s3_server_, http::Server::listen(env_, std::move(options), gateway_->handler()));
    tasks_.spawn(s3_server_->run());
    return {};
  }

  Task<void> wait_for_signal() {
    boost::asio::signal_set signals{host_.loop.io(), SIGINT, SIGTERM, SIGHUP};
    for (;;) {
      const auto [error, signal] =
          co_await signals.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
      if (error || signal != SIGHUP) co_return;
      telemetry::log_info("look at the files again", {{"node", config_.node_name}});
      if (s3_certificate_) s3_certificate_->look_now();
    }
  }

  // In the opposite order: first nobody asks any more, then what would answer goes.
  Task<void> close() {
    const Instant deadline = env_.clock.now() + kRequestsMayFinish;
    if (s3_certificate_) s3_certificate_->stop();
    if (s3_server_) co_await s3_server_->stop(deadline);
    if (admin_server_) co_await admin_server_->stop(deadline);
    if (node_) {
      co_await node_->stop();
    } else if (transport_) {
      co_await transport_->stop();
    }
    (void)co_await tasks_.join();
  }

  admin::LocalNumbers local_numbers() const {
    admin::LocalNumbers numbers;
    const NodeStatus status = node_->status();
    numbers.version = status.version;
    numbers.drive = status.drive;
    numbers.drives = status.drives;
    numbers.upkeep = status.upkeep;
    numbers.heal = status.heal;
    if (s3_server_) numbers.s3 = s3_server_->stats();
    numbers.raft_term = status.replica.term;
    numbers.raft_commit_index = status.replica.commit_index;
    numbers.raft_applied_index = status.replica.applied_index;
    numbers.is_raft_leader = status.replica.role == raft::ReplicaRole::leader;
    const ProcessNumbers process = process_numbers();
    numbers.resident_memory_bytes = process.resident_memory_bytes;
    numbers.cpu_seconds = process.cpu_seconds;
    numbers.open_files = process.open_files;
    numbers.more = s3_metrics_.collect();
    return numbers;
  }

  void print_banner() const {
    if (::isatty(STDOUT_FILENO) == 0) return;
    fmt::print(
        "predastore {} node {}\n  S3              {}://{}\n  administration  https://{}\n"
        "  status          predastore status --config {}\n",
        PREDASTORE_VERSION, config_.node_name, s3_certificate_ ? "https" : "http",
        config_.s3_address, config_.admin_address, config_.path);
    std::fflush(stdout);
  }

  ProductionHost& host_;
  Environment env_;
  Config config_;
  std::set<NodeId> departed_;
  std::unique_ptr<net::QuicTransport> transport_;
  std::unique_ptr<Node> node_;
  std::unique_ptr<NodeClusterView> view_;
  std::unique_ptr<NodeMembership> membership_;
  std::unique_ptr<admin::GrowthApi> growth_api_;
  std::unique_ptr<admin::AdminApi> admin_api_;
  S3Metrics s3_metrics_;
  std::unique_ptr<S3Certificate> s3_certificate_;
  std::unique_ptr<s3::Gateway> gateway_;
  std::unique_ptr<http::Server> admin_server_;
  std::unique_ptr<http::Server> s3_server_;
  TaskGroup tasks_;
};

// Whichever is chosen is said once: where io_uring is refused (a container's filter, a sysctl, an
// old kernel) the cause is to be found.
Result<void> choose_io(ProductionHost& host, const std::string& wanted) {
  IoBackend backend = IoBackend::automatic;
  if (wanted == "io_uring") backend = IoBackend::io_uring;
  if (wanted == "threads") backend = IoBackend::threads;
  PREDA_TRY(const auto choice, host.choose_io(backend));
  const std::string_view name =
      choice.backend == IoBackend::io_uring ? std::string_view{"io_uring"} : "threads";
  if (choice.reason.empty()) {
    telemetry::log_info("choose file backend", {{"backend", name}});
  } else {
    telemetry::log_info("choose file backend", {{"backend", name}, {"reason", choice.reason}});
  }
  return {};
}

// Memory for the first readers, of whole fetch answers and of single segments: touching it then
// would cost them more than the read.
void make_buffers_ready(PosixFiles& files) {
  constexpr std::size_t kBlockBytes = 4096;  // reads begin and end on one
  constexpr std::size_t kRecordBytes = kSegmentSizeBytes + segment::kRecordHeaderSizeBytes;
  files.prefault(kFetchBodyMaxBytes / kRecordBytes * kRecordBytes + kBlockBytes, 8);
  files.prefault(kRecordBytes + kBlockBytes, 32);
}

Task<Result<void>> run_process(ProductionHost& host, Config config) {
  Process process{host, std::move(config)};
  co_return co_await process.run();
}

}  // namespace

Result<void> run_server(Config config) {
  raise_file_limit();
  ProductionHost host;
  PREDA_CHECK(choose_io(host, config.io_backend));
  make_buffers_ready(host.files);
  return run_until_done(host.loop, run_process(host, std::move(config)));
}

}  // namespace predastore::node
