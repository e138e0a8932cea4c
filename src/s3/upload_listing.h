#pragma once

#include <cstdint>
#include <string>

#include "meta/meta_service.h"
#include "s3/error_table.h"
#include "s3/listing.h"
#include "s3/query.h"

namespace predastore::s3 {

// ListMultipartUploads.
struct UploadListing {
  std::string bucket;
  std::string prefix;
  std::string delimiter;
  std::string key_marker;
  std::string upload_id_marker;  // AWS leaves it out of account without a key marker
  std::uint32_t max_uploads = 1000;
  bool is_url_encoded = false;

  meta::ListUploadsQuery query() const;
};
S3Result<UploadListing> parse_upload_listing(std::string bucket, const Query& query);
std::string upload_listing_xml(const UploadListing& listing, const meta::ListUploadsPage& page,
                               const Owner& owner);

// ListParts.
struct PartListing {
  std::uint32_t after_part = 0;
  std::uint32_t max_parts = 1000;
  bool is_url_encoded = false;
};
S3Result<PartListing> parse_part_listing(const Query& query);
std::string part_listing_xml(const PartListing& listing, const meta::ListPartsPage& page,
                             const Owner& owner);

}  // namespace predastore::s3
