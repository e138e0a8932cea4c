#include "model/ids.h"

#include "base/codec.h"

namespace predastore {

std::string chunk_key(const ObjectId& object_id, ChunkIndex chunk_index) {
  Encoder encoder;
  encoder.raw(object_id.span()).be(chunk_index.value());
  return std::move(encoder).take();
}

}  // namespace predastore
