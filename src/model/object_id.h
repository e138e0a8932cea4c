#pragma once

#include <array>
#include <cstddef>
#include <string_view>

#include "model/ids.h"

namespace predastore {

// SHA-256(bucket/path ‖ 0 ‖ salt): with a random salt, an id that no other write has.
ObjectId make_object_id(std::string_view bucket, std::string_view key,
                        const std::array<std::byte, 16>& salt);

}  // namespace predastore
