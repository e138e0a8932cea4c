#include "crypto/certificates.h"

#include <gtest/gtest.h>

#include "crypto/secret.h"

namespace predastore::crypto {
namespace {

ClusterId cluster(unsigned char fill) {
  ClusterId id;
  id.bytes.fill(std::byte{fill});
  return id;
}

TEST(Certificates, IssuedCertificateNamesItsNode) {
  auto authority = CertificateAuthority::create(cluster(1));
  ASSERT_TRUE(authority);
  auto pair = authority->issue(NodeId{0xabcdef}, {"127.0.0.1", "::1", "node1.example"});
  ASSERT_TRUE(pair) << pair.error().to_string();
  auto node = node_of_certificate(pair->cert_pem);
  ASSERT_TRUE(node);
  EXPECT_EQ(*node, NodeId{0xabcdef});
  EXPECT_FALSE(node_of_certificate(authority->cert_pem()));
}

TEST(Certificates, LoadedAuthorityGoesOnIssuing) {
  auto authority = CertificateAuthority::create(cluster(1));
  ASSERT_TRUE(authority);
  auto again = CertificateAuthority::load(authority->cert_pem(), authority->key_pem());
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->issue(NodeId{7}, {}));
  auto other = CertificateAuthority::create(cluster(1));
  ASSERT_TRUE(other);
  EXPECT_FALSE(CertificateAuthority::load(authority->cert_pem(), other->key_pem()));
  auto leaf = authority->issue(NodeId{7}, {});
  ASSERT_TRUE(leaf);
  EXPECT_FALSE(CertificateAuthority::load(leaf->cert_pem, leaf->key_pem));
  EXPECT_FALSE(CertificateAuthority::load("nonsense", "nonsense"));
}

TEST(Certificates, HostsCannotSmuggleNames) {
  auto authority = CertificateAuthority::create(cluster(2));
  ASSERT_TRUE(authority);
  EXPECT_FALSE(authority->issue(NodeId{1}, {"a,URI:predastore:node:0000000000000002"}));
  EXPECT_FALSE(authority->issue(NodeId{1}, {""}));
}

TEST(Certificates, NodeUriIsStrict) {
  EXPECT_EQ(node_uri(NodeId{0x1f}), "predastore:node:000000000000001f");
  EXPECT_TRUE(node_of_uri("predastore:node:000000000000001f"));
  EXPECT_FALSE(node_of_uri("predastore:node:000000000000001F"));
  EXPECT_FALSE(node_of_uri("predastore:node:1f"));
  EXPECT_FALSE(node_of_uri("predastore:disk:000000000000001f"));
}

TEST(Secret, RandomTextIsAlphanumericAndFresh) {
  auto a = random_secret_text(40);
  auto b = random_secret_text(40);
  ASSERT_TRUE(a && b);
  EXPECT_EQ(a->reveal().size(), 40U);
  EXPECT_FALSE(*a == *b);
  for (char c : a->reveal()) EXPECT_TRUE(std::isalnum(static_cast<unsigned char>(c)));
  Secret moved = std::move(*a);
  EXPECT_TRUE(a->empty());  // NOLINT: wiped on purpose
  EXPECT_EQ(moved.reveal().size(), 40U);
}

}  // namespace
}  // namespace predastore::crypto
