// What OpenSSL 3 deprecates is the interface to single blocks, which its digests do not have.
#define OPENSSL_SUPPRESS_DEPRECATED

#include "digest/md5_lanes.h"

#include <openssl/md5.h>

#include <algorithm>
#include <bit>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace predastore::digest {

static_assert(std::endian::native == std::endian::little);

namespace {

constexpr std::size_t kBlockBytes = MD5_CBLOCK;

}  // namespace

// ---- one stream

// OpenSSL's code for one stream is as fast as there is.
void Md5Stream::run_blocks(ByteSpan blocks) {
  PREDA_ASSERT(blocks.size() % kBlockBytes == 0);
  if (blocks.empty()) return;
  MD5_CTX context{};
  context.A = state_[0];
  context.B = state_[1];
  context.C = state_[2];
  context.D = state_[3];
  MD5_Update(&context, blocks.data(), blocks.size());
  state_ = {context.A, context.B, context.C, context.D};
}

// Completes the block that has begun, or as much of it as there is; what is left of `bytes`.
ByteSpan Md5Stream::fill_rest(ByteSpan bytes) {
  const std::size_t filled = rest_size();
  if (filled == 0) return bytes;
  const std::size_t count = std::min(kBlockBytes - filled, bytes.size());
  if (count > 0) std::memcpy(rest_.data() + filled, bytes.data(), count);
  size_bytes_ += count;
  if (filled + count == kBlockBytes) run_blocks(rest_);
  return bytes.subspan(count);
}

void Md5Stream::update(ByteSpan bytes) {
  bytes = fill_rest(bytes);
  const std::size_t whole = bytes.size() / kBlockBytes * kBlockBytes;
  run_blocks(bytes.first(whole));
  bytes = bytes.subspan(whole);
  if (!bytes.empty()) std::memcpy(rest_.data(), bytes.data(), bytes.size());
  size_bytes_ += whole + bytes.size();
}

std::string Md5Stream::finish() {
  const std::uint64_t size_bits = size_bytes_ * 8;
  std::array<std::byte, 2 * kBlockBytes> padding{std::byte{0x80}};
  const std::size_t filled = rest_size();
  const std::size_t zeros_end = filled < kBlockBytes - 8 ? kBlockBytes - 8 : 2 * kBlockBytes - 8;
  update(ByteSpan{padding}.first(zeros_end - filled));
  std::array<std::byte, 8> size{};
  std::memcpy(size.data(), &size_bits, sizeof size_bits);
  update(size);
  std::string digest(16, '\0');
  std::memcpy(digest.data(), state_.data(), digest.size());
  *this = Md5Stream{};
  return digest;
}

void update_in_turn(std::span<Md5Work> works) {
  for (Md5Work& work : works) {
    for (const ByteSpan piece : work.pieces) work.stream->update(piece);
  }
}

// ---- many streams

#if defined(__x86_64__)

