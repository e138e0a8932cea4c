#pragma once

// Nodes on loopback for tests of QUIC: one loop, one authority, every node at a port of its own.
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>

#include "crypto/certificates.h"
#include "env/host.h"
#include "env/run_task.h"
#include "net/quic_transport.h"
#include "net/testing/transport_world.h"

namespace predastore::net::testing {

inline crypto::CertificateAuthority make_authority() {
  ClusterId id;
  id.bytes[0] = std::byte{42};
  auto authority = crypto::CertificateAuthority::create(id);
  PREDA_ASSERT(authority.has_value());
  return std::move(*authority);
}

class QuicCluster final : public TransportWorld {
 public:
  QuicCluster() : authority_(make_authority()) {
    for (const NodeId node : {kAnna, kBert, kCleo}) back(node);
  }
  ~QuicCluster() override {
    nodes_.clear();
    settle();
  }
  Environment env() override { return host_.environment(); }
  Loop& loop() { return host_.loop; }
  void run(Task<void> task) override { run_until_done(host_.loop, std::move(task)); }
  Transport& at(NodeId node) override { return *nodes_.at(node); }
  QuicTransport& quic(NodeId node) { return *nodes_.at(node); }
  void gone(NodeId node) override { nodes_.at(node).reset(); }
  void back(NodeId node) override { place(node, options_of(node)); }
  std::size_t in_flight_max_bytes() const override {
    const QuicOptions options;
    // The reader's window, what is not sent, and the piece that was accepted last.
    return options.stream_window_bytes + options.unsent_max_bytes + 128 * 1024;
  }

  const crypto::CertificateAuthority& authority() const { return authority_; }
  // What `node` would be opened with; at the port that it had, if it had one.
  QuicOptions options_of(NodeId node) {
    QuicOptions options;
    auto pair = authority_.issue(node, {"127.0.0.1"});
    PREDA_ASSERT(pair.has_value());
    options.self = node;
    options.ca_pem = authority_.cert_pem();
    options.cert_pem = pair->cert_pem;
    options.key_pem = pair->key_pem;
    // A restarted node has the key that it had.
    auto& [cert, key] = identities_[node];
    if (cert.empty()) {
      cert = options.cert_pem;
      key = options.key_pem;
    }
    options.cert_pem = cert;
    options.key_pem = key;
    options.retry_after = 100ms;
    options.listen_port = ports_[node];
    return options;
  }
  // Opens (or replaces) a node and tells the others where it is.
  void place(NodeId node, QuicOptions options) {
    nodes_[node].reset();
    auto opened =
        run_until_done(host_.loop, open_quic_transport(env(), host_.loop.io(), std::move(options)));
    PREDA_ASSERT(opened.has_value());
    nodes_[node] = std::move(*opened);
    ports_[node] = nodes_[node]->local_port();
    for (auto& [other, transport] : nodes_) {
      if (!transport || other == node) continue;
      transport->set_address(node, address_of(node));
      nodes_[node]->set_address(other, address_of(other));
    }
  }
  std::string address_of(NodeId node) { return "127.0.0.1:" + std::to_string(ports_[node]); }
  std::uint16_t port_of(NodeId node) { return ports_[node]; }
  void settle() { run(turn(host_.loop.clock())); }

 private:
  static Task<void> turn(Clock& clock) { co_await sleep_for(clock, 1ms); }

  ProductionHost host_{2};
  crypto::CertificateAuthority authority_;
  std::map<NodeId, std::pair<std::string, std::string>> identities_;
  std::map<NodeId, std::uint16_t> ports_;
  std::map<NodeId, std::unique_ptr<QuicTransport>> nodes_;
};

}  // namespace predastore::net::testing
