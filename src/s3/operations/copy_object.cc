#include <optional>
#include <utility>

#include "model/limits.h"
#include "s3/checksums.h"
#include "s3/conditions.h"
#include "s3/copy_body.h"
#include "s3/copy_source.h"
#include "s3/dates.h"
#include "s3/object_headers.h"
#include "s3/operations/operations.h"
#include "s3/read_plan.h"
#include "s3/slow_answer.h"
#include "s3/storage_class.h"
#include "s3/xml_writer.h"

namespace predastore::s3 {
namespace {

// A copy of a thing onto itself has to change something.
S3Result<void> check_self_copy(const Call& call, const CopySource& source, bool is_replaced) {
  if (is_replaced || source.bucket != call.bucket() || source.key != call.key()) return {};
  for (const char* change :
       {"x-amz-website-redirect-location", "x-amz-checksum-algorithm", kStorageClassHeader}) {
    if (call.headers().find(change) != nullptr) return {};
  }
  return S3Error{S3Code::InvalidRequest,
                 "This copy request is illegal because it is trying to copy an object to itself "
                 "without changing the object's metadata, storage class, website redirect location "
                 "or encryption attributes."};
}

// The new object's own headers, or the source's but for where it redirects to and its class.
S3Result<ObjectHeaders> headers_of_copy(const Call& call, const ObjectRecord& source,
                                        bool is_replaced, bool has_new_tags) {
  PREDA_TRY(ObjectHeaders asked, object_headers(call.headers()));
  ObjectHeaders made{source.headers, source.user_metadata};
  if (is_replaced) made = asked;
  const auto take = [&made](const std::map<std::string, std::string>& from, const char* name) {
    made.headers.erase(name);
    if (const auto at = from.find(name); at != from.end()) made.headers.insert(*at);
  };
  take(asked.headers, "x-amz-website-redirect-location");
  take(asked.headers, kStorageClassHeader);
  take(has_new_tags ? asked.headers : source.headers, meta::kTaggingHeader);
  return made;
}

std::string result_xml(const ObjectRecord& record) {
  XmlWriter xml;
  xml.open_root("CopyObjectResult")
      .element("LastModified", iso8601(record.last_modified_ms))
      .element("ETag", quoted_etag(record.etag));
  if (record.checksum.algorithm != ChecksumAlgorithm::none) {
    xml.element(checksum_element(record.checksum.algorithm), checksum_text(record.checksum, 1))
        .element("ChecksumType", checksum_type_name(record.checksum.type));
  }
  xml.close();
  return std::move(xml).take();
}

}  // namespace

Task<S3Result<Reply>> copy_object(Call& call) {
  PREDA_CO_CHECK(refuse_unbuilt(call.headers()));
  PREDA_CO_TRY(CopySource source, parse_copy_source(call.headers().get("x-amz-copy-source")));
  PREDA_CO_TRY(bool is_replaced, replaces(call.headers(), "x-amz-metadata-directive"));
  PREDA_CO_TRY(bool has_new_tags, replaces(call.headers(), "x-amz-tagging-directive"));
  PREDA_CO_CHECK(check_self_copy(call, source, is_replaced));
  PREDA_CO_TRY(meta::Precondition precondition, write_precondition(call.headers()));
  PREDA_CO_TRY(ChecksumAlgorithm asked_algorithm, copy_algorithm(call.headers()));

  auto opened = co_await call.objects().get(source.bucket, source.key);
  if (!opened) co_return about_source(to_s3_error(opened.error()), source);
  const std::unique_ptr<object::ObjectReader> reader = *std::move(opened);
  const ObjectRecord& record = reader->record();
  PREDA_CO_CHECK(check_copy_conditions(call.headers(), record));
  if (record.size_bytes > kPutSizeMaxBytes) {
    co_return S3Error{S3Code::InvalidRequest,
                      "The specified copy source is larger than the maximum allowable size for a "
                      "copy source: " +
                          std::to_string(kPutSizeMaxBytes)};
  }
  PREDA_CO_TRY(ObjectHeaders headers, headers_of_copy(call, record, is_replaced, has_new_tags));

  object::PutRequest put;
  put.bucket = call.bucket();
  put.key = call.key();
  put.headers = std::move(headers.headers);
  put.user_metadata = std::move(headers.user_metadata);
  put.precondition = std::move(precondition);
  CopyBody body{call.services.env, *reader, 0, record.size_bytes,
                checksum_of_copy(record.checksum, asked_algorithm)};
  put.body = &body;
  body.start();
  SlowAnswer answer{call};
  Result<ObjectRecord> stored = co_await answer.wait_for(call.objects().put(std::move(put)));
  co_await body.stop();
  S3Result<Reply> outcome = S3Code::InternalError;
  if (stored)
    outcome = xml_reply(result_xml(*stored));
  else
    outcome = to_s3_error(stored.error(), ErrorContext::write);
  co_return co_await answer.finish(std::move(outcome));
}

}  // namespace predastore::s3
