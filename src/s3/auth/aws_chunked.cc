#include "s3/auth/aws_chunked.h"

#include <algorithm>
#include <set>

#include "http/message.h"

namespace predastore::s3 {
namespace {

using Kind = AwsChunkedEvent::Kind;

constexpr std::size_t kSizeLineMaxBytes = 256;
constexpr std::size_t kTrailerLineMaxBytes = 1024;
constexpr std::size_t kTrailersMax = 8;
constexpr std::uint64_t kSignedChunkMinBytes = 8 * 1024;
constexpr std::string_view kChunkSignature = ";chunk-signature=";
constexpr std::string_view kTrailerSignature = "x-amz-trailer-signature";

bool is_signature(std::string_view text) {
  return text.size() == 64 && std::ranges::all_of(text, [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

// The hexadecimal digits at the front of `text`, which are taken away; at most 16 of them.
std::optional<std::uint64_t> take_hex(std::string_view& text) {
  std::uint64_t value = 0;
  std::size_t digits = 0;
  for (; digits < text.size(); ++digits) {
    const char c = text[digits];
    unsigned nibble = 0;
    if (c >= '0' && c <= '9') {
      nibble = static_cast<unsigned>(c - '0');
    } else if ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')) {
      nibble = static_cast<unsigned>((c | 0x20) - 'a') + 10;
    } else {
      break;
    }
    if (digits == 16) return std::nullopt;
    value = value << 4 | nibble;
  }
  if (digits == 0) return std::nullopt;
  text.remove_prefix(digits);
  return value;
}

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

}  // namespace

AwsChunkedEvent AwsChunkedDecoder::fail(AuthErrorKind kind, std::string message) {
  state_ = State::failed;
  failure_ = AuthError{kind, std::move(message), {}};
  return AwsChunkedEvent{Kind::failed, {}, {}};
}

AwsChunkedEvent AwsChunkedDecoder::fail_body() {
  return fail(AuthErrorKind::IncompleteBody, "The request body terminated unexpectedly");
}

// True when line_ holds a whole line, without its CRLF. Sets the state to failed when it is too
// long.
bool AwsChunkedDecoder::take_line(Buffer& input, std::size_t size_max_bytes) {
  std::string_view text = input.text();
  std::size_t used = 0;
  bool is_complete = false;
  while (used < text.size() && !is_complete) {
    const auto end = text.find('\n', used);
    const std::size_t stop = end == std::string_view::npos ? text.size() : end + 1;
    const std::size_t room = size_max_bytes + 1 - std::min(line_.size(), size_max_bytes + 1);
    line_.append(text.substr(used, std::min(stop - used, room)));
    used = stop;
    if (line_.size() > size_max_bytes) break;
    is_complete = line_.ends_with("\r\n");
  }
  input = input.slice(used);
  if (line_.size() > size_max_bytes) {
    (void)fail_body();
    return false;
  }
  if (is_complete) line_.resize(line_.size() - 2);
  return is_complete;
}

std::optional<AwsChunkedEvent> AwsChunkedDecoder::begin_chunk() {
  std::string_view line = line_;
  const auto size = take_hex(line);
  if (!size) return fail_body();
  if (options_.is_signed) {
    if (!line.starts_with(kChunkSignature)) return fail_body();
    line.remove_prefix(kChunkSignature.size());
    if (!is_signature(line)) return fail_body();
    signature_ = line;
  } else if (!line.empty()) {
    return fail_body();
  }
  ++chunk_count_;
  if (*size > options_.decoded_size_bytes - decoded_bytes_) return fail_body();
  if (options_.is_signed && *size > 0 && chunk_count_ > 1 &&
      last_chunk_size_ < kSignedChunkMinBytes) {
    AwsChunkedEvent event =
        fail(AuthErrorKind::InvalidChunkSizeError,
             "Only the last chunk is allowed to have a size less than 8192 bytes");
    failure_.fields = {{"Chunk", std::to_string(chunk_count_)},
                       {"BadChunkSize", std::to_string(last_chunk_size_)}};
    return event;
  }
  last_chunk_size_ = chunk_remaining_ = *size;
  line_.clear();
  if (*size > 0) {
    state_ = State::data;
    return std::nullopt;
  }
  if (decoded_bytes_ != options_.decoded_size_bytes) {
    return fail(AuthErrorKind::IncompleteBody,
                "You did not provide the number of bytes specified by the "
                "x-amz-decoded-content-length HTTP header");
  }
  state_ = State::trailer;
  if (!options_.is_signed) return std::nullopt;
  return AwsChunkedEvent{Kind::chunk_end, {}, std::move(signature_)};
}

bool AwsChunkedDecoder::trailers_are_complete() const {
  std::set<std::string> names;
  for (const auto& [name, value] : trailers_) names.insert(name);
  const std::set<std::string> declared(options_.trailer_names.begin(),
                                       options_.trailer_names.end());
  const bool wants_signature = options_.is_signed && options_.has_trailer;
  return names.size() == trailers_.size() && names == declared &&
         trailer_signature_.empty() != wants_signature;
}

std::optional<AwsChunkedEvent> AwsChunkedDecoder::trailer_line() {
  const auto malformed = [this] {
    return fail(AuthErrorKind::MalformedTrailerError,
                "The request contained trailing data that was not well-formed or did not conform "
                "to our published schema.");
  };
  if (line_.empty()) {
    if (!trailers_are_complete()) return malformed();
    state_ = State::done;
    return AwsChunkedEvent{Kind::end, {}, {}};
  }
  std::string_view line = line_;
  if (line.ends_with('\n')) line.remove_suffix(1);
  const auto colon = line.find(':');
  if (!options_.has_trailer || colon == std::string_view::npos || colon == 0 ||
      line.find_first_of("\r\n") != std::string_view::npos || trailers_.size() == kTrailersMax ||
      !trailer_signature_.empty())
    return malformed();
  std::string name = http::to_lower(line.substr(0, colon));
  const std::string_view value = trim(line.substr(colon + 1));
  if (name == kTrailerSignature) {
    if (!is_signature(value)) return malformed();
    trailer_signature_ = value;
  } else {
    trailers_.emplace_back(std::move(name), std::string(value));
  }
  line_.clear();
  return std::nullopt;
}

AwsChunkedEvent AwsChunkedDecoder::next(Buffer& input, std::size_t data_max_bytes) {
  PREDA_ASSERT(data_max_bytes > 0);
  while (state_ != State::failed) {
    std::optional<AwsChunkedEvent> event;
    switch (state_) {
      case State::size_line:
        if (!take_line(input, kSizeLineMaxBytes)) break;
        if ((event = begin_chunk())) return *std::move(event);
        continue;
      case State::data: {
        if (input.empty()) return {};
        const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(
            {chunk_remaining_, static_cast<std::uint64_t>(input.size()), data_max_bytes}));
        AwsChunkedEvent data{Kind::data, input.slice(0, size), {}};
        input = input.slice(size);
        chunk_remaining_ -= size;
        decoded_bytes_ += size;
        if (chunk_remaining_ == 0) state_ = State::data_end;
        return data;
      }
      case State::data_end:
        if (!take_line(input, 2)) break;
        if (!line_.empty()) return fail_body();
        state_ = State::size_line;
        if (options_.is_signed) return {Kind::chunk_end, {}, std::move(signature_)};
        continue;
      case State::trailer:
        if (!take_line(input, kTrailerLineMaxBytes)) break;
        if ((event = trailer_line())) return *std::move(event);
        continue;
      case State::done:
        if (input.empty()) return {};
        return fail_body();  // data behind the end
      case State::failed: break;
    }
    if (state_ != State::failed && input.empty()) return {};
  }
  return {Kind::failed, {}, {}};
}

std::optional<AuthError> AwsChunkedDecoder::finish() {
  if (state_ != State::done && state_ != State::failed) (void)fail_body();
  if (state_ == State::failed) return failure_;
  return std::nullopt;
}

}  // namespace predastore::s3
