#pragma once

// What every Transport promises, as tests. An implementation includes this in one source of its
// tests and instantiates TransportContract with a maker of its worlds (see
// transport_contract_test.cc).
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "digest/hash.h"
#include "net/testing/transport_world.h"

namespace predastore::net::testing {

class TransportContract
    : public ::testing::TestWithParam<std::function<std::unique_ptr<TransportWorld>()>> {
 protected:
  void SetUp() override { case_ = std::make_unique<ContractCase>(GetParam()()); }
  void TearDown() override { case_->world->run(ContractCase::stop_all(*case_)); }
  std::unique_ptr<ContractCase> case_;
};

#define PREDA_CONTRACT(name)                                                      \
  inline Task<void> contract_##name(ContractCase& self);                          \
  TEST_P(TransportContract, name) { case_->world->run(contract_##name(*case_)); } \
  inline Task<void> contract_##name([[maybe_unused]] ContractCase& self)
PREDA_CONTRACT(bytes_come_back_with_a_clean_end) {
  self.serve_echo(kBert);
  for (const std::size_t size : {0U, 1U, 1000U, 65536U, 300000U}) {
    const Buffer bytes = pattern(size, 7);
    auto answer = co_await ContractCase::ask(self.anna(), kBert, bytes, Lane::data, self.soon());
    PREDA_HAS(answer);
    EXPECT_TRUE(is_same(*answer, bytes)) << size;
  }
}

PREDA_CONTRACT(many_streams_at_once_keep_their_bytes) {
  self.serve_echo(kBert);
  self.serve_echo(kAnna);
  auto one = [](ContractCase& s, NodeId from, NodeId to, std::uint32_t i) -> Task<void> {
    const Buffer bytes = pattern(1000 + i * 97, i);
    auto answer = co_await ContractCase::ask(s.world->at(from), to, bytes, Lane::data, s.soon());
    PREDA_HAS(answer);
    EXPECT_TRUE(is_same(*answer, bytes)) << i;
  };
  TaskGroup all{self.world->env().executor, self.clock()};
  for (std::uint32_t i = 0; i < 300; ++i) {
    all.spawn(one(self, kAnna, kBert, i));
    all.spawn(one(self, kBert, kAnna, 1000 + i));
  }
  (void)co_await all.join();
}

PREDA_CONTRACT(a_large_transfer_arrives_whole) {
  auto pair = co_await ContractCase::connect(self);
  PREDA_HAS(pair);
  constexpr std::size_t kPieces = 400;
  auto send = [](std::unique_ptr<Stream> stream, Instant deadline) -> Task<void> {
    for (std::uint32_t i = 0; i < kPieces; ++i) {
      BufferChain chain{pattern(256 * 1024, i)};
      auto written = co_await stream->write(std::move(chain), deadline);
      PREDA_HAS(written);
    }
    (void)co_await stream->finish();
    auto answer = co_await stream->read(10, deadline);
    PREDA_HAS(answer);
    EXPECT_EQ(answer->text(), "thanks");
  };
  digest::Sha256 sent;
  for (std::uint32_t i = 0; i < kPieces; ++i) sent.update(pattern(256 * 1024, i));
  TaskGroup sender{self.world->env().executor, self.clock()};
  sender.spawn(send(std::move(pair->opened), self.soon()));
  digest::Sha256 received;
  std::size_t size_bytes = 0;
  for (;;) {
    auto piece = co_await pair->accepted->read(1024 * 1024, self.soon());
    PREDA_HAS(piece);
    if (piece->empty()) break;
    size_bytes += piece->size();
    received.update(*piece);
  }
  EXPECT_EQ(size_bytes, kPieces * 256 * 1024);
  EXPECT_EQ(received.finish(), sent.finish());
  (void)co_await ContractCase::write(*pair->accepted, "thanks", self.soon());
  (void)co_await pair->accepted->finish();
  (void)co_await sender.join();  // before the transports are stopped
}

PREDA_CONTRACT(one_direction_may_end_long_before_the_other) {
  auto pair = co_await ContractCase::connect(self);
  PREDA_HAS(pair);
  auto finished = co_await pair->opened->finish();
  PREDA_HAS(finished);
  auto end = co_await pair->accepted->read(1, self.soon());
  PREDA_HAS(end);
  EXPECT_TRUE(end->empty());
  for (int i = 0; i < 5; ++i) {
    auto written = co_await ContractCase::write(*pair->accepted, "more", self.soon());
    PREDA_HAS(written);
    auto read = co_await pair->opened->read(4, self.soon());
    PREDA_HAS(read);
    EXPECT_EQ(read->text(), "more");
  }
}

PREDA_CONTRACT(what_was_finished_arrives_though_its_stream_is_destroyed_at_once) {
  auto pair = co_await ContractCase::connect(self);
  PREDA_HAS(pair);
  const Buffer bytes = pattern(200 * 1024, 3);
  BufferChain chain{bytes};
  auto written = co_await pair->opened->write(std::move(chain), self.soon());
  PREDA_HAS(written);
  (void)co_await pair->opened->finish();
  pair->opened.reset();
  auto all = co_await ContractCase::read_all(*pair->accepted, self.soon());
  PREDA_HAS(all);
  EXPECT_TRUE(is_same(*all, bytes));
}

PREDA_CONTRACT(a_stream_destroyed_without_an_end_is_broken_for_the_peer) {
  auto pair = co_await ContractCase::connect(self);
  PREDA_HAS(pair);
  pair->opened.reset();
  auto read = co_await pair->accepted->read(1, self.soon());
  PREDA_FAILS(read, ErrorCode::Unavailable);
}

PREDA_CONTRACT(a_writer_learns_that_its_bytes_are_not_wanted) {
  auto pair = co_await ContractCase::connect(self);
  PREDA_HAS(pair);
  (void)co_await pair->accepted->finish();
  auto give_up = [](ContractCase& s, std::unique_ptr<Stream> stream) -> Task<void> {
    co_await sleep_for(s.clock(), 100ms);
    stream.reset();
  };
  self.tasks.spawn(give_up(self, std::move(pair->accepted)));
  const Instant deadline = self.soon();
  Result<void> written;
  while (written) {
    BufferChain chain{pattern(64 * 1024, 1)};
    written = co_await pair->opened->write(std::move(chain), deadline);
  }
  PREDA_FAILS(written, ErrorCode::Unavailable);
}

PREDA_CONTRACT(a_reset_ends_what_is_pending_on_both_sides) {
  auto pair = co_await ContractCase::connect(self);
  PREDA_HAS(pair);
  auto read_on = [](Stream& stream, ErrorCode expected, Instant deadline) -> Task<void> {
    auto read = co_await stream.read(1, deadline);
    PREDA_FAILS(read, expected);
  };
  TaskGroup readers{self.world->env().executor, self.clock()};
  readers.spawn(read_on(*pair->opened, ErrorCode::Cancelled, self.soon()));
  co_await sleep_for(self.clock(), 10ms);
  pair->opened->reset();
  (void)co_await readers.join();
  auto write = co_await ContractCase::write(*pair->opened, "late", self.soon());
  PREDA_FAILS(write, ErrorCode::Cancelled);
  auto read = co_await pair->accepted->read(1, self.soon());
  EXPECT_FALSE(read);
}

// More than any window, small pieces and large ones in turn, so that some of the bytes are here
// before they are asked for and others come while somebody waits.
PREDA_CONTRACT(bytes_are_read_into_memory_of_the_reader) {
  auto pair = co_await ContractCase::connect(self);
  PREDA_HAS(pair);
  const Buffer bytes = pattern(9 * 1024 * 1024 + 777, 5);
  auto send = [](Stream& stream, Buffer all, Instant deadline) -> Task<void> {
    BufferChain chain{std::move(all)};
    auto written = co_await stream.write(std::move(chain), deadline);
    PREDA_HAS(written);
    (void)co_await stream.finish();
  };
  TaskGroup writers{self.world->env().executor, self.clock()};
  writers.spawn(send(*pair->opened, bytes, self.soon()));
  MutableBuffer memory{bytes.size()};
  std::size_t at = 0;
  for (const std::size_t size : {1UL, 100UL, 300'000UL, 5UL, 6'000'000UL}) {
    auto filled =
        co_await pair->accepted->read_exactly(memory.bytes().subspan(at, size), self.soon());
    PREDA_HAS(filled);
    at += size;
    auto piece = co_await pair->accepted->read(1000, self.soon());
    PREDA_HAS(piece);
    std::copy_n(piece->data(), piece->size(), memory.data() + at);
    at += piece->size();
  }
  auto rest = co_await pair->accepted->read_exactly(memory.bytes().subspan(at), self.soon());
  PREDA_HAS(rest);
  (void)co_await writers.join();
  const BufferChain got{std::move(memory).freeze()};
  EXPECT_TRUE(is_same(got, bytes));
  auto end = co_await pair->accepted->read(1, self.soon());
  PREDA_HAS(end);
  EXPECT_TRUE(end->empty());
}

PREDA_CONTRACT(fewer_bytes_than_a_reader_needs_are_an_error) {
  auto pair = co_await ContractCase::connect(self);
  PREDA_HAS(pair);
  auto written = co_await ContractCase::write(*pair->opened, "some", self.soon());
  PREDA_HAS(written);
  MutableBuffer memory{100'000};
  auto late = co_await pair->accepted->read_exactly(memory.bytes(), self.in(30ms));
  PREDA_FAILS(late, ErrorCode::TimedOut);
  (void)co_await pair->opened->finish();
  auto early = co_await pair->accepted->read_exactly(memory.bytes(), self.soon());
  PREDA_FAILS(early, ErrorCode::Unavailable);
}

PREDA_CONTRACT(a_read_without_bytes_times_out) {
  auto pair = co_await ContractCase::connect(self);
  PREDA_HAS(pair);
  auto read = co_await pair->accepted->read(1, self.in(30ms));
  PREDA_FAILS(read, ErrorCode::TimedOut);
}

PREDA_CONTRACT(a_writer_waits_for_a_slow_reader_and_holds_a_bounded_amount) {
  auto pair = co_await ContractCase::connect(self);
  PREDA_HAS(pair);
  const std::size_t accepted =
      co_await ContractCase::fill(*pair->opened, 1024 * 1024 * 1024, self.in(500ms));
  EXPECT_GT(accepted, 0U);
  EXPECT_LE(accepted, self.world->in_flight_max_bytes());
  // Others go on beside it.
  auto other = co_await ContractCase::connect(self);
  PREDA_HAS(other);
  // And what is read makes room again.
  std::size_t read_bytes = 0;
  while (read_bytes < accepted) {
    auto piece = co_await pair->accepted->read(64 * 1024, self.soon());
    PREDA_HAS(piece);
    read_bytes += piece->size();
  }
  auto written = co_await ContractCase::write(*other->opened, "go on", self.soon());
  PREDA_HAS(written);
}

PREDA_CONTRACT(bytes_that_nobody_reads_do_not_use_up_the_windows) {
  for (int i = 0; i < 40; ++i) {
    auto pair = co_await ContractCase::connect(self);
    PREDA_HAS(pair);
    (void)co_await ContractCase::fill(*pair->opened, 512 * 1024, self.soon());
    if (i % 3 == 0) pair->accepted->reset();
    if (i % 3 == 1) pair->accepted.reset();
    if (i % 3 == 2) pair->opened->reset();
  }
  self.serve_echo(kBert);
  const Buffer bytes = pattern(900 * 1024, 3);
  auto answer = co_await ContractCase::ask(self.anna(), kBert, bytes, Lane::data, self.soon());
  PREDA_HAS(answer);
  EXPECT_TRUE(is_same(*answer, bytes));
}

PREDA_CONTRACT(peer_and_lane_are_told_on_both_ends) {
  for (const Lane lane : {Lane::data, Lane::raft}) {
    auto pair = co_await ContractCase::connect(self, lane);
    PREDA_HAS(pair);
    EXPECT_EQ(pair->opened->peer(), kBert);
    EXPECT_EQ(pair->accepted->peer(), kAnna);
    EXPECT_EQ(pair->opened->lane(), lane);
    EXPECT_EQ(pair->accepted->lane(), lane);
  }
}

PREDA_CONTRACT(a_peer_that_goes_breaks_its_streams_and_comes_back) {
  self.serve_echo(kBert);
  auto stream = co_await self.anna().open(kBert, Lane::data, self.soon());
  PREDA_HAS(stream);
  auto written = co_await ContractCase::write(**stream, "hello", self.soon());
  PREDA_HAS(written);
  self.world->gone(kBert);
  auto read = co_await (*stream)->read(1, self.soon());
  PREDA_FAILS(read, ErrorCode::Unavailable);
  auto refused = co_await self.anna().open(kBert, Lane::data, self.soon());
  PREDA_FAILS(refused, ErrorCode::Unavailable);
  self.world->back(kBert);
  self.serve_echo(kBert);
  const Buffer bytes = pattern(100000, 9);
  auto answer = co_await ContractCase::ask_patiently(self, self.anna(), kBert, bytes);
  PREDA_HAS(answer);
  EXPECT_TRUE(is_same(*answer, bytes));
}

PREDA_CONTRACT(a_peer_that_was_never_there_is_unavailable) {
  self.world->gone(kCleo);
  auto stream = co_await self.anna().open(kCleo, Lane::data, self.soon());
  PREDA_FAILS(stream, ErrorCode::Unavailable);
  auto again = co_await self.anna().open(kCleo, Lane::data, self.soon());
  auto unknown = co_await self.anna().open(NodeId{99}, Lane::data, self.soon());
  self.world->back(kCleo);
  PREDA_FAILS(again, ErrorCode::Unavailable);
  PREDA_FAILS(unknown, ErrorCode::Unavailable);
}

PREDA_CONTRACT(after_stop_nothing_is_accepted_or_opened) {
  auto accept = [](ContractCase& s) -> Task<void> {
    auto stream = co_await s.bert().accept();
    PREDA_FAILS(stream, ErrorCode::Cancelled);
  };
  self.tasks.spawn(accept(self));
  co_await sleep_for(self.clock(), 5ms);
  co_await self.bert().stop();
  auto later = co_await self.bert().accept();
  PREDA_FAILS(later, ErrorCode::Cancelled);
  auto opened = co_await self.bert().open(kAnna, Lane::data, self.soon());
  PREDA_FAILS(opened, ErrorCode::Cancelled);
}

}  // namespace predastore::net::testing
