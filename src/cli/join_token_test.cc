#include "cli/join_token.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "base/text.h"

namespace predastore::cli {
namespace {

node::NodeEntry entry(std::uint64_t id, bool has_meta) {
  const std::string host = "10.0.0." + std::to_string(id);
  return {NodeId{id},     "n" + std::to_string(id), host + ":7700",
          host + ":9000", host + ":7800",           has_meta};
}

// Real certificates, since their PEM is what is taken apart.
JoinToken example() {
  JoinToken token;
  token.cluster.bytes.fill(std::byte{7});
  const auto authority = crypto::CertificateAuthority::create(token.cluster);
  token.number = "00000000000000ff";
  token.expires_ms = 1'700'000'000'000;
  token.node = entry(4, false);
  token.peers = {entry(1, true), entry(2, true), entry(3, false)};
  token.rs = {3, 2};
  token.region = "eu-north-1";
  token.has_https = true;
  token.ca_pem = authority->cert_pem();
  token.certificate = authority->issue(token.node.id, {"10.0.0.4", "localhost"}).value();
  token.root_key = {"PSEXAMPLE", "secret/+="};
  return token;
}

std::string line_of(const JoinToken& token) { return encode_join_token(token).value(); }

std::string body_of(const std::string& line) {
  const std::string sealed = from_base64(line.substr(line.find('.') + 1)).value();
  return sealed.substr(0, sealed.size() - 4);
}

void expect_same(const node::NodeEntry& a, const node::NodeEntry& b) {
  EXPECT_EQ(a.id, b.id);
  EXPECT_EQ(a.name, b.name);
  EXPECT_EQ(a.cluster_address, b.cluster_address);
  EXPECT_EQ(a.s3_address, b.s3_address);
  EXPECT_EQ(a.admin_address, b.admin_address);
  EXPECT_EQ(a.has_meta, b.has_meta);
}

TEST(JoinToken, says_all_that_was_put_into_it) {
  const JoinToken token = example();
  const auto again = decode_join_token(line_of(token));
  ASSERT_TRUE(again.has_value()) << again.error().detail;
  EXPECT_EQ(again->number, token.number);
  EXPECT_EQ(again->expires_ms, token.expires_ms);
  EXPECT_EQ(again->cluster, token.cluster);
  expect_same(again->node, token.node);
  ASSERT_EQ(again->peers.size(), token.peers.size());
  for (std::size_t i = 0; i < token.peers.size(); ++i) expect_same(again->peers[i], token.peers[i]);
  EXPECT_EQ(again->rs, token.rs);
  EXPECT_EQ(again->region, token.region);
  EXPECT_TRUE(again->has_https);
  EXPECT_EQ(again->ca_pem, token.ca_pem);
  EXPECT_EQ(again->certificate.cert_pem, token.certificate.cert_pem);
  EXPECT_EQ(again->certificate.key_pem, token.certificate.key_pem);
  EXPECT_EQ(again->root_key.access_key_id, token.root_key.access_key_id);
  EXPECT_EQ(again->root_key.secret_access_key, token.root_key.secret_access_key);
}

// A terminal gives a program no more than 4095 characters of a line.
TEST(JoinToken, can_be_pasted_into_a_terminal_however_large_the_cluster_is) {
  JoinToken token = example();
  for (std::uint64_t id = 10; id < 200; ++id) token.peers.push_back(entry(id, true));
  const std::string line = line_of(token);
  EXPECT_LT(line.size(), 4000u);
  EXPECT_EQ(decode_join_token(line)->peers.size(), kTokenPeersMax);
}

TEST(JoinToken, may_be_broken_into_lines) {
  const std::string line = line_of(example());
  std::string broken = "  ";
  for (std::size_t at = 0; at < line.size(); at += 70) broken += line.substr(at, 70) + "\r\n";
  EXPECT_TRUE(decode_join_token(broken).has_value());
}

TEST(JoinToken, is_refused_after_any_change_of_one_character) {
  const std::string line = line_of(example());
  for (std::size_t at = 0; at < line.size(); ++at) {
    std::string changed = line;
    changed[at] = changed[at] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(decode_join_token(changed).has_value()) << at;
  }
}

TEST(JoinToken, is_refused_when_its_end_is_missing_or_there_is_more) {
  const std::string line = line_of(example());
  for (std::size_t size = 0; size < line.size(); ++size)
    EXPECT_FALSE(decode_join_token(line.substr(0, size)).has_value()) << size;
  EXPECT_EQ(decode_join_token(line.substr(0, line.size() - 1)).error().code, ErrorCode::Corruption);
  EXPECT_EQ(decode_join_token(line + "AAAA").error().code, ErrorCode::Corruption);
}

TEST(JoinToken, of_another_version_or_kind_is_refused_by_its_name) {
  std::string line = line_of(example());
  EXPECT_EQ(decode_join_token("hello").error().code, ErrorCode::InvalidArgument);
  EXPECT_EQ(decode_join_token("").error().code, ErrorCode::InvalidArgument);
  line[line.find('.') - 1] = '2';
  const auto other = decode_join_token(line);
  EXPECT_EQ(other.error().code, ErrorCode::Unsupported);
  EXPECT_NE(other.error().detail.find("version 2"), std::string::npos);
}

// Behind a right checksum: nothing is believed for it.
TEST(JoinToken, whose_fields_are_not_what_they_must_be_is_refused) {
  const std::string body = body_of(line_of(example()));
  EXPECT_TRUE(decode_join_token(seal_token_body(body)).has_value());
  EXPECT_EQ(decode_join_token(seal_token_body(body + "x")).error().code, ErrorCode::Corruption);
  for (std::size_t size = 0; size < body.size(); ++size)
    EXPECT_FALSE(decode_join_token(seal_token_body(body.substr(0, size))).has_value()) << size;
  // A length that is larger than all there is.
  std::string long_name = body;
  const std::size_t name_at = 8 + 8 + sizeof(ClusterId) + 8;
  long_name[name_at + 3] = '\x7f';
  EXPECT_EQ(decode_join_token(seal_token_body(long_name)).error().code, ErrorCode::Corruption);
  std::string nobody = body;
  for (std::size_t i = 1; i <= 8; ++i) nobody[name_at - i] = '\0';
  EXPECT_EQ(decode_join_token(seal_token_body(nobody)).error().code, ErrorCode::Corruption);
}

// They are written into a file of TOML between quotes.
TEST(JoinToken, with_a_name_or_an_address_that_is_none_is_not_made) {
  const auto refused = [](auto change) {
    JoinToken token = example();
    change(token);
    const auto made = encode_join_token(token);
    return !made.has_value() && made.error().code == ErrorCode::InvalidArgument;
  };
  EXPECT_TRUE(refused([](JoinToken& token) { token.node.name = "a\"\nb = 1"; }));
  EXPECT_TRUE(refused([](JoinToken& token) { token.node.name = ""; }));
  EXPECT_TRUE(refused([](JoinToken& token) { token.node.s3_address = "10.0.0.4"; }));
  EXPECT_TRUE(refused([](JoinToken& token) { token.peers[0].admin_address = ""; }));
  EXPECT_TRUE(refused([](JoinToken& token) { token.peers.clear(); }));
  EXPECT_TRUE(refused([](JoinToken& token) { token.rs = {0, 2}; }));
  EXPECT_TRUE(refused([](JoinToken& token) { token.number = "ff"; }));
  EXPECT_TRUE(refused([](JoinToken& token) { token.ca_pem = token.certificate.key_pem; }));
  EXPECT_TRUE(refused([](JoinToken& token) { token.ca_pem += token.ca_pem; }));
}

}  // namespace
}  // namespace predastore::cli
