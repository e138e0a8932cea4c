#include "s3/operations/operations.h"
#include "s3/xml_writer.h"

namespace predastore::s3 {

Task<S3Result<Reply>> get_bucket_location(Call& call) {
  PREDA_CO_TRY(BucketRecord bucket,
               as_s3(co_await call.meta().get_bucket(call.bucket(), call.deadline())));
  XmlWriter xml;
  xml.open_root("LocationConstraint");
  // The oldest region has no name here.
  if (bucket.region != "us-east-1") xml.text(bucket.region);
  xml.close();
  co_return xml_reply(std::move(xml).take());
}

}  // namespace predastore::s3
