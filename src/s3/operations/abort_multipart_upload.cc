#include "s3/operations/operations.h"

namespace predastore::s3 {

Task<S3Result<Reply>> abort_multipart_upload(Call& call) {
  PREDA_CO_CHECK(as_s3(co_await call.meta().abort_upload(
      call.bucket(), call.key(), call.query.get("uploadId"), call.deadline())));
  Reply reply;
  reply.status = 204;
  co_return reply;
}

}  // namespace predastore::s3
