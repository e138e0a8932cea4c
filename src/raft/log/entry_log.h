#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "env/file.h"
#include "raft/core/core.h"

namespace predastore::raft {

struct EntryLogOptions {
  std::string directory;
  std::uint64_t file_size_bytes = 8u << 20;  // a new file is begun beyond this
};

// The entries of one replica, in append-only files (docs/formats/raft_log.md). One append at a
// time; reads may go beside it, of entries that were appended before. After an error of append()
// the log must not be used any more, but opened anew.
class EntryLog {
 public:
  // Corruption when an acknowledged entry is damaged. A torn end is cut.
  static Task<Result<std::unique_ptr<EntryLog>>> open(FileSystem& files, EntryLogOptions options);

  const TermLog& terms() const { return terms_; }
  // Durable when it returns: one write and one sync for all of them. entries.front() may lie before
  // the end: what is there from it on is cut off first.
  Task<Result<void>> append(std::vector<Entry> entries);
  // Entries first, first+1, ... up to last, at least one, at most about `bytes_max`. NotFound when
  // `first` is not there.
  Task<Result<std::vector<Entry>>> read(std::uint64_t first_index, std::uint64_t last_index,
                                        std::size_t bytes_max);

 private:
  struct Segment {
    std::string path;
    std::shared_ptr<File> file;
    std::uint64_t first_index = 0;
    std::uint64_t end_bytes = 0;  // of the durable groups and their marks
  };
  struct Place {
    std::size_t segment = 0;
    std::uint64_t offset_bytes = 0;  // of the record
    std::uint32_t size_bytes = 0;
    std::uint64_t group_offset_bytes = 0;
    std::uint64_t chain = 0;
  };

  EntryLog(FileSystem& files, EntryLogOptions options)
      : files_(files), options_(std::move(options)) {}
  Task<Result<void>> load_segment(std::string name, bool is_last);
  Task<Result<std::uint64_t>> load_groups(Segment& segment, std::size_t position,
                                          std::uint64_t file_size_bytes);
  Task<Result<bool>> has_mark_after(Segment& segment, std::uint64_t offset_bytes,
                                    std::uint64_t file_size_bytes);
  Task<Result<void>> begin_segment(std::uint64_t first_index);
  Task<Result<void>> truncate_from(std::uint64_t index);
  Task<Result<void>> write_group(std::vector<Entry> entries);
  std::uint64_t chain_at_end() const {
    return places_.empty() ? base_chain_ : places_.back().chain;
  }

  FileSystem& files_;
  EntryLogOptions options_;
  TermLog terms_;
  std::uint64_t base_chain_ = 0;
  std::vector<Segment> segments_;
  std::vector<Place> places_;  // of entry base_index + 1 + i
};

}  // namespace predastore::raft
