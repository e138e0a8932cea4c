#pragma once

#include <map>

#include "env/environment.h"
#include "object/object_store.h"
#include "repair/throttle.h"

namespace predastore::node {

// What clients ask of this node at the moment. A request is late when the cluster, not the client,
// has made it wait for longer than kLateAfter: for the first bytes of a download, or for the answer
// after the last bytes of an upload. On one loop.
class ClientMeter {
 public:
  static constexpr Duration kLateAfter = 250ms;
  static constexpr Duration kRememberedFor = 1s;

  explicit ClientMeter(Clock& clock) : clock_(clock) {}

  // A time in which a request waits for the cluster.
  class Waiting {
   public:
    explicit Waiting(ClientMeter& meter);
    ~Waiting() { end(); }
    Waiting(const Waiting&) = delete;
    Waiting& operator=(const Waiting&) = delete;
    void end();

   private:
    ClientMeter& meter_;
    std::multimap<Instant, int>::iterator at_;
    bool is_over_ = false;
  };
  // A request that is under way.
  class Request {
   public:
    explicit Request(ClientMeter& meter) : meter_(meter) { ++meter_.in_flight_; }
    ~Request();
    Request(const Request&) = delete;
    Request& operator=(const Request&) = delete;

   private:
    ClientMeter& meter_;
  };

  repair::ClientLoad load() const;

 private:
  Clock& clock_;
  std::uint32_t in_flight_ = 0;
  std::multimap<Instant, int> waiting_;  // since when
  Instant active_{};                     // a request ended
  Instant late_{};                       // one that was late ended its wait
};

// An object store that counts who is at work in it.
class MeteredObjects final : public object::ObjectStore {
 public:
  // `objects` outlives this; this outlives the readers.
  MeteredObjects(Clock& clock, object::ObjectStore& objects) : objects_(objects), meter_(clock) {}

  Task<Result<ObjectRecord>> put(object::PutRequest request) override;
  Task<Result<std::unique_ptr<object::ObjectReader>>> get(std::string bucket,
                                                          std::string key) override;
  Task<Result<ObjectRecord>> head(std::string bucket, std::string key) override;
  Task<Result<meta::PartRecord>> put_part(object::PutPartRequest request) override;

  repair::ClientLoad load() const { return meter_.load(); }

 private:
  object::ObjectStore& objects_;
  ClientMeter meter_;
};

}  // namespace predastore::node
