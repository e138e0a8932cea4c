#include "erasure/codec.h"

#include <isa-l/erasure_code.h>

#include <algorithm>
#include <array>

namespace predastore::erasure {
namespace {

// Bytes of the tables of one coefficient.
constexpr std::size_t kTableBytes = 32;
// Tables are at most 4 KiB; a cluster that loses nodes sees a handful of patterns.
constexpr std::size_t kDecodeTablesMax = 512;
constexpr std::size_t kWidthMax = kDataShardsMax + kParityShardsMax;

// What follows a segment that is shorter than its stripe.
alignas(64) constexpr std::array<unsigned char, kSegmentSizeBytes> kZeroes{};

// ISA-L's C interface takes pointers to mutable bytes for what it only reads.
unsigned char* source_pointer(const std::byte* bytes) {
  return const_cast<unsigned char*>(reinterpret_cast<const unsigned char*>(bytes));
}

// The coded rows of `sources`, all zero-extended to the length of `targets`. In runs in which no
// source ends, so that nothing has to be copied to be extended.
void code(const std::vector<unsigned char>& tables, std::span<const ByteSpan> sources,
          std::span<const MutableByteSpan> targets) {
  if (targets.empty()) return;
  const std::size_t size = targets.front().size();
  std::array<unsigned char*, kWidthMax> from{};
  std::array<unsigned char*, kWidthMax> to{};
  for (std::size_t at = 0; at < size;) {
    std::size_t run = std::min(size - at, kZeroes.size());
    for (std::size_t i = 0; i < sources.size(); ++i) {
      if (sources[i].size() > at) {
        run = std::min(run, sources[i].size() - at);
        from[i] = source_pointer(sources[i].data() + at);
      } else {
        from[i] = const_cast<unsigned char*>(kZeroes.data());
      }
    }
    for (std::size_t i = 0; i < targets.size(); ++i)
      to[i] = reinterpret_cast<unsigned char*>(targets[i].data() + at);
    ec_encode_data(static_cast<int>(run), static_cast<int>(sources.size()),
                   static_cast<int>(targets.size()), const_cast<unsigned char*>(tables.data()),
                   from.data(), to.data());
    at += run;
  }
}

}  // namespace

bool is_supported(RsConfig rs) {
  return rs.data_shards >= 1 && rs.data_shards <= kDataShardsMax &&
         rs.parity_shards <= kParityShardsMax;
}

Codec::Codec(RsConfig rs) : rs_(rs) {
  PREDA_ASSERT(is_supported(rs));
  const std::size_t k = rs.data_shards;
  const std::size_t m = rs.parity_shards;
  matrix_.resize((k + m) * k);
  for (std::size_t row = 0; row < k + m; ++row) {
    for (std::size_t column = 0; column < k; ++column) {
      matrix_[row * k + column] = row < k ? static_cast<unsigned char>(row == column)
                                          : gf_inv(static_cast<unsigned char>(row ^ column));
    }
  }
  encode_tables_.resize(kTableBytes * k * m);
  if (m > 0) {
    ec_init_tables(static_cast<int>(k), static_cast<int>(m), matrix_.data() + k * k,
                   encode_tables_.data());
  }
}

void Codec::encode(std::span<const ByteSpan> data, std::span<const MutableByteSpan> parity) const {
  PREDA_ASSERT(data.size() == rs_.data_shards);
  PREDA_ASSERT(parity.size() == rs_.parity_shards);
  std::size_t longest = 0;
  for (const ByteSpan segment : data) longest = std::max(longest, segment.size());
  for (const MutableByteSpan segment : parity) PREDA_ASSERT(segment.size() == longest);
  code(encode_tables_, data, parity);
}

Result<void> Codec::decode(std::span<const Present> present, std::span<const Wanted> wanted) {
  std::array<const Present*, kWidthMax> by_role{};
  for (const Present& segment : present) {
    PREDA_ASSERT(segment.role.value() < rs_.width());
    by_role[segment.role.value()] = &segment;
  }
  RoleMask sources = 0;
  std::vector<ByteSpan> from;
  for (std::size_t role = 0; role < rs_.width() && from.size() < rs_.data_shards; ++role) {
    if (by_role[role] == nullptr) continue;
    sources |= RoleMask{1} << role;
    from.push_back(by_role[role]->bytes);
  }
  if (from.size() < rs_.data_shards)
    return make_error(ErrorCode::Unavailable, "fewer segments of a stripe than it takes");
  std::array<const Wanted*, kWidthMax> target_of{};
  RoleMask targets = 0;
  for (const Wanted& segment : wanted) {
    PREDA_ASSERT(segment.role.value() < rs_.width());
    PREDA_ASSERT(segment.bytes.size() == wanted.front().bytes.size());
    targets |= RoleMask{1} << segment.role.value();
    target_of[segment.role.value()] = &segment;
  }
  std::vector<MutableByteSpan> to;
  for (const Wanted* segment : target_of) {
    if (segment != nullptr) to.push_back(segment->bytes);
  }
  if (to.empty()) return {};
  for (const ByteSpan bytes : from) PREDA_ASSERT(bytes.size() <= to.front().size());
  code(*decode_tables(sources, targets), from, to);
  return {};
}

// With S the rows of the matrix of the segments that are there, data = S^-1 * sources, and a
// wanted segment is its own row of the matrix times that.
std::shared_ptr<const Codec::Tables> Codec::decode_tables(RoleMask sources, RoleMask targets) {
  const auto found = decode_tables_.find({sources, targets});
  if (found != decode_tables_.end()) return found->second;
  const std::size_t k = rs_.data_shards;
  std::vector<unsigned char> chosen;
  for (std::size_t role = 0; role < rs_.width(); ++role) {
    if ((sources >> role & 1) == 0) continue;
    const auto row = matrix_.begin() + static_cast<std::ptrdiff_t>(role * k);
    chosen.insert(chosen.end(), row, row + static_cast<std::ptrdiff_t>(k));
  }
  std::vector<unsigned char> inverse(k * k);
  const int is_singular = gf_invert_matrix(chosen.data(), inverse.data(), static_cast<int>(k));
  PREDA_ASSERT(is_singular == 0);  // every K rows of a systematic Cauchy matrix are independent
  std::vector<unsigned char> rows;
  for (std::size_t role = 0; role < rs_.width(); ++role) {
    if ((targets >> role & 1) == 0) continue;
    for (std::size_t column = 0; column < k; ++column) {
      unsigned char sum = 0;
      for (std::size_t i = 0; i < k; ++i)
        sum ^= gf_mul(matrix_[role * k + i], inverse[i * k + column]);
      rows.push_back(sum);
    }
  }
  auto tables = std::make_shared<Tables>(kTableBytes * rows.size());
  ec_init_tables(static_cast<int>(k), static_cast<int>(rows.size() / k), rows.data(),
                 tables->data());
  if (decode_tables_.size() >= kDecodeTablesMax) decode_tables_.clear();
  decode_tables_[{sources, targets}] = tables;
  return tables;
}

}  // namespace predastore::erasure
