#include "s3/xml_writer.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "s3/utf8.h"

namespace predastore::s3 {
namespace {

bool is_xml_char(std::uint32_t c) {
  return c == '\t' || c == '\n' || c == '\r' || (c >= 0x20 && c <= 0xd7ff) ||
         (c >= 0xe000 && c <= 0xfffd) || c >= 0x10000;
}

constexpr std::string_view kReplacement = "\xef\xbf\xbd";

// Most of every listing: stands for itself, in a text and in an attribute.
bool is_plain(char c) {
  return c >= 0x20 && c < 0x7f && c != '&' && c != '<' && c != '>' && c != '"';
}
std::string_view plain_prefix(std::string_view bytes) {
  const auto end = std::find_if_not(bytes.begin(), bytes.end(), is_plain);
  return bytes.substr(0, static_cast<std::size_t>(end - bytes.begin()));
}

}  // namespace

bool xml_can_carry(std::string_view bytes) {
  for (;;) {
    bytes.remove_prefix(plain_prefix(bytes).size());
    if (bytes.empty()) return true;
    const Utf8Char next = first_utf8_char(bytes);
    if (next.size == 0 || !is_xml_char(next.code)) return false;
    bytes.remove_prefix(next.size);
  }
}

XmlWriter& XmlWriter::text(std::string_view bytes) {
  for (;;) {
    const std::string_view plain = plain_prefix(bytes);
    out_ += plain;
    bytes.remove_prefix(plain.size());
    if (bytes.empty()) return *this;
    const Utf8Char next = first_utf8_char(bytes);
    const std::size_t size = next.size == 0 ? 1 : next.size;
    if (next.size == 0 || !is_xml_char(next.code)) {
      out_ += kReplacement;
    } else {
      switch (next.code) {
        case '&': out_ += "&amp;"; break;
        case '<': out_ += "&lt;"; break;
        case '>': out_ += "&gt;"; break;
        case '"': out_ += "&quot;"; break;
        // Written as they are, a reader would make other characters or nothing of them.
        case '\r': out_ += "&#13;"; break;
        case '\n': out_ += "&#10;"; break;
        case '\t': out_ += "&#9;"; break;
        default: out_ += bytes.substr(0, size);
      }
    }
    bytes.remove_prefix(size);
  }
}

XmlWriter& XmlWriter::open(std::string_view name) {
  out_ += '<';
  out_ += name;
  out_ += '>';
  open_.emplace_back(name);
  return *this;
}

XmlWriter& XmlWriter::open_root(std::string_view name) {
  out_ += '<';
  out_ += name;
  out_ += " xmlns=\"";
  out_ += kXmlNamespace;
  out_ += "\">";
  open_.emplace_back(name);
  return *this;
}

XmlWriter& XmlWriter::close() {
  PREDA_ASSERT(!open_.empty());
  out_ += "</";
  out_ += open_.back();
  out_ += '>';
  open_.pop_back();
  return *this;
}

XmlWriter& XmlWriter::element(std::string_view name, std::string_view value) {
  out_ += '<';
  out_ += name;
  out_ += '>';
  text(value);
  out_ += "</";
  out_ += name;
  out_ += '>';
  return *this;
}

XmlWriter& XmlWriter::element(std::string_view name, std::uint64_t number) {
  return element(name, std::string_view(std::to_string(number)));
}

XmlWriter& XmlWriter::element(std::string_view name, bool value) {
  return element(name, value ? std::string_view("true") : std::string_view("false"));
}

std::string XmlWriter::take() && {
  PREDA_ASSERT(open_.empty());
  return std::move(out_);
}

}  // namespace predastore::s3
