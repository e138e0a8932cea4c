#include "digest/crc_fold.h"

#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace predastore::digest {

#if defined(__x86_64__)
namespace {

// Of degree 64, without that term and reflected: bit 0 is the highest power.
constexpr std::uint64_t kCrc64Nvme = 0x9a6c9329ac4bc9b5u;
// What is left modulo P·x^32 has the same remainder modulo P, and has degree 64 like the others.
// Reflected, P without its highest term stands in the low half.
constexpr std::uint64_t kCrc32 = 0xedb88320u;

// x^power modulo the polynomial.
constexpr std::uint64_t power_of_x(std::uint64_t polynomial, unsigned power) {
  std::uint64_t value = std::uint64_t{1} << 63;
  for (unsigned i = 0; i < power; ++i)
    value = (value & 1) != 0 ? (value >> 1) ^ polynomial : value >> 1;
  return value;
}

// Sixteen bytes are low(x)·x^64 + high(x), the first byte in the low half. So many bits further
// to the front they are low·x^(64+bits) + high·x^bits. The product of two reflected words is one
// power of x too high in a register of 128 bits, so the constants are one too low.
template <std::uint64_t kPolynomial, unsigned kBits>
struct Fold {
  static constexpr std::uint64_t kLow = power_of_x(kPolynomial, kBits + 63);
  static constexpr std::uint64_t kHigh = power_of_x(kPolynomial, kBits - 1);
};

template <std::uint64_t kPolynomial, unsigned kBits>
__attribute__((target("pclmul,sse2"), always_inline)) inline __m128i folded(__m128i bytes,
                                                                            __m128i next) {
  const __m128i constants = _mm_set_epi64x(static_cast<long long>(Fold<kPolynomial, kBits>::kHigh),
                                           static_cast<long long>(Fold<kPolynomial, kBits>::kLow));
  const __m128i low = _mm_clmulepi64_si128(bytes, constants, 0x00);
  const __m128i high = _mm_clmulepi64_si128(bytes, constants, 0x11);
  return _mm_xor_si128(_mm_xor_si128(low, high), next);
}

__attribute__((target("pclmul,sse2"), always_inline)) inline __m128i load(const std::byte* at) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
}

#define PREDA_WIDE __attribute__((target("avx512f,vpclmulqdq,pclmul"), always_inline)) inline

template <std::uint64_t kPolynomial, unsigned kBits>
PREDA_WIDE __m512i folded_wide(__m512i bytes, __m512i next) {
  const auto low_constant = static_cast<long long>(Fold<kPolynomial, kBits>::kLow);
  const auto high_constant = static_cast<long long>(Fold<kPolynomial, kBits>::kHigh);
  const __m512i constants =
      _mm512_set_epi64(high_constant, low_constant, high_constant, low_constant, high_constant,
                       low_constant, high_constant, low_constant);
  const __m512i low = _mm512_clmulepi64_epi128(bytes, constants, 0x00);
  const __m512i high = _mm512_clmulepi64_epi128(bytes, constants, 0x11);
  return _mm512_xor_si512(_mm512_xor_si512(low, high), next);
}

PREDA_WIDE __m512i load_wide(const std::byte* at) { return _mm512_loadu_si512(at); }

// The same sixteen lanes at a time: 64 bytes, from a multiple of 256.
template <std::uint64_t kPolynomial>
__attribute__((target("avx512f,vpclmulqdq,pclmul"))) std::array<std::byte, 64> fold_wide(
    ByteSpan bytes, std::uint64_t state) {
  const std::byte* at = bytes.data();
  const std::byte* const end = at + bytes.size();
  const __m512i before = _mm512_set_epi64(0, 0, 0, 0, 0, 0, 0, static_cast<long long>(state));
  __m512i lane0 = _mm512_xor_si512(load_wide(at), before);
  __m512i lane1 = load_wide(at + 64);
  __m512i lane2 = load_wide(at + 128);
  __m512i lane3 = load_wide(at + 192);
  for (at += 256; at != end; at += 256) {
    lane0 = folded_wide<kPolynomial, 2048>(lane0, load_wide(at));
    lane1 = folded_wide<kPolynomial, 2048>(lane1, load_wide(at + 64));
    lane2 = folded_wide<kPolynomial, 2048>(lane2, load_wide(at + 128));
    lane3 = folded_wide<kPolynomial, 2048>(lane3, load_wide(at + 192));
  }
  const __m512i all = folded_wide<kPolynomial, 512>(
      folded_wide<kPolynomial, 512>(folded_wide<kPolynomial, 512>(lane0, lane1), lane2), lane3);
  std::array<std::byte, 64> rest{};
  _mm512_storeu_si512(rest.data(), all);
  return rest;
}

#define PREDA_HALF __attribute__((target("avx2,vpclmulqdq,pclmul"), always_inline)) inline

template <std::uint64_t kPolynomial, unsigned kBits>
PREDA_HALF __m256i folded_half(__m256i bytes, __m256i next) {
  const auto low_constant = static_cast<long long>(Fold<kPolynomial, kBits>::kLow);
  const auto high_constant = static_cast<long long>(Fold<kPolynomial, kBits>::kHigh);
  const __m256i constants =
      _mm256_set_epi64x(high_constant, low_constant, high_constant, low_constant);
  const __m256i low = _mm256_clmulepi64_epi128(bytes, constants, 0x00);
  const __m256i high = _mm256_clmulepi64_epi128(bytes, constants, 0x11);
  return _mm256_xor_si256(_mm256_xor_si256(low, high), next);
}

