#pragma once

#include <array>
#include <cstdint>

#include "base/buffer.h"

namespace predastore::digest {

// Inside digest: CRC64NVME of long inputs by carry-less multiplication, where the processor has it.

// False: fold_crc64 must not be called on this machine.
bool can_fold_crc64();

// What has the same remainder as all of `bytes`, whose size is a multiple of 64 and not 0, with
// `state` (inverted, as it is between two bytes) before it: 16 bytes to be taken with state 0.
std::array<std::byte, 16> fold_crc64(ByteSpan bytes, std::uint64_t state);

// With tables only, for short inputs, other processors, and to test the fast way against.
std::uint64_t crc64nvme_by_table(ByteSpan bytes, std::uint64_t so_far);

}  // namespace predastore::digest
