#pragma once

#include <map>
#include <string>
#include <string_view>

#include "model/layout.h"
#include "s3/error_table.h"

namespace predastore::s3 {

// Tags of an object: at most ten, keys of 1..128 and values of 0..256 characters, of letters,
// digits, spaces and _ . : / = + - @. They are kept in the object's record beside its headers, as
// one "header" in the form of x-amz-tagging (k=v&k2=v2), and never sent as that.
using Tags = std::map<std::string, std::string>;

// InvalidTag, BadRequest (more than ten).
S3Result<Tags> parse_tagging_header(std::string_view header);
S3Result<Tags> parse_tagging_document(std::string_view document);  // MalformedXML, too
std::string encode_tagging(const Tags& tags);                      // empty when there is none
std::string tagging_xml(const Tags& tags);

// Those of a stored object.
Tags tags_of(const ObjectRecord& record);

}  // namespace predastore::s3
