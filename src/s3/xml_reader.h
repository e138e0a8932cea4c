#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace predastore::s3 {

// Reads one XML document as a stream of events and holds no more of it than one name and one text.
// Strict and small on purpose: UTF-8, elements (attributes are read over, prefixes of names
// dropped), text, CDATA, comments, the XML declaration, the five entities and character references.
// A document type, other processing instructions, undefined entities, a depth above 16 and anything
// that is not well-formed end the reading with Event::error, for good.
class XmlReader {
 public:
  enum class Event : std::uint8_t { start, end, finished, error };

  explicit XmlReader(std::string_view document);

  // start: name() is that of the element; text that came before it is dropped. end: text() is all
  // the character data directly inside the element since its start or its last child's end.
  Event next();
  const std::string& name() const { return name_; }
  const std::string& text() const { return text_; }
  std::size_t depth() const { return open_.size(); }  // of elements that are open

 private:
  Event fail();
  Event read_tag();
  Event read_end_tag();
  bool read_attributes(bool& is_empty_element);
  bool read_text();
  bool read_reference();
  bool skip_comment();
  bool read_cdata();
  std::string_view take_name();
  void skip_space();
  bool take(std::string_view expected);

  std::string_view rest_;
  std::vector<std::string_view> open_;  // names as they were written
  std::string name_;
  std::string text_;
  bool has_root_ = false;
  bool end_is_due_ = false;  // of an element without content
  bool has_failed_ = false;
};

}  // namespace predastore::s3
