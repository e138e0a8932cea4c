#pragma once

#include <array>
#include <cstdint>

#include "base/buffer.h"

namespace predastore::digest {

// Inside digest: checksums of long inputs by carry-less multiplication, where the processor has it.
// After Gopal et al., "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ Instruction".

// False: the folds must not be called on this machine.
bool can_fold_crc();
// In registers of 256 or 512 bits.
bool can_fold_crc_wide();

// What has the same remainder as all of `bytes`, whose size is a multiple of 64 and not 0, with
// `state` (inverted, as it is between two bytes) before it: 16 bytes to be taken with state 0.
std::array<std::byte, 16> fold_crc64nvme(ByteSpan bytes, std::uint64_t state);
std::array<std::byte, 16> fold_crc32(ByteSpan bytes, std::uint32_t state);

// With tables only, for short inputs, other processors, and to test the fast way against.
std::uint64_t crc64nvme_by_table(ByteSpan bytes, std::uint64_t so_far);
// ISA-L's, for the same.
std::uint32_t crc32_by_isal(ByteSpan bytes, std::uint32_t so_far);

}  // namespace predastore::digest