namespace {

#define PREDA_LANES __attribute__((target("avx2"), always_inline)) inline

// Of a block; in each a lane for each stream.
struct Words {
  __m256i at[16];
};

struct LaneState {
  __m256i a, b, c, d;
};

// The integer parts of 2^32·|sin(i + 1)|, of which RFC 1321 makes its constants.
constexpr std::array<std::uint32_t, 64> kSines = {
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
    0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
    0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391};
constexpr std::array<std::array<int, 4>, 4> kRotations = {
    {{7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}}};
// Which word of the block a step of each round takes: (factor·i + first) mod 16.
constexpr std::array<std::array<std::size_t, 2>, 4> kWordOrder = {{{1, 0}, {5, 1}, {3, 5}, {7, 0}}};

template <std::size_t kRound>
PREDA_LANES __m256i mixed(__m256i b, __m256i c, __m256i d) {
  if constexpr (kRound == 0)
    return _mm256_xor_si256(d, _mm256_and_si256(b, _mm256_xor_si256(c, d)));
  // (b & d) | (c & ~d): nothing is in both, so the sum is the same, and c & ~d is not on b's path.
  if constexpr (kRound == 1)
    return _mm256_or_si256(_mm256_and_si256(b, d), _mm256_andnot_si256(d, c));
  if constexpr (kRound == 2) return _mm256_xor_si256(b, _mm256_xor_si256(c, d));
  return _mm256_xor_si256(c, _mm256_or_si256(b, _mm256_xor_si256(d, _mm256_set1_epi32(-1))));
}

template <std::size_t kStep>
PREDA_LANES void step(LaneState& state, const Words& words) {
  constexpr std::size_t kRound = kStep / 16;
  constexpr int kLeft = kRotations[kRound][kStep % 4];
  constexpr std::size_t kWord = (kWordOrder[kRound][0] * kStep + kWordOrder[kRound][1]) % 16;
  const __m256i constant = _mm256_set1_epi32(static_cast<int>(kSines[kStep]));
  __m256i early = _mm256_add_epi32(state.a, _mm256_add_epi32(words.at[kWord], constant));
  // The step is as long as the way from b of the last one: the compiler is not to put these sums
  // behind what waits for b.
  asm("" : "+x"(early));
  const __m256i sum = _mm256_add_epi32(early, mixed<kRound>(state.b, state.c, state.d));
  const __m256i turned =
      _mm256_or_si256(_mm256_slli_epi32(sum, kLeft), _mm256_srli_epi32(sum, 32 - kLeft));
  state = {state.d, _mm256_add_epi32(state.b, turned), state.b, state.c};
}

template <std::size_t... kSteps>
PREDA_LANES void steps(LaneState& state, const Words& words, std::index_sequence<kSteps...>) {
  (step<kSteps>(state, words), ...);
}

// Eight words of eight streams, turned so that each register has one word of all of them.
PREDA_LANES void load_words(const std::array<const std::byte*, kMd5LanesMax>& at,
                            std::size_t offset_bytes, __m256i* words) {
  __m256i rows[8];
#pragma GCC unroll 8
  for (std::size_t lane = 0; lane < 8; ++lane)
    rows[lane] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at[lane] + offset_bytes));
  __m256i pairs[8];
#pragma GCC unroll 4
  for (std::size_t i = 0; i < 8; i += 2) {
    pairs[i] = _mm256_unpacklo_epi32(rows[i], rows[i + 1]);
    pairs[i + 1] = _mm256_unpackhi_epi32(rows[i], rows[i + 1]);
  }
  __m256i fours[8];
#pragma GCC unroll 2
  for (std::size_t i = 0; i < 8; i += 4) {
    fours[i] = _mm256_unpacklo_epi64(pairs[i], pairs[i + 2]);
    fours[i + 1] = _mm256_unpackhi_epi64(pairs[i], pairs[i + 2]);
    fours[i + 2] = _mm256_unpacklo_epi64(pairs[i + 1], pairs[i + 3]);
    fours[i + 3] = _mm256_unpackhi_epi64(pairs[i + 1], pairs[i + 3]);
  }
#pragma GCC unroll 4
  for (std::size_t i = 0; i < 4; ++i) {
    words[i] = _mm256_permute2x128_si256(fours[i], fours[i + 4], 0x20);
    words[i + 4] = _mm256_permute2x128_si256(fours[i], fours[i + 4], 0x31);
  }
}

using StateWords = std::array<std::array<std::uint32_t, kMd5LanesMax>, 4>;

