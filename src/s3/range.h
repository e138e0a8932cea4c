#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "object/object_store.h"
#include "s3/error_table.h"

namespace predastore::s3 {

// What a Range header asks of an object of a known size. None: the whole object, because there is
// no header, or one that RFC 9110 tells a server to ignore (other units, several ranges, not a
// range at all), as AWS does. InvalidRange when no byte of the object is in it; the object's size
// goes into the answer's Content-Range.
S3Result<std::optional<object::ByteRange>> parse_range(std::string_view header,
                                                       std::uint64_t size_bytes);

// x-amz-copy-source-range: "bytes=first-last" and nothing else, within the source.
S3Result<object::ByteRange> parse_copy_range(std::string_view header, std::uint64_t size_bytes);

// Digits and nothing else; none when it is no number or too large for 64 bits.
std::optional<std::uint64_t> parse_decimal(std::string_view text);

// 1..10000; InvalidArgument.
S3Result<PartNumber> parse_part_number(std::string_view text);

}  // namespace predastore::s3
