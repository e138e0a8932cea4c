#include "cli/bench/operations.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "digest/hash.h"

namespace predastore::cli::bench {

namespace {

std::size_t count_of(const std::string& text, const std::string& what) {
  std::size_t count = 0;
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + what.size()))
    ++count;
  return count;
}

std::string element_of(const std::string& text, const std::string& name) {
  const std::string begin = "<" + name + ">";
  const auto from = text.find(begin);
  if (from == std::string::npos) return "";
  const auto to = text.find("</" + name + ">", from);
  if (to == std::string::npos) return "";
  return text.substr(from + begin.size(), to - from - begin.size());
}

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                          (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' || c == '~';
    if (is_plain) {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

}  // namespace

std::string Operations::path_of(const std::string& key) const {
  return "/" + options_.bucket + "/" + key;
}

Task<Result<Done>> Operations::create_bucket() {
  Call call;
  call.method = "PUT";
  call.path = "/" + options_.bucket;
  const Result<Answer> answer = co_await connection_.send(std::move(call));
  const bool is_there =
      answer || answer.error().detail.find("BucketAlreadyOwnedByYou") != std::string::npos;
  if (!is_there) co_return answer.error();
  co_return Done{};
}

Task<Result<Done>> Operations::put(std::string key, std::uint64_t size_bytes) {
  Call call;
  call.method = "PUT";
  call.path = path_of(key);
  call.key = key;
  call.body_bytes = size_bytes;
  PREDA_CO_TRY(const Answer answer, co_await connection_.send(std::move(call)));
  co_return Done{size_bytes, 0, answer.first_byte};
}

Task<Result<Done>> Operations::get(std::string key) {
  Call call;
  call.path = path_of(key);
  call.key = key;
  PREDA_CO_TRY(const Answer answer, co_await connection_.send(std::move(call)));
  co_return Done{answer.body_bytes, 0, answer.first_byte};
}

Task<Result<Done>> Operations::get_range(std::string key, std::uint64_t offset_bytes,
                                         std::uint64_t size_bytes) {
  Call call;
  call.path = path_of(key);
  call.key = key;
  call.pattern_offset_bytes = offset_bytes;
  call.range = fmt::format("bytes={}-{}", offset_bytes, offset_bytes + size_bytes - 1);
  PREDA_CO_TRY(const Answer answer, co_await connection_.send(std::move(call)));
  if (answer.status != 206 || answer.body_bytes != size_bytes)
    co_return make_error(ErrorCode::Corruption, "not the range that was asked for");
  co_return Done{answer.body_bytes, 0, answer.first_byte};
}

Task<Result<Done>> Operations::stat(std::string key) {
  Call call;
  call.method = "HEAD";
  call.path = path_of(key);
  PREDA_CO_TRY(const Answer answer, co_await connection_.send(std::move(call)));
  co_return Done{0, 0, answer.first_byte};
}

Task<Result<Done>> Operations::remove(std::string key) {
  Call call;
  call.method = "DELETE";
  call.path = path_of(key);
  PREDA_CO_TRY(const Answer answer, co_await connection_.send(std::move(call)));
  co_return Done{0, 0, answer.first_byte};
}

Task<Result<Done>> Operations::remove_all(std::vector<std::string> keys) {
  Call call;
  call.method = "POST";
  call.path = "/" + options_.bucket;
  call.query = "delete=";
  call.text = "<Delete><Quiet>true</Quiet>";
  for (const std::string& key : keys) call.text += "<Object><Key>" + key + "</Key></Object>";
  call.text += "</Delete>";
  const std::string md5 = digest::md5(std::string_view{call.text});
  call.content_md5 = to_base64(as_bytes(md5));
  call.wants_text = true;
  PREDA_CO_TRY(const Answer answer, co_await connection_.send(std::move(call)));
  if (answer.text.find("<Error>") != std::string::npos)
    co_return make_error(ErrorCode::Internal, "DeleteObjects " + element_of(answer.text, "Code"));
  co_return Done{0, keys.size(), answer.first_byte};
}

Task<Result<Done>> Operations::list(ListPlace* place) {
  Call call;
  call.path = "/" + options_.bucket;
  call.query = "list-type=2&max-keys=1000&prefix=" + escaped(options_.prefix);
  if (!place->continuation_token.empty())
    call.query = "continuation-token=" + escaped(place->continuation_token) + "&" + call.query;
  call.wants_text = true;
  PREDA_CO_TRY(const Answer answer, co_await connection_.send(std::move(call)));
  place->continuation_token = element_of(answer.text, "NextContinuationToken");
  co_return Done{answer.body_bytes, count_of(answer.text, "<Key>"), answer.first_byte};
}

Task<Result<Done>> Operations::put_multipart(std::string key, std::uint64_t size_bytes) {
  Call begin;
  begin.method = "POST";
  begin.path = path_of(key);
  begin.query = "uploads=";
  begin.wants_text = true;
  PREDA_CO_TRY(const Answer begun, co_await connection_.send(std::move(begin)));
  const std::string upload_id = escaped(element_of(begun.text, "UploadId"));
  std::string manifest = "<CompleteMultipartUpload>";
  std::uint64_t parts = 0;
  for (std::uint64_t at = 0; at < size_bytes || parts == 0; at += options_.part_bytes) {
    Call part;
    part.method = "PUT";
    part.path = path_of(key);
    part.query = fmt::format("partNumber={}&uploadId={}", ++parts, upload_id);
    part.key = key;
    part.pattern_offset_bytes = at;
    part.body_bytes = std::min(options_.part_bytes, size_bytes - at);
    PREDA_CO_TRY(const Answer sent, co_await connection_.send(std::move(part)));
    manifest +=
        fmt::format("<Part><PartNumber>{}</PartNumber><ETag>{}</ETag></Part>", parts, sent.etag);
  }
  Call complete;
  complete.method = "POST";
  complete.path = path_of(key);
  complete.query = "uploadId=" + upload_id;
  complete.text = manifest + "</CompleteMultipartUpload>";
  complete.wants_text = true;
  PREDA_CO_TRY(const Answer answer, co_await connection_.send(std::move(complete)));
  if (answer.text.find("<Error>") != std::string::npos)
    co_return make_error(ErrorCode::Internal, element_of(answer.text, "Code"));
  co_return Done{size_bytes, parts, answer.first_byte};
}

}  // namespace predastore::cli::bench
