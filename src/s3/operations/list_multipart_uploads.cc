#include <utility>

#include "s3/operations/operations.h"
#include "s3/upload_listing.h"

namespace predastore::s3 {

Task<S3Result<Reply>> list_multipart_uploads(Call& call) {
  PREDA_CO_TRY(UploadListing listing, parse_upload_listing(call.bucket(), call.query));
  meta::ListUploadsPage page;
  if (listing.max_uploads == 0) {
    PREDA_CO_CHECK(as_s3(co_await call.meta().get_bucket(call.bucket(), call.deadline())));
  } else {
    PREDA_CO_CHECK(co_await call.reserve(page_memory_bytes(listing.max_uploads)));
    auto query = listing.query();
    PREDA_CO_TRY(page, as_s3(co_await call.meta().list_uploads(std::move(query), call.deadline())));
  }
  co_return xml_reply(upload_listing_xml(listing, page, call.owner));
}

}  // namespace predastore::s3
