#include "s3/operations/operations.h"

namespace predastore::s3 {

Task<S3Result<Reply>> head_bucket(Call& call) {
  PREDA_CO_TRY(BucketRecord bucket,
               as_s3(co_await call.meta().get_bucket(call.bucket(), call.deadline())));
  Reply reply;
  reply.headers.add("x-amz-bucket-region", bucket.region);
  reply.headers.add("x-amz-access-point-alias", "false");
  co_return reply;
}

}  // namespace predastore::s3
