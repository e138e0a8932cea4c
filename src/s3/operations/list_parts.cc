#include "s3/operations/operations.h"
#include "s3/upload_listing.h"

namespace predastore::s3 {

Task<S3Result<Reply>> list_parts(Call& call) {
  PREDA_CO_TRY(PartListing listing, parse_part_listing(call.query));
  const std::string upload_id = call.query.get("uploadId");
  meta::ListPartsPage page;
  if (listing.max_parts == 0) {
    PREDA_CO_TRY(page.upload, as_s3(co_await call.meta().get_upload(call.bucket(), call.key(),
                                                                    upload_id, call.deadline())));
  } else {
    PREDA_CO_TRY(page, as_s3(co_await call.meta().list_parts(call.bucket(), call.key(), upload_id,
                                                             listing.after_part, listing.max_parts,
                                                             call.deadline())));
  }
  co_return xml_reply(part_listing_xml(listing, page, call.owner));
}

}  // namespace predastore::s3