PREDA_HALF __m256i load_half(const std::byte* at) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
}

// The same for processors without AVX-512: what comes out is two lanes of 16 bytes, the second half
// of the 64 that fold_wide gives; what stands before them is 0.
template <std::uint64_t kPolynomial>
__attribute__((target("avx2,vpclmulqdq,pclmul"))) std::array<std::byte, 64> fold_half(
    ByteSpan bytes, std::uint64_t state) {
  const std::byte* at = bytes.data();
  const std::byte* const end = at + bytes.size();
  const __m256i before = _mm256_set_epi64x(0, 0, 0, static_cast<long long>(state));
  __m256i lane0 = _mm256_xor_si256(load_half(at), before);
  __m256i lane1 = load_half(at + 32);
  __m256i lane2 = load_half(at + 64);
  __m256i lane3 = load_half(at + 96);
  for (at += 128; at != end; at += 128) {
    lane0 = folded_half<kPolynomial, 1024>(lane0, load_half(at));
    lane1 = folded_half<kPolynomial, 1024>(lane1, load_half(at + 32));
    lane2 = folded_half<kPolynomial, 1024>(lane2, load_half(at + 64));
    lane3 = folded_half<kPolynomial, 1024>(lane3, load_half(at + 96));
  }
  const __m256i all = folded_half<kPolynomial, 256>(
      folded_half<kPolynomial, 256>(folded_half<kPolynomial, 256>(lane0, lane1), lane2), lane3);
  std::array<std::byte, 64> rest{};
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(rest.data() + 32), all);
  return rest;
}

bool can_fold_half() {
  return __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("vpclmulqdq") != 0;
}

bool can_fold_wide() {
  return __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("vpclmulqdq") != 0;
}

template <std::uint64_t kPolynomial>
__attribute__((target("pclmul,sse2"))) std::array<std::byte, 16> fold_narrow(ByteSpan bytes,
                                                                             std::uint64_t state) {
  const std::byte* at = bytes.data();
  const std::byte* const end = at + bytes.size();
  __m128i lane0 = _mm_xor_si128(load(at), _mm_set_epi64x(0, static_cast<long long>(state)));
  __m128i lane1 = load(at + 16);
  __m128i lane2 = load(at + 32);
  __m128i lane3 = load(at + 48);
  for (at += 64; at != end; at += 64) {
    lane0 = folded<kPolynomial, 512>(lane0, load(at));
    lane1 = folded<kPolynomial, 512>(lane1, load(at + 16));
    lane2 = folded<kPolynomial, 512>(lane2, load(at + 32));
    lane3 = folded<kPolynomial, 512>(lane3, load(at + 48));
  }
  const __m128i all = folded<kPolynomial, 128>(
      folded<kPolynomial, 128>(folded<kPolynomial, 128>(lane0, lane1), lane2), lane3);
  std::array<std::byte, 16> rest{};
  _mm_storeu_si128(reinterpret_cast<__m128i*>(rest.data()), all);
  return rest;
}

template <std::uint64_t kPolynomial>
std::array<std::byte, 16> fold(ByteSpan bytes, std::uint64_t state) {
  PREDA_ASSERT(!bytes.empty() && bytes.size() % 64 == 0);
  static const auto fold_most = can_fold_wide()   ? fold_wide<kPolynomial>
                                : can_fold_half() ? fold_half<kPolynomial>
                                                  : nullptr;
  const std::size_t wide_bytes = bytes.size() / 256 * 256;
  if (fold_most == nullptr || wide_bytes < 512) return fold_narrow<kPolynomial>(bytes, state);
  // What is left after the wide part is at most three lanes of 64 bytes.
  std::array<std::byte, 256> rest{};
  const auto folded_bytes = fold_most(bytes.first(wide_bytes), state);
  std::memcpy(rest.data(), folded_bytes.data(), folded_bytes.size());
  const ByteSpan tail = bytes.subspan(wide_bytes);
  if (!tail.empty()) std::memcpy(rest.data() + folded_bytes.size(), tail.data(), tail.size());
  return fold_narrow<kPolynomial>(ByteSpan{rest}.first(folded_bytes.size() + tail.size()), 0);
}

}  // namespace

bool can_fold_crc() { return __builtin_cpu_supports("pclmul") != 0; }

bool can_fold_crc_wide() { return can_fold_half() || can_fold_wide(); }

std::array<std::byte, 16> fold_crc64nvme(ByteSpan bytes, std::uint64_t state) {
  return fold<kCrc64Nvme>(bytes, state);
}

std::array<std::byte, 16> fold_crc32(ByteSpan bytes, std::uint32_t state) {
  return fold<kCrc32>(bytes, state);
}
#else
bool can_fold_crc() { return false; }
bool can_fold_crc_wide() { return false; }
std::array<std::byte, 16> fold_crc64nvme(ByteSpan, std::uint64_t) {
  PREDA_ASSERT(!"this processor cannot fold");
  return {};
}
std::array<std::byte, 16> fold_crc32(ByteSpan, std::uint32_t) {
  PREDA_ASSERT(!"this processor cannot fold");
  return {};
}
#endif

}  // namespace predastore::digest
