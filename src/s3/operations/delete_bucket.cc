#include "s3/operations/operations.h"

namespace predastore::s3 {

Task<S3Result<Reply>> delete_bucket(Call& call) {
  PREDA_CO_CHECK(as_s3(co_await call.meta().delete_bucket(call.bucket(), call.deadline()),
                       ErrorContext::delete_bucket));
  Reply reply;
  reply.status = 204;
  co_return reply;
}

}  // namespace predastore::s3
