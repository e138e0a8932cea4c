#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "chunk/chunk_service.h"

namespace predastore::chunk {

// What a ChunkWriter and the tasks that feed its stores share: one task a role, which opens the
// shard on its node (or, as long as it has sent nothing, on a substitute), hands over segments, and
// commits when no more come.
struct WriterState : std::enable_shared_from_this<WriterState> {
  // A role is held when its node failed a moment ago and the quorum can be had without it: its
  // first segments are kept in case another node fails now.
  enum class Phase { idle, held, writing, durable, failed };
  struct Queued {
    shard::Segment segment;
    Hold hold;
  };
  struct Role {
    explicit Role(Clock& clock) : wake(clock) {}
    NodeId node;
    WriteId write_id;
    Phase phase = Phase::idle;
    bool is_spared = false;  // its own node is near full, another one takes it
    std::deque<Queued> queue;
    std::size_t in_append = 0;
    std::optional<Error> error;
    Signal wake;
  };

  WriterState(ChunkService& chunk_service, ChunkTarget chunk_target);

  void choose_nodes();
  void spare_near_full();
  std::size_t lost_count(bool with_held) const;
  Result<void> still_possible() const;
  void enqueue(const Buffer& stripe, const Hold& hold);
  bool has_room() const;
  bool is_settled() const;
  ChunkLayout layout() const;
  std::size_t count(Phase phase) const;
  void abandon();

  ShardKey key_of(std::size_t role) const;
  bool substitute(std::size_t role);
  void fail(std::size_t role, Error error);
  void use_held();
  void start(std::size_t role);
  Task<Result<std::unique_ptr<shard::ShardWriter>>> open(std::size_t role);
  Task<Result<void>> feed(std::size_t role, shard::ShardWriter& writer);
  static Task<void> run(std::shared_ptr<WriterState> self, std::size_t role);

  ChunkService& service;
  ChunkTarget target;
  std::vector<std::unique_ptr<Role>> roles;
  // Of all roles (another one where a substitute takes over), so that a layout keeps it once.
  WriteId write_id;
  std::size_t next_candidate = 0;  // of the substitutes
  std::uint64_t size_bytes = 0;
  std::uint32_t stripe_count = 0;
  std::uint64_t crc64nvme = 0;
  bool is_closed = false;
  bool is_abandoned = false;
  Signal progress;
};

}  // namespace predastore::chunk
