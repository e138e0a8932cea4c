#pragma once

#include <memory>
#include <optional>
#include <string>

#include "s3/auth/authenticate.h"
#include "s3/auth/aws_chunked.h"
#include "s3/auth/digest_pipeline.h"

// Inside s3/auth only: how the body of an authenticated request is read and checked.
namespace predastore::s3 {

struct BodyPlan {
  std::optional<std::string> payload_sha256;  // 32 raw bytes that the body must have
  BodyPromise promise;
  std::optional<AwsChunkedOptions> aws_chunked;
  std::optional<ChunkSigner> chunk_signer;
  std::string timestamp;
};

class VerifiedBody final : public RequestBody {
 public:
  VerifiedBody(Environment env, http::Exchange& exchange, std::size_t aside_bytes, BodyPlan plan);

  Task<Result<Buffer>> read(std::size_t max_bytes) override;
  std::optional<std::uint64_t> size_bytes() const override;
  ObjectChecksum checksum() const override { return checksum_; }
  const std::optional<AuthError>& failure() const override { return failure_; }
  Task<Result<Buffer>> read_all(std::size_t max_bytes) override;

 private:
  // The next bytes of the object and the steps that check them; no bytes at the end.
  struct Piece {
    Buffer bytes;
    std::vector<DigestStep> steps;
    bool is_end = false;
  };
  Task<Result<Piece>> next_piece(std::size_t max_bytes);
  Task<Result<Piece>> next_chunked_piece(std::size_t max_bytes);
  Task<Result<Buffer>> read_raw(std::size_t max_bytes);
  Task<Result<void>> verify_end();
  std::optional<AuthError> check_payload_hash();
  std::optional<AuthError> check_md5();
  std::optional<AuthError> check_checksum();
  std::optional<AuthError> check_trailer_signature();
  Error refuse(AuthError error);

  http::Exchange& exchange_;
  BodyPlan plan_;
  std::optional<AwsChunkedDecoder> decoder_;
  DigestPipeline digests_;
  Buffer input_;  // framed bytes that were read and not decoded yet
  ObjectChecksum checksum_;
  std::optional<AuthError> failure_;
  bool has_failed_ = false;
  bool is_done_ = false;
};

}  // namespace predastore::s3
