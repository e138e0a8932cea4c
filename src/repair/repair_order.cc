#include "repair/repair_order.h"

#include "base/codec.h"

namespace predastore::repair {

std::string encode(const RepairOrder& order) {
  Encoder out;
  out.raw(order.object_id.span()).le(order.chunk_index.value());
  out.le(order.buildable_roles).le(order.bytes_per_second);
  out.le(static_cast<std::uint8_t>(order.is_damaged ? 1 : 0));
  return std::move(out).take();
}

Result<RepairOrder> decode_repair_order(ByteSpan bytes) {
  Decoder in{bytes};
  RepairOrder order;
  const ByteSpan id = in.raw(sizeof(ObjectId));
  order.chunk_index = ChunkIndex{in.le<std::uint32_t>()};
  order.buildable_roles = in.le<std::uint32_t>();
  order.bytes_per_second = in.le<std::uint64_t>();
  const auto damaged = in.le<std::uint8_t>();
  order.is_damaged = damaged == 1;
  if (!in.ok() || damaged > 1)
    return make_error(ErrorCode::Corruption, "an order to repair that is cut short");
  order.object_id = ObjectId::from(id);
  return order;
}

std::string encode(const RepairAnswer& answer) {
  Encoder out;
  out.le(static_cast<std::uint8_t>(answer.outcome)).le(answer.shards_good);
  out.le(answer.shards_needed);
  return std::move(out).take();
}

Result<RepairAnswer> decode_repair_answer(ByteSpan bytes) {
  Decoder in{bytes};
  RepairAnswer answer;
  const auto outcome = in.le<std::uint8_t>();
  answer.shards_good = in.le<std::uint8_t>();
  answer.shards_needed = in.le<std::uint8_t>();
  if (!in.ok() || outcome < static_cast<std::uint8_t>(RepairOutcome::repaired) ||
      outcome > static_cast<std::uint8_t>(RepairOutcome::gone))
    return make_error(ErrorCode::Corruption, "an answer about a repair that cannot be read");
  answer.outcome = static_cast<RepairOutcome>(outcome);
  return answer;
}

}  // namespace predastore::repair
