#include <utility>

#include "base/text.h"
#include "model/limits.h"
#include "s3/checksums.h"
#include "s3/copy_body.h"
#include "s3/copy_source.h"
#include "s3/dates.h"
#include "s3/object_headers.h"
#include "s3/operations/operations.h"
#include "s3/range.h"
#include "s3/read_plan.h"
#include "s3/slow_answer.h"
#include "s3/xml_writer.h"

namespace predastore::s3 {
namespace {

S3Result<object::ByteRange> range_of_part(const http::Headers& headers, std::uint64_t size_bytes) {
  object::ByteRange range{0, size_bytes == 0 ? 0 : size_bytes - 1};
  if (const std::string* asked = headers.find("x-amz-copy-source-range")) {
    PREDA_TRY(range, parse_copy_range(*asked, size_bytes));
  }
  if (size_bytes > 0 && range.last - range.first >= kPutSizeMaxBytes) {
    return S3Error{S3Code::InvalidRequest,
                   "The specified copy source is larger than the maximum allowable size for a copy "
                   "source: " +
                       std::to_string(kPutSizeMaxBytes)};
  }
  return range;
}

std::string result_xml(const meta::PartRecord& record) {
  XmlWriter xml;
  xml.open_root("CopyPartResult")
      .element("LastModified", iso8601(record.last_modified_ms))
      .element("ETag", quoted_etag(to_hex(as_bytes(record.part.etag_md5))));
  if (record.part.checksum.algorithm != ChecksumAlgorithm::none) {
    xml.element(checksum_element(record.part.checksum.algorithm),
                checksum_text(record.part.checksum, 1));
  }
  xml.close();
  return std::move(xml).take();
}

}  // namespace

Task<S3Result<Reply>> upload_part_copy(Call& call) {
  PREDA_CO_CHECK(refuse_unbuilt(call.headers()));
  PREDA_CO_TRY(PartNumber part_number, parse_part_number(call.query.get("partNumber")));
  PREDA_CO_TRY(CopySource source, parse_copy_source(call.headers().get("x-amz-copy-source")));
  const std::string upload_id = call.query.get("uploadId");
  PREDA_CO_TRY(meta::UploadRecord upload,
               as_s3(co_await call.meta().get_upload(call.bucket(), call.key(), upload_id,
                                                     call.deadline())));

  auto opened = co_await call.objects().get(source.bucket, source.key);
  if (!opened) co_return about_source(to_s3_error(opened.error()), source);
  const std::unique_ptr<object::ObjectReader> reader = *std::move(opened);
  const ObjectRecord& record = reader->record();
  PREDA_CO_CHECK(check_copy_conditions(call.headers(), record));
  PREDA_CO_TRY(object::ByteRange range, range_of_part(call.headers(), record.size_bytes));
  const std::uint64_t size_bytes = record.size_bytes == 0 ? 0 : range.last - range.first + 1;
  const ObjectChecksum whole = size_bytes == record.size_bytes ? record.checksum : ObjectChecksum{};

  object::PutPartRequest put;
  put.bucket = call.bucket();
  put.key = call.key();
  put.upload_id = upload_id;
  put.part_number = part_number;
  CopyBody body{call.services.env, *reader, range.first, size_bytes,
                checksum_of_copy(whole, upload.checksum_algorithm)};
  put.body = &body;
  body.start();
  SlowAnswer answer{call};
  Result<meta::PartRecord> stored =
      co_await answer.wait_for(call.objects().put_part(std::move(put)));
  co_await body.stop();
  S3Result<Reply> outcome = S3Code::InternalError;
  if (stored)
    outcome = xml_reply(result_xml(*stored));
  else
    outcome = to_s3_error(stored.error(), ErrorContext::write);
  co_return co_await answer.finish(std::move(outcome));
}

}  // namespace predastore::s3
