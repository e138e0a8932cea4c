#include <utility>

#include "s3/operations/operations.h"
#include "s3/read_plan.h"
#include "s3/tagging.h"
#include "s3/xml_requests.h"

namespace predastore::s3 {

Task<S3Result<Reply>> get_object_tagging(Call& call) {
  PREDA_CO_CHECK(check_version_id(call.query));
  PREDA_CO_TRY(ObjectRecord record, as_s3(co_await call.objects().head(call.bucket(), call.key())));
  co_return xml_reply(tagging_xml(tags_of(record)));
}

Task<S3Result<Reply>> put_object_tagging(Call& call) {
  PREDA_CO_CHECK(check_version_id(call.query));
  PREDA_CO_TRY(Buffer document, co_await read_document(call, kSmallBodyMaxBytes));
  PREDA_CO_TRY(Tags tags, parse_tagging_document(document.text()));
  PREDA_CO_CHECK(as_s3(co_await call.meta().set_tagging(call.bucket(), call.key(),
                                                        encode_tagging(tags), call.deadline())));
  co_return Reply{};
}

Task<S3Result<Reply>> delete_object_tagging(Call& call) {
  PREDA_CO_CHECK(check_version_id(call.query));
  PREDA_CO_CHECK(as_s3(
      co_await call.meta().set_tagging(call.bucket(), call.key(), std::string(), call.deadline())));
  Reply reply;
  reply.status = 204;
  co_return reply;
}

}  // namespace predastore::s3
