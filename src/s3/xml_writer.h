#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace predastore::s3 {

inline constexpr std::string_view kXmlNamespace = "http://s3.amazonaws.com/doc/2006-03-01/";

// Whether XML 1.0 has a way to write these bytes: UTF-8 and none of the control characters that
// even a character reference cannot name.
bool xml_can_carry(std::string_view bytes);

// Writes one XML document, element by element. What XML cannot carry becomes U+FFFD, so that the
// document is always well-formed.
class XmlWriter {
 public:
  XmlWriter() : out_("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n") {}

  XmlWriter& open(std::string_view name);
  XmlWriter& open_root(std::string_view name);  // with S3's namespace
  XmlWriter& close();
  XmlWriter& text(std::string_view bytes);  // inside the element that is open
  XmlWriter& element(std::string_view name, std::string_view text);
  XmlWriter& element(std::string_view name, const std::string& text) {
    return element(name, std::string_view(text));
  }
  XmlWriter& element(std::string_view name, const char* text) {
    return element(name, std::string_view(text));
  }
  XmlWriter& element(std::string_view name, std::uint64_t number);
  XmlWriter& element(std::string_view name, bool value);

  std::size_t size() const { return out_.size(); }
  std::string take() &&;  // every element is closed

 private:
  std::string out_;
  std::vector<std::string> open_;
};

}  // namespace predastore::s3
