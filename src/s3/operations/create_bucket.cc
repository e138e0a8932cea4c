#include "s3/names.h"
#include "s3/object_headers.h"
#include "s3/operations/operations.h"
#include "s3/xml_requests.h"

namespace predastore::s3 {
namespace {

// All buckets are in the region of the cluster. AWS asks clients of every region but us-east-1 to
// name it; so many do not that no constraint means this region here.
S3Result<void> check_location(std::string_view constraint, std::string_view region) {
  if (constraint.empty() || constraint == region) return {};
  if (constraint == "EU" && region == "eu-west-1") return {};
  if (region == "us-east-1") {
    return S3Error{S3Code::InvalidLocationConstraint}.with("LocationConstraint",
                                                           std::string(constraint));
  }
  return S3Error{S3Code::IllegalLocationConstraintException,
                 "The " + std::string(constraint) +
                     " location constraint is incompatible for the region specific endpoint this "
                     "request was sent to."};
}

// Settings that would make another bucket than the one we can make.
S3Result<void> refuse_unbuilt_settings(const http::Headers& headers) {
  if (http::equal_ignoring_case(headers.get("x-amz-bucket-object-lock-enabled"), "true"))
    return S3Error{S3Code::NotImplemented}.with("Header", "x-amz-bucket-object-lock-enabled");
  const std::string_view ownership = headers.get("x-amz-object-ownership");
  if (!ownership.empty() && ownership != "BucketOwnerEnforced")
    return S3Error{S3Code::NotImplemented}.with("Header", "x-amz-object-ownership");
  return refuse_unbuilt(headers);
}

Incarnation random_incarnation(Random& random) {
  std::uint64_t value = 0;
  while (value == 0) value = random.next_u64();
  return Incarnation{value};
}

}  // namespace

Task<S3Result<Reply>> create_bucket(Call& call) {
  PREDA_CO_CHECK(check_bucket_name(call.bucket()));
  PREDA_CO_CHECK(refuse_unbuilt_settings(call.headers()));
  PREDA_CO_TRY(Buffer document, co_await read_document(call, kSmallBodyMaxBytes));
  PREDA_CO_TRY(std::string constraint, parse_create_bucket(document.text()));
  PREDA_CO_CHECK(check_location(constraint, call.region));

  BucketRecord bucket;
  bucket.name = call.bucket();
  bucket.incarnation = random_incarnation(call.services.env.random);
  bucket.created_ms = call.services.env.clock.wall_now().time_since_epoch().count();
  bucket.owner = call.owner.display_name;
  bucket.rs = call.rs;
  bucket.region = call.region;
  Result<BucketRecord> made = co_await call.meta().create_bucket(bucket, call.deadline());
  // The one place where AWS's oldest region differs from all others: making a bucket that one has
  // already is not an error there.
  const bool is_ours_already =
      !made && made.error().code == ErrorCode::AlreadyExists && call.region == "us-east-1";
  if (!made && !is_ours_already) co_return to_s3_error(made.error(), ErrorContext::create_bucket);
  Reply reply;
  reply.headers.add("Location", "/" + call.bucket());
  co_return reply;
}

}  // namespace predastore::s3
