#include "s3/conditions.h"
#include "s3/operations/operations.h"
#include "s3/read_plan.h"

namespace predastore::s3 {

Task<S3Result<Reply>> delete_object(Call& call) {
  PREDA_CO_CHECK(check_version_id(call.query));
  PREDA_CO_TRY(meta::Precondition precondition, write_precondition(call.headers()));
  // Conditions of directory buckets, and one that AWS has for no delete at all.
  for (const char* header :
       {"x-amz-if-match-last-modified-time", "x-amz-if-match-size", "if-none-match"}) {
    if (call.headers().find(header) != nullptr)
      co_return S3Error{S3Code::NotImplemented}.with("Header", header);
  }
  std::vector<std::string> keys{call.key()};
  PREDA_CO_CHECK(
      as_s3(co_await call.meta().delete_objects(call.bucket(), std::move(keys),
                                                std::move(precondition), call.deadline()),
            ErrorContext::write));
  Reply reply;
  reply.status = 204;
  co_return reply;
}

}  // namespace predastore::s3
