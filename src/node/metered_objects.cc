#include "node/metered_objects.h"

#include <memory>
#include <optional>
#include <utility>

namespace predastore::node {

// ---- the meter

ClientMeter::Waiting::Waiting(ClientMeter& meter)
    : meter_(meter), at_(meter.waiting_.emplace(meter.clock_.now(), 0)) {}

void ClientMeter::Waiting::end() {
  if (std::exchange(is_over_, true)) return;
  const Instant now = meter_.clock_.now();
  if (now - at_->first > kLateAfter) meter_.late_ = now;
  meter_.waiting_.erase(at_);
}

ClientMeter::Request::~Request() {
  --meter_.in_flight_;
  meter_.active_ = meter_.clock_.now();
}

repair::ClientLoad ClientMeter::load() const {
  const Instant now = clock_.now();
  const auto is_recent = [now](Instant time) {
    return time != Instant{} && now - time < kRememberedFor;
  };
  repair::ClientLoad load;
  load.in_flight = in_flight_;
  if (load.in_flight == 0 && is_recent(active_)) load.in_flight = 1;
  for (const auto& [since, nothing] : waiting_) {
    if (now - since <= kLateAfter) break;
    ++load.late;
  }
  if (load.late == 0 && is_recent(late_)) load.late = 1;
  return load;
}

namespace {

// From the end of the body on the client waits for the cluster.
class MeteredSource final : public object::BodySource {
 public:
  MeteredSource(object::BodySource& body, ClientMeter& meter) : body_(body), meter_(meter) {}
  Task<Result<Buffer>> read(std::size_t max_bytes) override {
    auto bytes = co_await body_.read(max_bytes);
    if (bytes && bytes->empty() && !waiting_) waiting_.emplace(meter_);
    co_return bytes;
  }
  std::optional<std::uint64_t> size_bytes() const override { return body_.size_bytes(); }
  ObjectChecksum checksum() const override { return body_.checksum(); }

 private:
  object::BodySource& body_;
  ClientMeter& meter_;
  std::optional<ClientMeter::Waiting> waiting_;
};

// Until the first bytes come the client waits for the cluster.
class MeteredSink final : public object::BodySink {
 public:
  MeteredSink(object::BodySink& sink, ClientMeter& meter) : sink_(sink), waiting_(meter) {}
  Task<Result<void>> write(Buffer bytes) override {
    waiting_.end();
    co_return co_await sink_.write(std::move(bytes));
  }

 private:
  object::BodySink& sink_;
  ClientMeter::Waiting waiting_;
};

class MeteredReader final : public object::ObjectReader {
 public:
  MeteredReader(std::unique_ptr<object::ObjectReader> reader, ClientMeter& meter)
      : reader_(std::move(reader)), meter_(meter) {}
  const ObjectRecord& record() const override { return reader_->record(); }
  Task<Result<void>> send(object::ByteRange range, object::BodySink& sink) override {
    const ClientMeter::Request request{meter_};
    MeteredSink metered{sink, meter_};
    co_return co_await reader_->send(range, metered);
  }

 private:
  std::unique_ptr<object::ObjectReader> reader_;
  ClientMeter& meter_;
};

}  // namespace

// ---- the store

Task<Result<ObjectRecord>> MeteredObjects::put(object::PutRequest request) {
  const ClientMeter::Request counted{meter_};
  MeteredSource source{*request.body, meter_};
  request.body = &source;
  co_return co_await objects_.put(std::move(request));
}

Task<Result<meta::PartRecord>> MeteredObjects::put_part(object::PutPartRequest request) {
  const ClientMeter::Request counted{meter_};
  MeteredSource source{*request.body, meter_};
  request.body = &source;
  co_return co_await objects_.put_part(std::move(request));
}

Task<Result<std::unique_ptr<object::ObjectReader>>> MeteredObjects::get(std::string bucket,
                                                                        std::string key) {
  PREDA_CO_TRY(auto reader, co_await objects_.get(std::move(bucket), std::move(key)));
  std::unique_ptr<object::ObjectReader> metered =
      std::make_unique<MeteredReader>(std::move(reader), meter_);
  co_return std::move(metered);
}

Task<Result<ObjectRecord>> MeteredObjects::head(std::string bucket, std::string key) {
  return objects_.head(std::move(bucket), std::move(key));
}

}  // namespace predastore::node
