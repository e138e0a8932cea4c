#include <utility>

#include "s3/operations/operations.h"
#include "s3/read_plan.h"

namespace predastore::s3 {

Task<S3Result<Reply>> head_object(Call& call) {
  PREDA_CO_TRY(ObjectRecord record, as_s3(co_await call.objects().head(call.bucket(), call.key())));
  PREDA_CO_TRY(ReadPlan plan, plan_read(record, call.query, call.headers()));
  Reply reply;
  reply.status = plan.status;
  if (plan.status == 304) {
    reply.headers = std::move(plan.headers);
    co_return reply;
  }
  http::ResponseHead head;
  head.status = plan.status;
  head.headers = call.common_headers;
  for (const http::Header& header : plan.headers.entries())
    head.headers.add(header.name, header.value);
  call.exchange.begin(std::move(head), plan.size_bytes);
  Result<void> finished = co_await call.exchange.finish();
  if (!finished) call.log_detail = finished.error().to_string();
  reply.is_sent = true;
  co_return reply;
}

}  // namespace predastore::s3
