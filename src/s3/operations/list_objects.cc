#include <utility>

#include "s3/operations/operations.h"

namespace predastore::s3 {

Task<S3Result<Reply>> list_objects(Call& call) {
  const bool is_v2 = call.operation.operation == Operation::list_objects_v2;
  PREDA_CO_TRY(ObjectListing listing, parse_object_listing(call.bucket(), call.query, is_v2));
  meta::ListPage page;
  if (listing.max_keys == 0) {
    // Nothing is asked for but whether the bucket is there.
    PREDA_CO_CHECK(as_s3(co_await call.meta().get_bucket(call.bucket(), call.deadline())));
  } else {
    PREDA_CO_CHECK(co_await call.reserve(page_memory_bytes(listing.max_keys)));
    auto query = listing.query();
    PREDA_CO_TRY(page, as_s3(co_await call.meta().list_objects(std::move(query), call.deadline())));
  }
  Reply reply = xml_reply(object_listing_xml(listing, page, call.owner));
  reply.headers.add("x-amz-bucket-region", call.region);
  co_return reply;
}

}  // namespace predastore::s3
