#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/buffer.h"
#include "s3/auth/auth_error.h"

namespace predastore::s3 {

// The framing that AWS SDKs put around an upload (all numbers hexadecimal, lines end with CRLF):
//
//   body    = *( size [signed] CRLF data CRLF ) "0" [signed] CRLF trailer CRLF
//   signed  = ";chunk-signature=" 64 lower-case hexadecimal digits
//   trailer = *( name ":" value CRLF ) ["x-amz-trailer-signature:" 64 digits CRLF]
//
// with `signed` and the trailer's signature exactly in the signed modes, and the trailer exactly
// the fields that were declared. AWS's own example ends a trailer value with LF before its CRLF;
// that is taken too.
struct AwsChunkedOptions {
  bool is_signed = false;
  bool has_trailer = false;
  std::uint64_t decoded_size_bytes = 0;    // x-amz-decoded-content-length
  std::vector<std::string> trailer_names;  // declared in x-amz-trailer, lower case
};

struct AwsChunkedEvent {
  enum class Kind {
    need_more,  // the input is used up
    data,       // `data`: bytes of the object
    chunk_end,  // signed modes: the data since the last one is to have `signature`
    end,        // the framing is complete; whatever follows is an error
    failed,
  };
  Kind kind = Kind::need_more;
  Buffer data;
  std::string signature;
};

// Takes the framing off, piece by piece and without copying data. Holds one line at most, and
// believes no length that is beyond what was announced. In the signed modes a chunk below 8 KiB
// that is not the last is refused, as AWS does; clients with unsigned trailers that frame small
// pieces of a stream are let through.
class AwsChunkedDecoder {
 public:
  explicit AwsChunkedDecoder(AwsChunkedOptions options) : options_(std::move(options)) {}

  // Takes bytes from the front of `input`; data comes in slices of at most `data_max_bytes`.
  AwsChunkedEvent next(Buffer& input, std::size_t data_max_bytes);
  // The body has ended: an error when the framing has not.
  std::optional<AuthError> finish();

  const AuthError& failure() const { return failure_; }
  // After `end`: names in lower case, values trimmed, without the signature.
  const std::vector<std::pair<std::string, std::string>>& trailers() const { return trailers_; }
  const std::string& trailer_signature() const { return trailer_signature_; }

 private:
  enum class State { size_line, data, data_end, trailer, done, failed };

  bool take_line(Buffer& input, std::size_t size_max_bytes);
  AwsChunkedEvent fail(AuthErrorKind kind, std::string message);
  AwsChunkedEvent fail_body();
  std::optional<AwsChunkedEvent> begin_chunk();
  std::optional<AwsChunkedEvent> trailer_line();
  bool trailers_are_complete() const;

  AwsChunkedOptions options_;
  State state_ = State::size_line;
  std::string line_;
  std::string signature_;  // of the current chunk
  std::uint64_t chunk_remaining_ = 0;
  std::uint64_t decoded_bytes_ = 0;
  std::uint64_t chunk_count_ = 0;
  std::uint64_t last_chunk_size_ = 0;
  std::vector<std::pair<std::string, std::string>> trailers_;
  std::string trailer_signature_;
  AuthError failure_;
};

}  // namespace predastore::s3
