#include "s3/gateway.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <variant>

#include "base/text.h"
#include "digest/hash.h"
#include "s3/operations/operations.h"
#include "s3/refusals.h"
#include "s3/xml_writer.h"
#include "telemetry/log.h"

namespace predastore::s3 {
namespace {

Task<S3Result<Reply>> not_built(Call& call) {
  // The SDKs print the element; the log has the operation.
  co_return S3Error{S3Code::NotImplemented}.with("Header", std::string(call.operation.name));
}

Task<S3Result<Reply>> dispatch(Call& call) {
  switch (call.operation.operation) {
    case Operation::not_built: break;
    case Operation::list_buckets: return list_buckets(call);
    case Operation::create_bucket: return create_bucket(call);
    case Operation::delete_bucket: return delete_bucket(call);
    case Operation::head_bucket: return head_bucket(call);
    case Operation::get_bucket_location: return get_bucket_location(call);
    case Operation::list_objects:
    case Operation::list_objects_v2: return list_objects(call);
    case Operation::list_multipart_uploads: return list_multipart_uploads(call);
    case Operation::delete_objects: return delete_objects(call);
    case Operation::put_object: return put_object(call);
    case Operation::copy_object: return copy_object(call);
    case Operation::get_object: return get_object(call);
    case Operation::head_object: return head_object(call);
    case Operation::get_object_attributes: return get_object_attributes(call);
    case Operation::get_object_tagging: return get_object_tagging(call);
    case Operation::put_object_tagging: return put_object_tagging(call);
    case Operation::delete_object_tagging: return delete_object_tagging(call);
    case Operation::rename_object: return rename_object(call);
    case Operation::delete_object: return delete_object(call);
    case Operation::create_multipart_upload: return create_multipart_upload(call);
    case Operation::upload_part: return upload_part(call);
    case Operation::upload_part_copy: return upload_part_copy(call);
    case Operation::complete_multipart_upload: return complete_multipart_upload(call);
    case Operation::abort_multipart_upload: return abort_multipart_upload(call);
    case Operation::list_parts: return list_parts(call);
  }
  return not_built(call);
}

}  // namespace

// What the log line and the metrics say, gathered along the way.
struct Gateway::Trace {
  std::string request_id;
  Instant started;
  std::string_view operation = "Unknown";
  std::string access_key_id;
  std::string bucket;
  std::string key;
  std::string upload_id;
  unsigned status = 0;
  std::string_view code;
  std::string detail;
  bool is_aborted = false;
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
  SemaphoreHold reserved;
};

Gateway::Gateway(Services services, access::AccessKeys& keys, GatewayOptions options)
    : services_(services),
      options_(std::move(options)),
      authenticator_(services.env, keys,
                     [&] {
                       AuthOptions auth;
                       auth.region = options_.region;
                       return auth;
                     }()),
      owner_{to_hex(as_bytes(digest::sha256("predastore account " + options_.owner))),
             options_.owner},
      documents_(services.env.clock, options_.document_bytes) {
  PREDA_ASSERT(options_.document_bytes >= kDocumentBytesMin);
}

http::Handler Gateway::handler() {
  return [this](http::Exchange& exchange) { return handle(exchange); };
}

Task<void> Gateway::handle(http::Exchange& exchange) {
  Trace trace;
  trace.request_id = make_request_id();
  trace.started = services_.env.clock.now();
  ++in_flight_;
  S3Result<Reply> outcome = co_await serve(exchange, trace);
  co_await answer(exchange, std::move(outcome), trace);
  --in_flight_;
  report(exchange, trace);
}

Task<S3Result<Reply>> Gateway::serve(http::Exchange& exchange, Trace& trace) {
  if (in_flight_ > options_.requests_max) co_return S3Code::SlowDown;
  const Instant deadline = services_.env.clock.now() + options_.auth_timeout;
  AuthOutcome outcome = co_await authenticator_.authenticate(exchange, deadline);
  if (const AuthError* refused = std::get_if<AuthError>(&outcome))
    co_return from_auth_error(*refused);
  auto& request = *std::get<std::unique_ptr<AuthenticatedRequest>>(outcome);
  trace.access_key_id = request.identity().access_key_id;
  co_return co_await run(exchange, request, trace);
}

Task<S3Result<Reply>> Gateway::run(http::Exchange& exchange, AuthenticatedRequest& request,
                                   Trace& trace) {
  const http::RequestHead& head = exchange.request();
  PREDA_CO_TRY(Address address,
               parse_address(head.headers.get("host"), head.path(), options_.domains));
  trace.bucket = address.bucket;
  trace.key = address.key;
  PREDA_CO_TRY(Query query, Query::parse(head.query()));
  PREDA_CO_TRY(const OperationInfo* operation,
               route(head.method, address.level, query, head.headers));
  trace.operation = operation->name;
  trace.upload_id = query.get("uploadId");
  for (const char* name : {"x-amz-expected-bucket-owner", "x-amz-source-expected-bucket-owner"}) {
    const std::string* expected_owner = head.headers.find(name);
    if (expected_owner != nullptr && *expected_owner != options_.account_id)
      co_return S3Code::AccessDenied;
  }
  Call call{services_,
            exchange,
            request,
            *operation,
            std::move(address),
            std::move(query),
            trace.request_id,
            options_.region,
            options_.rs,
            owner_,
            options_.metadata_timeout,
            options_.answer_patience,
            documents_,
            trace.reserved,
            common_headers(trace.request_id),
            0,
            0,
            {}};
  S3Result<Reply> outcome = co_await dispatch(call);
  trace.bytes_in = call.bytes_in;
  trace.bytes_out = call.bytes_out;
  trace.is_aborted = !call.log_detail.empty();
  trace.detail = call.log_detail;
  co_return outcome;
}

Task<void> Gateway::answer(http::Exchange& exchange, S3Result<Reply> outcome, Trace& trace) {
  if (!outcome) {
    co_await answer_error(exchange, std::move(outcome).error(), trace);
    co_return;
  }
  trace.status = outcome->status;
  if (outcome->is_sent) {
    trace.code = outcome->error_code;
    if (trace.detail.empty()) trace.detail = outcome->error_detail;
    co_return;
  }
  http::ResponseHead head;
  head.status = outcome->status;
  head.headers = common_headers(trace.request_id);
  for (const http::Header& header : outcome->headers.entries())
    head.headers.add(header.name, header.value);
  trace.bytes_out = outcome->body.size();
  Buffer body = Buffer::take(std::move(outcome->body));
  Result<void> sent = co_await exchange.respond(std::move(head), std::move(body));
  if (!sent) {
    trace.is_aborted = true;
    trace.detail = sent.error().to_string();
  }
}

namespace {

// The element that AWS has in the errors about a bucket, a key or an upload.
void add_subject(S3Error& error, const char* name, const std::string& value) {
  const auto has_name = [&](const auto& detail) { return detail.first == name; };
  if (!value.empty() && std::ranges::none_of(error.details, has_name)) error.with(name, value);
}

// For Allow: the methods of what a MethodNotAllowed error calls SERVICE, BUCKET or OBJECT.
std::string allowed_methods(std::string_view resource_type) {
  const Level level = resource_type == "SERVICE"  ? Level::service
                      : resource_type == "BUCKET" ? Level::bucket
                                                  : Level::object;
  std::string methods;
  for (const std::string_view method : {"GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS"}) {
    const auto is_for_it = [&](const OperationInfo& info) {
      return info.method == method && info.level == level;
    };
    if (std::ranges::none_of(operation_table(), is_for_it)) continue;
    if (!methods.empty()) methods += ", ";
    methods += method;
  }
  return methods;
}

}  // namespace

Task<void> Gateway::answer_error(http::Exchange& exchange, S3Error error, Trace& trace) {
  trace.status = error.status();
  trace.code = error.name();
  trace.detail = error.log_detail;
  switch (error.code) {
    case S3Code::NoSuchBucket:
    case S3Code::BucketNotEmpty:
    case S3Code::BucketAlreadyExists:
    case S3Code::BucketAlreadyOwnedByYou: add_subject(error, "BucketName", trace.bucket); break;
    case S3Code::NoSuchKey: add_subject(error, "Key", trace.key); break;
    case S3Code::NoSuchUpload: add_subject(error, "UploadId", trace.upload_id); break;
    default: break;
  }
  http::ResponseHead head;
  head.status = error.status();
  head.headers = common_headers(trace.request_id);
  for (const auto& [name, value] : error.details) {
    // SDKs find their way with this one, on HEAD too, which has no body to tell it.
    if (name == "Region") head.headers.add("x-amz-bucket-region", value);
    if (name == "ActualObjectSize") head.headers.add("Content-Range", "bytes */" + value);
    if (name == "ResourceType") head.headers.add("Allow", allowed_methods(value));
  }
  if (error.status() == 503) head.headers.add("Retry-After", "1");
  Buffer body;
  if (exchange.request().method != "HEAD" && error.status() != 304) {
    head.headers.add("Content-Type", "application/xml");
    body = Buffer::take(
        error_xml(error, exchange.request().path(), trace.request_id, options_.host_id));
  }
  trace.bytes_out = body.size();
  Result<void> sent = co_await exchange.respond(std::move(head), std::move(body));
  if (!sent) trace.is_aborted = true;
}

void Gateway::report(http::Exchange& exchange, const Trace& trace) {
  const Duration duration = services_.env.clock.now() - trace.started;
  const auto duration_us = std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
  telemetry::log(trace.status >= 500 ? telemetry::LogLevel::warn : telemetry::LogLevel::info,
                 "served request",
                 {{"request_id", trace.request_id},
                  {"operation", trace.operation},
                  {"method", exchange.request().method},
                  {"bucket", trace.bucket},
                  {"key", trace.key},
                  {"status", trace.status},
                  {"code", trace.code},
                  {"bytes_in", trace.bytes_in},
                  {"bytes_out", trace.bytes_out},
                  {"duration_us", duration_us},
                  {"aborted", trace.is_aborted},
                  {"detail", trace.detail},
                  {"access_key_id", trace.access_key_id},
                  {"remote", exchange.remote_address()}});
  if (!options_.on_request) return;
  RequestReport over{trace.operation, trace.code,     trace.status,   trace.is_aborted,
                     duration,        trace.bytes_in, trace.bytes_out};
  options_.on_request(over);
}

http::Headers Gateway::common_headers(std::string_view request_id) const {
  return identifying_headers(request_id, options_.host_id);
}

std::string Gateway::make_request_id() { return new_request_id(services_.env.random); }

std::string error_xml(const S3Error& error, std::string_view resource, std::string_view request_id,
                      std::string_view host_id) {
  XmlWriter xml;
  xml.open("Error").element("Code", error.name()).element("Message", error.text());
  for (const auto& [name, value] : error.details) xml.element(name, value);
  xml.element("Resource", resource)
      .element("RequestId", request_id)
      .element("HostId", host_id)
      .close();
  return std::move(xml).take();
}

}  // namespace predastore::s3
