#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "meta/meta_service.h"
#include "s3/error_table.h"
#include "s3/query.h"
#include "s3/xml_writer.h"

namespace predastore::s3 {

// Who owns buckets and objects, as listings say it.
struct Owner {
  std::string id;  // 64 hexadecimal digits, as AWS's canonical user ids
  std::string display_name;
};
void write_owner(XmlWriter& xml, std::string_view element, const Owner& owner);

// max-keys, max-uploads, max-parts: 1000 when absent or empty, at most 1000 whatever is asked;
// InvalidArgument for what is no number in 0..2^31-1.
S3Result<std::uint32_t> parse_page_size(const Query& query, std::string_view name);
// encoding-type: absent or "url".
S3Result<bool> parse_encoding_type(const Query& query);

// What a page of so many entries may take in memory, its XML included: keys of 1024 bytes, escaped.
inline std::uint64_t page_memory_bytes(std::uint32_t entries) {
  return std::uint64_t{entries} * 4096;
}

// How names are written in one listing: as they are, or as encoding-type=url has them, because the
// client asked for it or because XML cannot carry one of them (the answer then says so).
class NameEncoding {
 public:
  explicit NameEncoding(bool is_url) : is_url_(is_url) {}
  void must_carry(std::string_view name) { is_url_ = is_url_ || !xml_can_carry(name); }
  bool is_url() const { return is_url_; }
  std::string operator()(std::string_view name) const;

 private:
  bool is_url_;
};

// An opaque continuation token: no promise to clients, checked when it comes back.
std::string make_token(std::string_view start_after);
std::optional<std::string> read_token(std::string_view token);

// ListObjects and ListObjectsV2.
struct ObjectListing {
  bool is_v2 = false;
  std::string bucket;
  std::string prefix;
  std::string delimiter;
  std::uint32_t max_keys = 1000;
  bool is_url_encoded = false;
  bool fetches_owner = false;                     // V1 always
  std::string marker;                             // V1
  std::string start_after;                        // V2
  std::optional<std::string> continuation_token;  // V2, as it came
  std::string resume_after;                       // what either of them means

  meta::ListQuery query() const;
};
S3Result<ObjectListing> parse_object_listing(std::string bucket, const Query& query, bool is_v2);
std::string object_listing_xml(const ObjectListing& listing, const meta::ListPage& page,
                               const Owner& owner);

// ListBuckets.
struct BucketListing {
  std::string prefix;
  std::string region;  // empty: all
  std::uint32_t max_buckets = 10'000;
  std::string resume_after;
};
S3Result<BucketListing> parse_bucket_listing(const Query& query);
std::string bucket_listing_xml(const BucketListing& listing, std::vector<BucketRecord> buckets,
                               const Owner& owner);

}  // namespace predastore::s3
