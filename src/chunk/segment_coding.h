#pragma once

#include <vector>

#include "env/environment.h"
#include "model/layout.h"
#include "segment/codec.h"
#include "shard/shard_service.h"

namespace predastore::chunk {

// The cluster's default is nothing that a chunk knows: it is none here.
segment::Codec codec_of(Compression compression);

// Gives segments, whose `stored` is their logical bytes, the form and the checksum that they are
// stored with. Compression runs beside the loop.
Task<std::vector<shard::Segment>> encode_segments(Environment env, segment::Codec codec,
                                                  std::vector<shard::Segment> segments);

}  // namespace predastore::chunk
