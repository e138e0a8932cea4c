#include <cstring>
#include <string>
#include <vector>

#include "digest/crc.h"
#include "env/testing/fakes.h"
#include "raft/log/entry_log.h"
#include "raft/log/log_format.h"

namespace {

using namespace predastore;        // NOLINT: the fuzzer's own vocabulary
using namespace predastore::raft;  // NOLINT

std::uint32_t u32_at(const std::string& bytes, std::size_t at) {
  std::uint32_t number = 0;
  std::memcpy(&number, bytes.data() + at, sizeof number);
  return number;
}

// Hardly any mutation would get past a checksum, so they are put right: of the head, and of the
// records and the mark of each group for as long as they can be found.
void seal(std::string& bytes) {
  if (bytes.size() < kLogBlockBytes) return;
  std::memcpy(bytes.data(), "PSL3", 4);
  Encoder head;
  head.le(digest::crc32(as_bytes(bytes).subspan(8, kLogBlockBytes - 8)));
  bytes.replace(4, 4, head.str());
  const auto decoded = decode_log_head(as_bytes(bytes));
  if (!decoded.has_value()) return;
  std::uint64_t index = decoded->before_index;
  std::uint64_t term = decoded->before_term;
  std::uint64_t chain = decoded->before_chain;
  std::size_t group = kLogBlockBytes;
  while (group + 32 <= bytes.size()) {
    std::size_t at = group;
    while (at + 32 <= bytes.size()) {
      const std::size_t size = u32_at(bytes, at + 4) & 0x7fffffffu;
      if (size == 0 || size > bytes.size() - at - 32) break;
      Entry entry{++index, term, bytes.substr(at + 32, size), (u32_at(bytes, at + 4) >> 31) != 0};
      chain = chain_of(chain, entry);
      Encoder record;
      encode_log_record(record, decoded->sequence, entry, chain);
      bytes.replace(at, record.size(), record.str());
      at += record.size();
    }
    const std::size_t mark = round_up_to_block(at);
    if (at == group || mark + kLogBlockBytes > bytes.size()) return;
    if (bytes[mark] == 'P')
      bytes.replace(mark, kLogBlockBytes,
                    encode_log_mark({decoded->sequence, group, index, chain}));
    group = mark + kLogBlockBytes;
  }
}

struct Opened {
  Result<std::unique_ptr<EntryLog>> log;
  std::vector<Entry> entries;
};

Opened open(fakes::TestWorld& world, fakes::TestFiles& files) {
  Opened opened{world.run(EntryLog::open(files, {.directory = "/log"})), {}};
  if (!opened.log.has_value()) return opened;
  const TermLog& terms = (*opened.log)->terms();
  for (std::uint64_t next = terms.base_index() + 1; next <= terms.last_index();) {
    auto some = world.run((*opened.log)->read(next, terms.last_index(), 1u << 20));
    PREDA_ASSERT(some.has_value() && !some->empty());
    next += some->size();
    opened.entries.insert(opened.entries.end(), some->begin(), some->end());
  }
  return opened;
}

// Refused, or opened and then the same when it is opened again; and it takes more.
void try_file(std::string bytes) {
  fakes::TestWorld world;
  fakes::TestDisk disk;
  fakes::TestFiles files{disk};
  auto inode = std::make_shared<fakes::TestDisk::Inode>();
  const auto head = decode_log_head(as_bytes(bytes));
  const std::string path = "/log/" + log_file_name(head.has_value() ? head->sequence : 1);
  inode->live = inode->durable = std::move(bytes);
  disk.live_names[path] = disk.durable_names[path] = inode;
  Opened first = open(world, files);
  if (!first.log.has_value()) {
    const ErrorCode code = first.log.error().code;
    PREDA_ASSERT(code == ErrorCode::Corruption || code == ErrorCode::Unsupported);
    return;
  }
  const TermLog& terms = (*first.log)->terms();
  Entry more{terms.last_index() + 1, terms.last_term(), "more"};
  if (terms.last_index() < (std::uint64_t{1} << 62)) {
    std::vector<Entry> group{more};
    PREDA_ASSERT(world.run((*first.log)->append(std::move(group))).has_value());
    first.entries.push_back(more);
  }
  const Opened second = open(world, files);
  PREDA_ASSERT(second.log.has_value() && second.entries == first.entries);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string bytes(reinterpret_cast<const char*>(data), size);
  try_file(bytes);
  seal(bytes);
  try_file(std::move(bytes));
  return 0;
}
