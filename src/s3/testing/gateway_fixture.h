#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <pugixml.hpp>
#include <string>
#include <utility>
#include <vector>

#include "env/host.h"
#include "env/run_task.h"
#include "env/sync.h"
#include "http/client.h"
#include "http/server.h"
#include "meta/testing/test_meta.h"
#include "s3/gateway.h"
#include "s3/testing/memory_objects.h"
#include "s3/testing/test_signer.h"
#include "telemetry/log.h"

// Only for tests: a gateway on loopback over real metadata and objects in memory, and a client that
// signs.
namespace predastore::s3::testing {

struct Answer {
  unsigned status = 0;
  http::Headers headers;
  std::string body;

  std::string header(std::string_view name) const { return std::string(headers.get(name)); }
  // Of the XML body: the text at a path below the root; empty when it is not there.
  std::string at(const char* path) const {
    pugi::xml_document xml;
    if (!xml.load_buffer(body.data(), body.size())) return "<not XML>";
    return xml.document_element().first_element_by_path(path).text().get();
  }
  // All the texts of `child` in elements called `element`.
  std::vector<std::string> all(const char* element, const char* child) const {
    pugi::xml_document xml;
    std::vector<std::string> found;
    if (!xml.load_buffer(body.data(), body.size())) return {"<not XML>"};
    for (const auto& node : xml.document_element().children(element))
      found.emplace_back(node.first_element_by_path(child).text().get());
    return found;
  }
  std::string code() const { return at("Code"); }
};

class GatewayTest : public ::testing::Test {
 protected:
  void SetUp() override {
    telemetry::set_log_sink([](std::string_view line) { last_log_line() = line; });
    meta_ = std::make_unique<meta::TestMeta>(host_.environment());
    run_until_done(host_.loop, meta_->open());
    objects_ = std::make_unique<MemoryObjects>(host_.environment(), meta_->service());
    keys_ = std::make_unique<access::AccessKeys>(host_.environment(), meta_->service());
    access::AccessKey key;
    key.id = key_.id;
    key.secret = crypto::Secret{key_.secret};
    ASSERT_TRUE(run_until_done(host_.loop, keys_->put(std::move(key), deadline())));
    start({});
  }
  void TearDown() override {
    stop();
    telemetry::set_log_sink(nullptr);
  }
  void start(GatewayOptions options) {
    options.rs = {2, 1};
    options.domains = {"s3.test"};
    key_.region = options.region;
    options.on_request = [this](const RequestReport& report) {
      ++reported_count_;
      reports_.push_back(report);
    };
    Services services{host_.environment(), *objects_, meta_->service()};
    gateway_ = std::make_unique<Gateway>(services, *keys_, std::move(options));
    auto server = http::Server::listen(host_.environment(), {}, gateway_->handler());
    ASSERT_TRUE(server) << server.error().to_string();
    server_ = *std::move(server);
    group_.spawn(server_->run());
    connect();
  }
  void restart(GatewayOptions options) {
    stop();
    start(std::move(options));
  }
  void stop() {
    client_.reset();
    if (server_ != nullptr) {
      run_until_done(host_.loop, server_->stop(host_.loop.clock().now()));
      (void)run_until_done(host_.loop, group_.join());
    }
    server_.reset();
  }
  void connect() {
    auto client = run_until_done(
        host_.loop, http::Client::connect(host_.environment(), "127.0.0.1", server_->port(), {}));
    ASSERT_TRUE(client);
    client_ = *std::move(client);
  }

  // A signed request; `target` as it goes over the wire.
  Answer send(std::string method, std::string target, http::Headers headers = {},
              std::string body = {}) {
    http::RequestHead head;
    head.method = std::move(method);
    head.target = std::move(target);
    head.headers = std::move(headers);
    if (head.headers.find("host") == nullptr)
      head.headers.set("Host", "127.0.0.1:" + std::to_string(server_->port()));
    sign(head, body, key_, host_.loop.clock().wall_now());
    return send_as_it_is(std::move(head), std::move(body));
  }
  Answer send_as_it_is(http::RequestHead head, std::string body) {
    if (!client_->is_reusable()) connect();
    ++sent_count_;
    auto response = run_until_done(
        host_.loop,
        client_->fetch(std::move(head), Buffer::take(std::move(body)), 64 * 1024 * 1024));
    if (!response) return Answer{0, {}, response.error().to_string()};
    return Answer{response->head.status, response->head.headers,
                  std::string(response->body.text())};
  }
  std::string code(std::string method, std::string target, http::Headers headers = {},
                   std::string body = {}) {
    const Answer answer =
        send(std::move(method), std::move(target), std::move(headers), std::move(body));
    return std::to_string(answer.status) + " " + (answer.body.empty() ? "" : answer.code());
  }
  void make_bucket(const std::string& name = "bucket") {
    ASSERT_EQ(send("PUT", "/" + name).status, 200u);
  }
  void put(const std::string& target, const std::string& body) {
    ASSERT_EQ(send("PUT", target, {}, body).status, 200u) << target;
  }
  // The report of a request, and its log line, may come after its answer. Only where every request
  // came as far as the gateway.
  void wait_for_reports() {
    const Instant patience = deadline();
    while (reported_count_ < sent_count_ && host_.loop.clock().now() < patience)
      run_until_done(host_.loop, sleep_for(host_.loop.clock(), 1ms));
    ASSERT_EQ(reported_count_, sent_count_);
  }
  Instant deadline() { return host_.loop.clock().now() + 30s; }
  static std::string& last_log_line() {
    static std::string line;
    return line;
  }

  ProductionHost host_{2};
  TestKey key_{"AKIDTESTTESTTESTTEST", "testsecrettestsecrettestsecrettestsecret"};
  std::unique_ptr<meta::TestMeta> meta_;
  std::unique_ptr<MemoryObjects> objects_;
  std::unique_ptr<access::AccessKeys> keys_;
  std::unique_ptr<Gateway> gateway_;
  std::unique_ptr<http::Server> server_;
  std::unique_ptr<http::Client> client_;
  std::vector<RequestReport> reports_;
  std::size_t sent_count_ = 0;
  std::size_t reported_count_ = 0;
  TaskGroup group_{host_.loop.executor(), host_.loop.clock()};
};

}  // namespace predastore::s3::testing
