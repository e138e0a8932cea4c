#include "digest/crc.h"

#include <isa-l/crc.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>

#include "digest/crc_fold.h"

namespace predastore::digest {
namespace {

// The polynomials, reflected: bit 0 is the highest power.
constexpr std::uint32_t kCrc32Polynomial = 0xedb88320u;
constexpr std::uint32_t kCrc32cPolynomial = 0x82f63b78u;
constexpr std::uint64_t kCrc64NvmePolynomial = 0x9a6c9329ac4bc9b5u;

// a(x)·b(x) modulo the polynomial.
template <class T>
constexpr T multiply(T polynomial, T a, T b) {
  constexpr T kOne = T{1} << (std::numeric_limits<T>::digits - 1);  // x^0
  T product = 0;
  for (T bit = kOne; bit != 0; bit >>= 1) {
    if (a & bit) product ^= b;
    b = static_cast<T>((b & 1) ? (b >> 1) ^ polynomial : b >> 1);
  }
  return product;
}

// x^(8·size_bytes) modulo the polynomial, by squaring.
template <class T>
constexpr T power_of_bytes(T polynomial, std::uint64_t size_bytes) {
  constexpr T kOne = T{1} << (std::numeric_limits<T>::digits - 1);
  T result = kOne;
  T square = kOne >> 8;  // x^8
  for (; size_bytes != 0; size_bytes >>= 1) {
    if (size_bytes & 1) result = multiply(polynomial, result, square);
    square = multiply(polynomial, square, square);
  }
  return result;
}

template <class T>
T combine(T polynomial, T a, T b, std::uint64_t b_size_bytes) {
  return multiply(polynomial, power_of_bytes(polynomial, b_size_bytes), a) ^ b;
}

// Slicing by 8: table[k][byte] is the remainder of that byte with k zero bytes after it. Debian
// 12's ISA-L (2.30) has no CRC64NVME; 2.31 has.
constexpr std::size_t kSlices = 8;
using Tables = std::array<std::array<std::uint64_t, 256>, kSlices>;

constexpr Tables make_tables() {
  Tables tables{};
  for (std::uint64_t byte = 0; byte < 256; ++byte) {
    std::uint64_t value = byte;
    for (int bit = 0; bit < 8; ++bit)
      value = (value & 1) ? (value >> 1) ^ kCrc64NvmePolynomial : value >> 1;
    tables[0][byte] = value;
  }
  for (std::size_t slice = 1; slice < kSlices; ++slice) {
    for (std::size_t byte = 0; byte < 256; ++byte) {
      const std::uint64_t before = tables[slice - 1][byte];
      tables[slice][byte] = tables[0][before & 0xff] ^ (before >> 8);
    }
  }
  return tables;
}
constexpr Tables kTables = make_tables();

static_assert(std::endian::native == std::endian::little);

// `plain` takes what folding leaves, and what is no whole block at the end.
template <class T>
T by_folding(ByteSpan bytes, T so_far, std::array<std::byte, 16> (*fold)(ByteSpan, T),
             T (*plain)(ByteSpan, T)) {
  const std::size_t folded_bytes = bytes.size() / 64 * 64;
  const auto rest = fold(bytes.first(folded_bytes), static_cast<T>(~so_far));
  const T crc = plain(rest, static_cast<T>(~T{0}));  // state 0
  return plain(bytes.subspan(folded_bytes), crc);
}

const unsigned char* raw(ByteSpan bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

}  // namespace

// ISA-L 2.30 multiplies in registers of 128 bits; in wider ones long inputs take half the time.
std::uint32_t crc32(ByteSpan bytes, std::uint32_t so_far) {
  constexpr std::size_t kFoldMin = 1024;
  static const bool can_fold = can_fold_crc_wide();
  if (!can_fold || bytes.size() < kFoldMin) return crc32_by_isal(bytes, so_far);
  return by_folding(bytes, so_far, fold_crc32, crc32_by_isal);
}

std::uint32_t crc32_by_isal(ByteSpan bytes, std::uint32_t so_far) {
  return ::crc32_gzip_refl(so_far, raw(bytes), bytes.size());
}

std::uint32_t crc32c(ByteSpan bytes, std::uint32_t so_far) {
  std::uint32_t state = ~so_far;
  while (!bytes.empty()) {
    const std::size_t size_bytes =
        std::min<std::size_t>(bytes.size(), 1u << 30);  // ISA-L takes an int
    state = ::crc32_iscsi(const_cast<unsigned char*>(raw(bytes)), static_cast<int>(size_bytes),
                          state);  // NOLINT: it only reads
    bytes = bytes.subspan(size_bytes);
  }
  return ~state;
}

std::uint64_t crc64nvme_by_table(ByteSpan bytes, std::uint64_t so_far) {
  std::uint64_t state = ~so_far;
  while (bytes.size() >= kSlices) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data(), sizeof(word));
    word ^= state;
    state = kTables[7][word & 0xff] ^ kTables[6][(word >> 8) & 0xff] ^
            kTables[5][(word >> 16) & 0xff] ^ kTables[4][(word >> 24) & 0xff] ^
            kTables[3][(word >> 32) & 0xff] ^ kTables[2][(word >> 40) & 0xff] ^
            kTables[1][(word >> 48) & 0xff] ^ kTables[0][word >> 56];
    bytes = bytes.subspan(kSlices);
  }
  for (const std::byte byte : bytes)
    state = kTables[0][(state ^ static_cast<std::uint64_t>(byte)) & 0xff] ^ (state >> 8);
  return ~state;
}

std::uint64_t crc64nvme(ByteSpan bytes, std::uint64_t so_far) {
  constexpr std::size_t kFoldMin = 128;
  static const bool can_fold = can_fold_crc();
  if (!can_fold || bytes.size() < kFoldMin) return crc64nvme_by_table(bytes, so_far);
  return by_folding(bytes, so_far, fold_crc64nvme, crc64nvme_by_table);
}

std::uint32_t crc32_combine(std::uint32_t a, std::uint32_t b, std::uint64_t b_size_bytes) {
  return combine(kCrc32Polynomial, a, b, b_size_bytes);
}
std::uint32_t crc32c_combine(std::uint32_t a, std::uint32_t b, std::uint64_t b_size_bytes) {
  return combine(kCrc32cPolynomial, a, b, b_size_bytes);
}
std::uint64_t crc64nvme_combine(std::uint64_t a, std::uint64_t b, std::uint64_t b_size_bytes) {
  return combine(kCrc64NvmePolynomial, a, b, b_size_bytes);
}

}  // namespace predastore::digest
