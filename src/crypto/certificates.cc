#include "crypto/certificates.h"

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <array>

#include "base/text.h"

namespace predastore::crypto {
namespace {

template <auto Free>
struct Deleter {
  template <class T>
  void operator()(T* pointer) const {
    Free(pointer);
  }
};
void free_names(GENERAL_NAMES* names) { GENERAL_NAMES_free(names); }
using BioPtr = std::unique_ptr<BIO, Deleter<BIO_free_all>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>>;
using CertPtr = std::unique_ptr<X509, Deleter<X509_free>>;
using NumberPtr = std::unique_ptr<BIGNUM, Deleter<BN_free>>;
using ExtensionPtr = std::unique_ptr<X509_EXTENSION, Deleter<X509_EXTENSION_free>>;
using NamesPtr = std::unique_ptr<GENERAL_NAMES, Deleter<free_names>>;

constexpr std::string_view kUriPrefix = "predastore:node:";

Error openssl_error(std::string_view what) {
  std::array<char, 256> text{};
  ERR_error_string_n(ERR_get_error(), text.data(), text.size());
  ERR_clear_error();
  return make_error(ErrorCode::Internal, fmt::format("{}: {}", what, text.data()));
}

std::string text_of(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return size > 0 ? std::string{data, static_cast<std::size_t>(size)} : std::string{};
}

Result<CertificatePair> to_pem(X509* cert, EVP_PKEY* key) {
  BioPtr cert_bio{BIO_new(BIO_s_mem())};
  BioPtr key_bio{BIO_new(BIO_s_mem())};
  if (!cert_bio || !key_bio || PEM_write_bio_X509(cert_bio.get(), cert) != 1 ||
      PEM_write_bio_PrivateKey(key_bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    return openssl_error("writing a certificate");
  }
  return CertificatePair{text_of(cert_bio.get()), text_of(key_bio.get())};
}

Result<CertPtr> read_cert(std::string_view pem) {
  BioPtr bio{BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()))};
  CertPtr cert{bio ? PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr) : nullptr};
  if (!cert) {
    ERR_clear_error();
    return make_error(ErrorCode::InvalidArgument, "not a PEM certificate");
  }
  return cert;
}

Result<KeyPtr> read_key(std::string_view pem) {
  BioPtr bio{BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()))};
  KeyPtr key{bio ? PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr) : nullptr};
  if (!key) {
    ERR_clear_error();
    return make_error(ErrorCode::InvalidArgument, "not a PEM private key");
  }
  return key;
}

bool set_serial(X509* cert) {
  std::array<unsigned char, 16> bytes{};
  if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) return false;
  bytes[0] = static_cast<unsigned char>((bytes[0] & 0x7F) | 0x40);  // positive, and never zero
  NumberPtr number{BN_bin2bn(bytes.data(), static_cast<int>(bytes.size()), nullptr)};
  return number && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(cert)) != nullptr;
}

bool add_extension(X509* cert, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, cert, nullptr, nullptr, 0);
  ExtensionPtr extension{X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str())};
  return extension && X509_add_ext(cert, extension.get(), -1) == 1;
}

// Everything but names and extensions.
Result<CertPtr> new_certificate(EVP_PKEY* key, const std::string& common_name) {
  CertPtr cert{X509_new()};
  if (!cert || X509_set_version(cert.get(), X509_VERSION_3) != 1 || !set_serial(cert.get()) ||
      ASN1_TIME_set_string_X509(X509_getm_notBefore(cert.get()), "20200101000000Z") != 1 ||
      ASN1_TIME_set_string_X509(X509_getm_notAfter(cert.get()), "99991231235959Z") != 1 ||
      X509_set_pubkey(cert.get(), key) != 1) {
    return openssl_error("making a certificate");
  }
  const auto* text = reinterpret_cast<const unsigned char*>(common_name.c_str());
  if (X509_NAME_add_entry_by_txt(X509_get_subject_name(cert.get()), "CN", MBSTRING_UTF8, text, -1,
                                 -1, 0) != 1) {
    return openssl_error("naming a certificate");
  }
  return cert;
}

bool is_address(const std::string& host) {
  ASN1_OCTET_STRING* address = a2i_IPADDRESS(host.c_str());
  ASN1_OCTET_STRING_free(address);
  ERR_clear_error();
  return address != nullptr;
}

// Only what a host name or an address is made of, so that nothing can slip another entry into the
// list of names.
bool is_plain_host(std::string_view host) {
  return !host.empty() && host.size() <= 253 &&
         host.find_first_not_of(
             "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_:") ==
             std::string_view::npos;
}

}  // namespace

