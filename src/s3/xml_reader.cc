#include "s3/xml_reader.h"

#include <algorithm>

#include "s3/utf8.h"
#include "s3/xml_writer.h"

namespace predastore::s3 {
namespace {

constexpr std::size_t kDepthMax = 16;

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

bool is_name_char(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-' || c == '.' || c == ':' || static_cast<unsigned char>(c) >= 0x80;
}

bool is_name_start(char c) {
  return is_name_char(c) && !(c >= '0' && c <= '9') && c != '-' && c != '.';
}

std::string_view local_name(std::string_view name) {
  return name.substr(name.rfind(':') + 1);  // npos + 1 is 0
}

// Of "#38" or "#x26"; 0x110000 when it is none.
std::uint32_t character_of(std::string_view reference) {
  constexpr std::uint32_t kNone = 0x110000;
  reference.remove_prefix(1);
  const bool is_hex = reference.starts_with('x');
  if (is_hex) reference.remove_prefix(1);
  if (reference.empty()) return kNone;
  std::uint32_t code = 0;
  for (const char c : reference) {
    std::uint32_t digit = 16;
    if (c >= '0' && c <= '9') digit = static_cast<std::uint32_t>(c - '0');
    if (is_hex && c >= 'a' && c <= 'f') digit = static_cast<std::uint32_t>(c - 'a' + 10);
    if (is_hex && c >= 'A' && c <= 'F') digit = static_cast<std::uint32_t>(c - 'A' + 10);
    if (digit == 16) return kNone;
    code = code * (is_hex ? 16 : 10) + digit;
    if (code > 0x10ffff) return kNone;
  }
  return code;
}

}  // namespace

XmlReader::XmlReader(std::string_view document) : rest_(document) {
  take("\xef\xbb\xbf");
  has_failed_ = !xml_can_carry(rest_);
  if (rest_.starts_with("<?xml") && rest_.size() > 5 && is_space(rest_[5])) {
    const std::size_t end = rest_.find("?>");
    if (end == std::string_view::npos) {
      has_failed_ = true;
    } else {
      rest_.remove_prefix(end + 2);
    }
  }
}

XmlReader::Event XmlReader::fail() {
  has_failed_ = true;
  return Event::error;
}

void XmlReader::skip_space() {
  while (!rest_.empty() && is_space(rest_.front())) rest_.remove_prefix(1);
}

bool XmlReader::take(std::string_view expected) {
  if (!rest_.starts_with(expected)) return false;
  rest_.remove_prefix(expected.size());
  return true;
}

std::string_view XmlReader::take_name() {
  std::size_t size = 0;
  if (!rest_.empty() && is_name_start(rest_.front())) {
    while (size < rest_.size() && is_name_char(rest_[size])) ++size;
  }
  const std::string_view name = rest_.substr(0, size);
  rest_.remove_prefix(size);
  return name;
}

XmlReader::Event XmlReader::next() {
  if (has_failed_) return Event::error;
  if (end_is_due_) {
    end_is_due_ = false;
    name_ = local_name(open_.back());
    text_.clear();
    open_.pop_back();
    return Event::end;
  }
  text_.clear();
  while (true) {
    if (open_.empty()) {
      skip_space();
      if (rest_.empty()) return has_root_ ? Event::finished : fail();
    } else if (!read_text()) {
      return fail();
    }
    if (rest_.starts_with("<!--")) {
      if (!skip_comment()) return fail();
    } else if (rest_.starts_with("<![CDATA[")) {
      if (open_.empty() || !read_cdata()) return fail();
    } else if (rest_.starts_with("</")) {
      return read_end_tag();
    } else {
      return read_tag();
    }
  }
}

XmlReader::Event XmlReader::read_tag() {
  if (!take("<")) return fail();
  if (open_.empty() && has_root_) return fail();
  const std::string_view name = take_name();
  if (name.empty() || local_name(name).empty() || open_.size() == kDepthMax) return fail();
  bool is_empty_element = false;
  if (!read_attributes(is_empty_element)) return fail();
  has_root_ = true;
  open_.push_back(name);
  name_ = local_name(name);
  text_.clear();
  end_is_due_ = is_empty_element;
  return Event::start;
}

XmlReader::Event XmlReader::read_end_tag() {
  rest_.remove_prefix(2);
  const std::string_view name = take_name();
  skip_space();
  if (!take(">") || open_.empty() || open_.back() != name) return fail();
  open_.pop_back();
  name_ = local_name(name);
  return Event::end;
}

bool XmlReader::read_attributes(bool& is_empty_element) {
  while (true) {
    const std::size_t before = rest_.size();
    skip_space();
    if (take("/>")) {
      is_empty_element = true;
      return true;
    }
    if (take(">")) return true;
    if (rest_.size() == before) return false;  // no space before the name
    if (take_name().empty()) return false;
    skip_space();
    if (!take("=")) return false;
    skip_space();
    if (rest_.empty() || (rest_.front() != '"' && rest_.front() != '\'')) return false;
    const std::size_t end = rest_.find(rest_.front(), 1);
    if (end == std::string_view::npos) return false;
    if (rest_.substr(0, end).find('<') != std::string_view::npos) return false;
    rest_.remove_prefix(end + 1);
  }
}

// Up to the next '<'. False at the end of the document and for a bad reference.
bool XmlReader::read_text() {
  while (!rest_.empty() && rest_.front() != '<') {
    if (rest_.front() == '&') {
      if (!read_reference()) return false;
      continue;
    }
    const std::size_t end = std::min(rest_.find_first_of("<&\r"), rest_.size());
    const std::string_view run = rest_.substr(0, end);
    if (run.find("]]>") != std::string_view::npos) return false;
    text_ += run;
    rest_.remove_prefix(end);
    // XML reads each end of line as one line feed.
    if (take("\r\n") || take("\r")) text_ += '\n';
  }
  return !rest_.empty();
}

bool XmlReader::read_reference() {
  const std::size_t end = rest_.substr(0, 12).find(';');
  if (end == std::string_view::npos || end < 3) return false;
  const std::string_view reference = rest_.substr(1, end - 1);
  rest_.remove_prefix(end + 1);
  if (reference.front() == '#') {
    const std::uint32_t code = character_of(reference);
    // Control characters cannot stand in XML 1.0, but keys may hold them and this is how SDKs name
    // such a key. Surrogates are no characters.
    if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return false;
    append_utf8(text_, code);
    return true;
  }
  if (reference == "amp") {
    text_ += '&';
  } else if (reference == "lt") {
    text_ += '<';
  } else if (reference == "gt") {
    text_ += '>';
  } else if (reference == "quot") {
    text_ += '"';
  } else if (reference == "apos") {
    text_ += '\'';
  } else {
    return false;
  }
  return true;
}

bool XmlReader::skip_comment() {
  const std::size_t end = rest_.find("--", 4);
  if (end == std::string_view::npos || !rest_.substr(end).starts_with("-->")) return false;
  rest_.remove_prefix(end + 3);
  return true;
}

bool XmlReader::read_cdata() {
  constexpr std::size_t kOpening = 9;
  const std::size_t end = rest_.find("]]>", kOpening);
  if (end == std::string_view::npos) return false;
  text_ += rest_.substr(kOpening, end - kOpening);
  rest_.remove_prefix(end + 3);
  return true;
}

}  // namespace predastore::s3
