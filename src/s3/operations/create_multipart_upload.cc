#include "s3/checksums.h"
#include "s3/object_headers.h"
#include "s3/operations/operations.h"
#include "s3/xml_writer.h"

namespace predastore::s3 {

Task<S3Result<Reply>> create_multipart_upload(Call& call) {
  PREDA_CO_CHECK(refuse_unbuilt(call.headers()));
  PREDA_CO_TRY(ObjectHeaders headers, object_headers(call.headers()));
  PREDA_CO_TRY(UploadChecksum checksum, upload_checksum(call.headers()));
  PREDA_CO_TRY(BucketRecord bucket,
               as_s3(co_await call.meta().get_bucket(call.bucket(), call.deadline())));

  meta::UploadRecord upload;
  upload.bucket = call.bucket();
  upload.key = call.key();
  upload.incarnation = bucket.incarnation;
  upload.headers = std::move(headers.headers);
  upload.user_metadata = std::move(headers.user_metadata);
  upload.checksum_algorithm = checksum.algorithm;
  upload.checksum_type = checksum.type;
  PREDA_CO_TRY(upload, as_s3(co_await call.meta().create_upload(std::move(upload), call.deadline()),
                             ErrorContext::write));

  XmlWriter xml;
  xml.open_root("InitiateMultipartUploadResult")
      .element("Bucket", call.bucket())
      .element("Key", call.key())
      .element("UploadId", upload.upload_id)
      .close();
  Reply reply = xml_reply(std::move(xml).take());
  if (checksum.algorithm != ChecksumAlgorithm::none) {
    reply.headers.add("x-amz-checksum-algorithm", std::string(algorithm_name(checksum.algorithm)));
    reply.headers.add("x-amz-checksum-type", std::string(checksum_type_name(checksum.type)));
  }
  co_return reply;
}

}  // namespace predastore::s3