__attribute__((target("avx2"))) void run_lanes(StateWords& words_of_state,
                                               std::array<const std::byte*, kMd5LanesMax> at,
                                               std::size_t blocks) {
  const auto load = [&words_of_state](std::size_t i) __attribute__((target("avx2"))) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(words_of_state[i].data()));
  };
  LaneState state{load(0), load(1), load(2), load(3)};
  for (; blocks > 0; --blocks) {
    Words words;
    load_words(at, 0, words.at);
    load_words(at, 32, words.at + 8);
    const LaneState before = state;
    steps(state, words, std::make_index_sequence<64>{});
    state = {_mm256_add_epi32(state.a, before.a), _mm256_add_epi32(state.b, before.b),
             _mm256_add_epi32(state.c, before.c), _mm256_add_epi32(state.d, before.d)};
    for (const std::byte*& each : at) each += kBlockBytes;
  }
  const auto store = [&words_of_state](std::size_t i,
                                       const __m256i& lanes) __attribute__((target("avx2"))) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(words_of_state[i].data()), lanes);
  };
  store(0, state.a);
  store(1, state.b);
  store(2, state.c);
  store(3, state.d);
}

}  // namespace

class Md5Lanes {
 public:
  explicit Md5Lanes(std::span<Md5Work> works) {
    for (Md5Work& work : works) waiting_.push_back({&work, 0, {}});
  }

  // As many as there are lanes go on in step, as far as the shortest of their pieces reaches.
  void run() {
    std::vector<Cursor> lanes;
    for (;;) {
      while (lanes.size() < kMd5LanesMax && !waiting_.empty()) {
        if (next_blocks(waiting_.back())) lanes.push_back(waiting_.back());
        waiting_.pop_back();
      }
      if (lanes.empty()) return;
      // One stream gains nothing from lanes.
      if (lanes.size() == 1)
        run_one(lanes.front());
      else
        run_some(lanes);
      std::erase_if(lanes, [](Cursor& each) { return each.blocks.empty() && !next_blocks(each); });
    }
  }

 private:
  struct Cursor {
    Md5Work* work;
    std::size_t next_piece;
    ByteSpan blocks;  // whole ones
  };

  // False: the stream has everything. What is no whole block is hashed at once or kept by it.
  static bool next_blocks(Cursor& cursor) {
    Md5Stream& stream = *cursor.work->stream;
    while (cursor.next_piece < cursor.work->pieces.size()) {
      const ByteSpan bytes = stream.fill_rest(cursor.work->pieces[cursor.next_piece]);
      const std::size_t whole = bytes.size() / kBlockBytes * kBlockBytes;
      if (whole == 0) {
        stream.update(bytes);
        ++cursor.next_piece;
        continue;
      }
      cursor.work->pieces[cursor.next_piece] = bytes.subspan(whole);
      cursor.blocks = bytes.first(whole);
      return true;
    }
    return false;
  }

  static void run_one(Cursor& cursor) {
    cursor.work->stream->update(cursor.blocks);
    cursor.blocks = {};
  }

  static void run_some(std::vector<Cursor>& lanes) {
    std::size_t size = lanes.front().blocks.size();
    for (const Cursor& each : lanes) size = std::min(size, each.blocks.size());
    StateWords words{};
    std::array<const std::byte*, kMd5LanesMax> at{};
    at.fill(lanes.front().blocks.data());  // what is not used hashes something
    for (std::size_t lane = 0; lane < lanes.size(); ++lane) {
      at[lane] = lanes[lane].blocks.data();
      for (std::size_t i = 0; i < 4; ++i) words[i][lane] = lanes[lane].work->stream->state_[i];
    }
    run_lanes(words, at, size / kBlockBytes);
    for (std::size_t lane = 0; lane < lanes.size(); ++lane) {
      Md5Stream& stream = *lanes[lane].work->stream;
      for (std::size_t i = 0; i < 4; ++i) stream.state_[i] = words[i][lane];
      stream.size_bytes_ += size;
      lanes[lane].blocks = lanes[lane].blocks.subspan(size);
    }
  }

  std::vector<Cursor> waiting_;
};

void update_together(std::span<Md5Work> works) {
  static const bool has_avx2 = __builtin_cpu_supports("avx2") != 0;
  if (!has_avx2 || works.size() < 2) return update_in_turn(works);
  Md5Lanes{works}.run();
}

#else

void update_together(std::span<Md5Work> works) { update_in_turn(works); }

#endif

}  // namespace predastore::digest