Result<CertificateAuthority> CertificateAuthority::create(const ClusterId& cluster_id) {
  KeyPtr key{EVP_EC_gen("P-256")};
  if (!key) return openssl_error("making a key");
  PREDA_TRY(CertPtr cert, new_certificate(key.get(), "predastore-" + to_hex(cluster_id.span())));
  X509* raw = cert.get();
  if (X509_set_issuer_name(raw, X509_get_subject_name(raw)) != 1 ||
      !add_extension(raw, raw, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") ||
      !add_extension(raw, raw, NID_key_usage, "critical,keyCertSign,cRLSign") ||
      !add_extension(raw, raw, NID_subject_key_identifier, "hash") ||
      X509_sign(raw, key.get(), EVP_sha256()) == 0) {
    return openssl_error("making the cluster's certificate authority");
  }
  PREDA_TRY(CertificatePair pair, to_pem(raw, key.get()));
  return CertificateAuthority{std::move(pair)};
}

Result<CertificateAuthority> CertificateAuthority::load(std::string_view cert_pem,
                                                        std::string_view key_pem) {
  PREDA_TRY(CertPtr cert, read_cert(cert_pem));
  PREDA_TRY(KeyPtr key, read_key(key_pem));
  if (X509_check_ca(cert.get()) != 1)
    return make_error(ErrorCode::InvalidArgument, "the certificate is not one of an authority");
  if (X509_check_private_key(cert.get(), key.get()) != 1) {
    ERR_clear_error();
    return make_error(ErrorCode::InvalidArgument, "the key does not belong to the certificate");
  }
  return CertificateAuthority{CertificatePair{std::string{cert_pem}, std::string{key_pem}}};
}

Result<CertificatePair> CertificateAuthority::issue(NodeId node,
                                                    const std::vector<std::string>& hosts) const {
  std::string names = "URI:" + node_uri(node);
  for (const std::string& host : hosts) {
    const std::string_view name = host;
    if (!is_plain_host(name.starts_with("*.") ? name.substr(2) : name))
      return make_error(ErrorCode::InvalidArgument, "not a host name or address: " + host);
    names += (is_address(host) ? ",IP:" : ",DNS:") + host;
  }
  PREDA_TRY(CertPtr authority, read_cert(pair_.cert_pem));
  PREDA_TRY(KeyPtr authority_key, read_key(pair_.key_pem));
  KeyPtr key{EVP_EC_gen("P-256")};
  if (!key) return openssl_error("making a key");
  PREDA_TRY(CertPtr cert, new_certificate(key.get(), fmt::format("node-{:016x}", node.value())));
  X509* raw = cert.get();
  if (X509_set_issuer_name(raw, X509_get_subject_name(authority.get())) != 1 ||
      !add_extension(raw, authority.get(), NID_basic_constraints, "critical,CA:FALSE") ||
      !add_extension(raw, authority.get(), NID_key_usage, "critical,digitalSignature") ||
      !add_extension(raw, authority.get(), NID_ext_key_usage, "serverAuth,clientAuth") ||
      !add_extension(raw, authority.get(), NID_subject_key_identifier, "hash") ||
      !add_extension(raw, authority.get(), NID_authority_key_identifier, "keyid") ||
      !add_extension(raw, authority.get(), NID_subject_alt_name, names) ||
      X509_sign(raw, authority_key.get(), EVP_sha256()) == 0) {
    return openssl_error("issuing a node's certificate");
  }
  return to_pem(raw, key.get());
}

std::string node_uri(NodeId node) { return fmt::format("{}{:016x}", kUriPrefix, node.value()); }

Result<NodeId> node_of_uri(std::string_view uri) {
  if (uri.size() != kUriPrefix.size() + 16 || !uri.starts_with(kUriPrefix)) {
    return make_error(ErrorCode::InvalidArgument, "not a node's name");
  }
  std::uint64_t value = 0;
  for (char c : uri.substr(kUriPrefix.size())) {
    const bool digit = c >= '0' && c <= '9';
    if (!digit && !(c >= 'a' && c <= 'f'))
      return make_error(ErrorCode::InvalidArgument, "not a node's name");
    value = value << 4 | static_cast<std::uint64_t>(digit ? c - '0' : c - 'a' + 10);
  }
  return NodeId{value};
}

Result<NodeId> node_of_certificate(std::string_view cert_pem) {
  PREDA_TRY(CertPtr cert, read_cert(cert_pem));
  NamesPtr names{static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(cert.get(), NID_subject_alt_name, nullptr, nullptr))};
  for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_URI) continue;
    const ASN1_IA5STRING* uri = name->d.uniformResourceIdentifier;
    const auto* text = reinterpret_cast<const char*>(ASN1_STRING_get0_data(uri));
    auto node = node_of_uri({text, static_cast<std::size_t>(ASN1_STRING_length(uri))});
    if (node) return node;
  }
  return make_error(ErrorCode::InvalidArgument, "the certificate names no node");
}

}  // namespace predastore::crypto
