#pragma once

#include <vector>

#include "env/environment.h"
#include "segment/codec.h"
#include "shard/shard_service.h"

namespace predastore::chunk {

// Gives segments, whose `stored` is their logical bytes, the form and the checksum that they are
// stored with. Compression runs beside the loop.
Task<std::vector<shard::Segment>> encode_segments(Environment env, segment::Codec codec,
                                                  std::vector<shard::Segment> segments);

}  // namespace predastore::chunk
