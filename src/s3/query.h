#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "s3/error_table.h"

namespace predastore::s3 {

// Percent-decoding. None for an escape that is not two hexadecimal digits. The result is bytes:
// it may hold anything, NUL included.
std::optional<std::string> decode_path(std::string_view raw);   // '+' stays '+'
std::optional<std::string> decode_query(std::string_view raw);  // '+' is a space, as AWS reads it

// As AWS's encoding-type=url and its signatures: everything but A-Z a-z 0-9 - _ . ~ becomes %XX in
// upper case; '/' is kept on request.
std::string encode_uri(std::string_view bytes, bool keep_slash);

// The query of a request, decoded, in the order of the wire. A name that occurs twice is refused
// when the query is parsed: two readers of one request must not see different values.
class Query {
 public:
  struct Parameter {
    std::string name;
    std::string value;
  };

  // `raw` is what follows the '?'. InvalidURI for invalid escapes, InvalidArgument for a name that
  // is there twice.
  static S3Result<Query> parse(std::string_view raw);

  const std::string* find(std::string_view name) const;
  bool has(std::string_view name) const { return find(name) != nullptr; }
  std::string get(std::string_view name) const;  // empty when it is not there
  const std::vector<Parameter>& parameters() const { return parameters_; }

 private:
  std::vector<Parameter> parameters_;
};

}  // namespace predastore::s3
