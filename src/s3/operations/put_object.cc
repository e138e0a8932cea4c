#include "model/limits.h"
#include "s3/checksums.h"
#include "s3/conditions.h"
#include "s3/object_headers.h"
#include "s3/operations/operations.h"

namespace predastore::s3 {

Task<S3Result<Reply>> put_object(Call& call) {
  PREDA_CO_CHECK(refuse_unbuilt(call.headers()));
  PREDA_CO_TRY(meta::Precondition precondition, write_precondition(call.headers()));
  PREDA_CO_TRY(ObjectHeaders headers, object_headers(call.headers()));
  if (!call.request.announces_body()) co_return S3Code::MissingContentLength;

  LimitedBody body{call, kPutSizeMaxBytes};
  if (body.size_bytes().value_or(0) > kPutSizeMaxBytes) {
    co_return S3Error{S3Code::EntityTooLarge}
        .with("ProposedSize", std::to_string(*body.size_bytes()))
        .with("MaxSizeAllowed", std::to_string(kPutSizeMaxBytes));
  }
  object::PutRequest put;
  put.bucket = call.bucket();
  put.key = call.key();
  put.headers = std::move(headers.headers);
  put.user_metadata = std::move(headers.user_metadata);
  put.precondition = std::move(precondition);
  put.body = &body;
  Result<ObjectRecord> stored = co_await call.objects().put(std::move(put));
  if (!stored) co_return body.explain(stored.error(), ErrorContext::write);

  Reply reply;
  reply.headers.add("ETag", quoted_etag(stored->etag));
  add_checksum_headers(reply.headers, stored->checksum, 1);
  co_return reply;
}

}  // namespace predastore::s3
