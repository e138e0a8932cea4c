#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace predastore::s3 {

// What a request is addressed to.
enum class Level : std::uint8_t { service, bucket, object };

// What is not built yet has one value for all of it; its name is in the table.
enum class Operation : std::uint8_t {
  not_built,
  list_buckets,
  create_bucket,
  delete_bucket,
  head_bucket,
  get_bucket_location,
  list_objects,
  list_objects_v2,
  list_multipart_uploads,
  delete_objects,
  put_object,
  copy_object,
  get_object,
  head_object,
  get_object_attributes,
  get_object_tagging,
  put_object_tagging,
  delete_object_tagging,
  rename_object,
  delete_object,
  create_multipart_upload,
  upload_part,
  upload_part_copy,
  complete_multipart_upload,
  abort_multipart_upload,
  list_parts,
};

// One S3 operation and how a request for it is told from others.
struct OperationInfo {
  Operation operation = Operation::not_built;
  std::string_view name;  // as AWS has it: for logs, metrics, policies
  std::string_view method;
  Level level = Level::service;
  // Query parameters that make the request one for this operation ("uploads", "list-type=2").
  std::string_view selector;
  std::string_view selector2;
  // A header that does so ("x-amz-copy-source").
  std::string_view selecting_header;
  // Query parameters that it may have besides, separated by spaces.
  std::string_view parameters;

  bool is_built() const { return operation != Operation::not_built; }
};

// Every operation of S3, built or not. The router, the documentation and the tests read this one
// table.
std::span<const OperationInfo> operation_table();

}  // namespace predastore::s3
