#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "env/environment.h"
#include "s3/auth/checksum.h"
#include "s3/auth/sigv4.h"

namespace predastore::s3 {

// What is computed over the bytes of a body.
struct DigestPlan {
  bool payload_sha256 = false;
  bool md5 = false;
  ChecksumAlgorithm checksum = ChecksumAlgorithm::none;
  std::optional<ChunkSigner> chunk_signer;  // signed aws-chunked bodies
};

// One step: more bytes, or the end of a chunk that is to have a signature.
struct DigestStep {
  Buffer bytes;
  std::string chunk_signature;  // not empty: compared after the bytes
};

// Hashes the pieces of one body in order, one batch at a time, beside the loop when the batch is
// large: the next piece is read from the network meanwhile. It may be destroyed at any time; a
// batch under way keeps what it needs.
class DigestPipeline {
 public:
  DigestPipeline(Environment env, std::size_t aside_bytes, DigestPlan plan);

  // Waits for the batch before this one first. False when a chunk's signature was wrong by then;
  // finish() tells for the last ones.
  Task<bool> submit(std::vector<DigestStep> steps);
  // Waits for all. False as above.
  Task<bool> finish();

  // After finish(), and only what was planned; raw bytes.
  std::string payload_sha256();
  std::string md5();
  std::string checksum();
  std::string sign_trailer(std::string_view sha256);

 private:
  struct State;
  static void run(State& state, const std::vector<DigestStep>& steps);
  Task<void> settle();

  Environment env_;
  std::size_t aside_bytes_;
  bool is_idle_ = false;  // nothing to compute
  std::shared_ptr<State> state_;
};

}  // namespace predastore::s3
