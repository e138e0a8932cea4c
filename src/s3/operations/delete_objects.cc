#include <utility>

#include "s3/conditions.h"
#include "s3/names.h"
#include "s3/operations/operations.h"
#include "s3/xml_requests.h"
#include "s3/xml_writer.h"

namespace predastore::s3 {
namespace {

using Outcomes = std::vector<S3Result<void>>;  // by entry

S3Result<void> check_entry(const DeleteEntry& entry) {
  PREDA_CHECK(check_key(entry.key));
  if (!entry.version_id.empty() && entry.version_id != "null") return S3Code::NotImplemented;
  return {};
}

std::string delete_result_xml(const DeleteDocument& document, const Outcomes& outcomes) {
  XmlWriter xml;
  xml.open_root("DeleteResult");
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    const DeleteEntry& entry = document.entries[i];
    if (outcomes[i]) {
      if (!document.is_quiet) xml.open("Deleted").element("Key", entry.key).close();
      continue;
    }
    xml.open("Error").element("Key", entry.key);
    if (!entry.version_id.empty()) xml.element("VersionId", entry.version_id);
    xml.element("Code", outcomes[i].error().name())
        .element("Message", outcomes[i].error().text())
        .close();
  }
  xml.close();
  return std::move(xml).take();
}

// One command for all keys without a condition; one each for the others, whose conditions are
// decided one by one.
Task<S3Result<Outcomes>> delete_entries(Call& call, const DeleteDocument& document) {
  Outcomes outcomes;
  std::vector<std::string> unconditional;
  for (const DeleteEntry& entry : document.entries) {
    outcomes.push_back(check_entry(entry));
    if (outcomes.back() && entry.etag.empty()) unconditional.push_back(entry.key);
  }
  if (!unconditional.empty()) {
    meta::Precondition none;
    PREDA_CO_CHECK(as_s3(co_await call.meta().delete_objects(
        call.bucket(), std::move(unconditional), none, call.deadline())));
  }
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    const DeleteEntry& entry = document.entries[i];
    if (!outcomes[i] || entry.etag.empty()) continue;
    meta::Precondition precondition;
    precondition.if_match = std::string(unquoted_etag(entry.etag));
    std::vector<std::string> keys{entry.key};
    Result<void> deleted = co_await call.meta().delete_objects(
        call.bucket(), std::move(keys), std::move(precondition), call.deadline());
    outcomes[i] = as_s3(std::move(deleted), ErrorContext::write);
    if (!outcomes[i] && outcomes[i].error().code == S3Code::NoSuchBucket)
      co_return outcomes[i].error();
  }
  co_return outcomes;
}

}  // namespace

Task<S3Result<Reply>> delete_objects(Call& call) {
  if (!call.request.has_integrity_header()) {
    co_return S3Error{S3Code::InvalidRequest,
                      "Missing required header for this request: Content-MD5 OR "
                      "x-amz-checksum-*"};
  }
  PREDA_CO_TRY(Buffer body, co_await read_document(call, kDeleteBodyMaxBytes));
  PREDA_CO_TRY(DeleteDocument document, parse_delete(body.text()));
  PREDA_CO_TRY(Outcomes outcomes, co_await delete_entries(call, document));
  co_return xml_reply(delete_result_xml(document, outcomes));
}

}  // namespace predastore::s3
