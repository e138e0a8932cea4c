#include "s3/operations/operations.h"

namespace predastore::s3 {

Task<S3Result<Reply>> list_buckets(Call& call) {
  PREDA_CO_TRY(BucketListing listing, parse_bucket_listing(call.query));
  PREDA_CO_TRY(auto buckets, as_s3(co_await call.meta().list_buckets(call.deadline())));
  co_return xml_reply(bucket_listing_xml(listing, std::move(buckets), call.owner));
}

}  // namespace predastore::s3
