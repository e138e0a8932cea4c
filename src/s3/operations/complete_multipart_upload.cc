#include <utility>

#include "s3/checksums.h"
#include "s3/complete_plan.h"
#include "s3/conditions.h"
#include "s3/object_headers.h"
#include "s3/operations/operations.h"
#include "s3/slow_answer.h"
#include "s3/xml_requests.h"
#include "s3/xml_writer.h"

namespace predastore::s3 {
namespace {

using Parts = std::vector<meta::PartRecord>;

Task<S3Result<Parts>> stored_parts(Call& call, std::string upload_id) {
  Parts parts;
  std::uint32_t after = 0;
  while (true) {
    PREDA_CO_TRY(meta::ListPartsPage page,
                 as_s3(co_await call.meta().list_parts(call.bucket(), call.key(), upload_id, after,
                                                       1000, call.deadline())));
    for (meta::PartRecord& part : page.parts) parts.push_back(std::move(part));
    if (!page.is_truncated || page.parts.empty() || parts.size() >= kPartsMax) break;
    after = parts.back().part.part_number.value();
  }
  co_return parts;
}

// An upload that is not there may have been completed by the same request sent before: the
// metadata remembers and gives the same answer, or says that there is none.
Task<S3Result<CompletePlan>> plan(Call& call, meta::CompleteUpload& command,
                                  const std::vector<CompleteEntry>& entries) {
  Result<meta::UploadRecord> upload = co_await call.meta().get_upload(
      command.bucket, command.key, command.upload_id, call.deadline());
  if (upload) {
    command.incarnation = upload->incarnation;
    PREDA_CO_TRY(Parts stored, co_await stored_parts(call, command.upload_id));
    co_return plan_complete(*upload, stored, entries, call.headers());
  }
  S3Error missing = to_s3_error(upload.error());
  if (missing.code != S3Code::NoSuchUpload) co_return missing;
  PREDA_CO_TRY(BucketRecord bucket,
               as_s3(co_await call.meta().get_bucket(command.bucket, call.deadline())));
  command.incarnation = bucket.incarnation;
  CompletePlan again;
  for (const CompleteEntry& entry : entries)
    again.parts.push_back({entry.part_number, http::to_lower(entry.etag)});
  co_return again;
}

std::string result_xml(const Call& call, const ObjectRecord& record, std::size_t part_count) {
  const std::string host(call.headers().get("host"));
  XmlWriter xml;
  xml.open_root("CompleteMultipartUploadResult")
      .element("Location", (call.exchange.is_tls() ? "https://" : "http://") + host +
                               std::string(call.exchange.request().path()))
      .element("Bucket", call.bucket())
      .element("Key", call.key())
      .element("ETag", quoted_etag(record.etag));
  if (record.checksum.algorithm != ChecksumAlgorithm::none) {
    xml.element(checksum_element(record.checksum.algorithm),
                checksum_text(record.checksum, part_count))
        .element("ChecksumType", checksum_type_name(record.checksum.type));
  }
  xml.close();
  return std::move(xml).take();
}

}  // namespace

Task<S3Result<Reply>> complete_multipart_upload(Call& call) {
  PREDA_CO_TRY(meta::Precondition precondition, write_precondition(call.headers()));
  PREDA_CO_TRY(Buffer document, co_await read_document(call, kCompleteBodyMaxBytes));
  PREDA_CO_TRY(std::vector<CompleteEntry> entries, parse_complete(document.text()));
  meta::CompleteUpload command;
  command.bucket = call.bucket();
  command.key = call.key();
  command.upload_id = call.query.get("uploadId");
  PREDA_CO_TRY(CompletePlan made, co_await plan(call, command, entries));
  command.parts = std::move(made.parts);
  command.checksum = std::move(made.checksum);
  command.precondition = std::move(precondition);
  SlowAnswer answer{call};
  Result<ObjectRecord> record =
      co_await answer.wait_for(call.meta().complete_upload(std::move(command), call.deadline()));
  S3Result<Reply> outcome = S3Code::InternalError;
  if (record)
    outcome = xml_reply(result_xml(call, *record, entries.size()));
  else
    outcome = to_s3_error(record.error(), ErrorContext::complete);
  co_return co_await answer.finish(std::move(outcome));
}

}  // namespace predastore::s3
