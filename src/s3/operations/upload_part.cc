#include "base/text.h"
#include "model/limits.h"
#include "s3/checksums.h"
#include "s3/object_headers.h"
#include "s3/operations/operations.h"
#include "s3/range.h"

namespace predastore::s3 {
namespace {

// The parts of one upload have the checksum that the upload was begun with; without it the whole
// has none. An upload that named none takes parts as they come.
S3Result<void> check_algorithm(ChecksumAlgorithm of_upload, ChecksumAlgorithm of_part) {
  if (of_upload == ChecksumAlgorithm::none || of_upload == of_part) return {};
  // The one that the server makes itself.
  if (of_part == ChecksumAlgorithm::none && of_upload == ChecksumAlgorithm::crc64nvme) return {};
  const auto name = [](ChecksumAlgorithm algorithm) {
    return algorithm == ChecksumAlgorithm::none ? std::string("null")
                                                : http::to_lower(algorithm_name(algorithm));
  };
  return S3Error{S3Code::InvalidRequest,
                 "Checksum Type mismatch occurred, expected checksum Type: " + name(of_upload) +
                     ", actual checksum Type: " + name(of_part)};
}

}  // namespace

Task<S3Result<Reply>> upload_part(Call& call) {
  PREDA_CO_CHECK(refuse_unbuilt(call.headers()));
  PREDA_CO_TRY(PartNumber part_number, parse_part_number(call.query.get("partNumber")));
  PREDA_CO_TRY(ChecksumAlgorithm announced, announced_algorithm(call.headers()));
  if (!call.request.announces_body()) co_return S3Code::MissingContentLength;
  LimitedBody body{call, kPutSizeMaxBytes};
  if (body.size_bytes().value_or(0) > kPutSizeMaxBytes) {
    co_return S3Error{S3Code::EntityTooLarge}
        .with("ProposedSize", std::to_string(*body.size_bytes()))
        .with("MaxSizeAllowed", std::to_string(kPutSizeMaxBytes));
  }
  const std::string upload_id = call.query.get("uploadId");
  PREDA_CO_TRY(meta::UploadRecord upload,
               as_s3(co_await call.meta().get_upload(call.bucket(), call.key(), upload_id,
                                                     call.deadline())));
  PREDA_CO_CHECK(check_algorithm(upload.checksum_algorithm, announced));

  object::PutPartRequest put;
  put.bucket = call.bucket();
  put.key = call.key();
  put.upload_id = upload_id;
  put.part_number = part_number;
  put.body = &body;
  Result<meta::PartRecord> stored = co_await call.objects().put_part(std::move(put));
  if (!stored) co_return body.explain(stored.error(), ErrorContext::write);

  Reply reply;
  reply.headers.add("ETag", quoted_etag(to_hex(as_bytes(stored->part.etag_md5))));
  if (stored->part.checksum.algorithm != ChecksumAlgorithm::none) {
    reply.headers.add(checksum_header(stored->part.checksum.algorithm),
                      checksum_text(stored->part.checksum, 1));
  }
  co_return reply;
}

}  // namespace predastore::s3
