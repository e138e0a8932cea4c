#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "env/file.h"
#include "raft/core/core.h"

namespace predastore::raft {

struct EntryLogOptions {
  std::string directory;
  std::uint64_t file_size_bytes = 8u << 20;  // a new file is begun beyond this; of spare ones
};

// The entries of one replica, in append-only files (docs/formats/raft_log.md). One append(),
// settle() or trim_to() at a time; reads may go beside it, of entries that were appended before.
// After an error of any of them the log must not be used any more, but opened anew.
class EntryLog {
 public:
  // Corruption when what may have been acknowledged is damaged. A torn end is cut. Everything that
  // it holds is durable when it returns.
  static Task<Result<std::unique_ptr<EntryLog>>> open(FileSystem& files, EntryLogOptions options);

  const TermLog& terms() const { return terms_; }
  // All that it knows of, from the one before its first entry on.
  std::vector<StoredConfiguration> configurations() const {
    return {configurations_.begin(), configurations_.end()};
  }
  // Durable when it returns: one write and one sync for all of them (and a new file, where one is
  // begun). entries.front() may lie before the end: it takes the place of what is there from it on.
  Task<Result<void>> append(std::vector<Entry> entries);
  // Writes the mark of the last group, so that damage to it can be told from a torn write. To be
  // called when nothing was appended for a while; otherwise the next append does it.
  Task<Result<void>> settle();
  bool is_settled() const { return !is_mark_pending_; }
  // Durable when it returns: nothing is in the log any more, and it goes on after this entry.
  Task<Result<void>> reset_to(std::uint64_t index, std::uint64_t term,
                              StoredConfiguration configuration);
  // From the end of the log on this one is in force, whatever the log says: for an operator's
  // recovery, and for nothing else.
  Task<Result<void>> force_configuration(Configuration configuration);
  // Of what its files hold.
  std::uint64_t size_bytes() const;
  // The last entry before the last files that have `bytes` together: up to it may be trimmed,
  // and as much is kept.
  std::uint64_t index_before_last(std::uint64_t bytes) const;
  // The next file will have to be made, and appends to it to wait for the file system's journal,
  // unless prepare_spare() has written one before. That may go beside anything else, and never
  // fails: without one things are only slower.
  bool wants_spare() const;
  Task<void> prepare_spare();
  // Lets go of files that hold nothing after `index`, and keeps the space of a few for new ones;
  // what is left begins at terms().base_index() + 1.
  Task<Result<void>> trim_to(std::uint64_t index);
  // Entries first, first+1, ... up to last, at least one, at most about `bytes_max`. NotFound when
  // `first` is not there.
  Task<Result<std::vector<Entry>>> read(std::uint64_t first_index, std::uint64_t last_index,
                                        std::size_t bytes_max);

 private:
  struct Segment {
    std::string path;
    std::shared_ptr<File> file;
    std::uint64_t sequence = 0;
    std::uint64_t before_index = 0;  // the entry before its first
    std::uint64_t before_term = 0;
    std::uint64_t before_chain = 0;
    std::uint64_t end_bytes = 0;   // of what is durable; the next thing is written here
    std::uint64_t size_bytes = 0;  // of the file: what is behind the end was an older one's
  };
  struct Place {
    std::uint64_t sequence = 0;      // of the segment
    std::uint64_t offset_bytes = 0;  // of the record
    std::uint32_t size_bytes = 0;
    std::uint64_t chain = 0;
  };
  EntryLog(FileSystem& files, EntryLogOptions options)
      : files_(files), options_(std::move(options)) {}
  Task<Result<void>> drop_spares(std::vector<std::string> names);
  Task<Result<void>> drop_before_reset(std::vector<std::string>* names);
  Task<Result<void>> load_segment(std::string name, bool is_last);
  Result<void> join_segment(const Segment& segment);
  bool join_configuration(const StoredConfiguration& head, bool is_forced);
  bool note_configuration(const Entry& entry);
  const StoredConfiguration& configuration_at(std::uint64_t index) const;
  std::uint64_t load_groups(Segment& segment, ByteSpan bytes);
  Task<Result<void>> rewrite_tail(Buffer bytes, std::uint64_t marked_bytes);
  Task<Result<void>> begin_segment(std::uint64_t first_index);
  Task<Result<Segment>> make_segment(std::uint64_t sequence, std::string head);
  std::uint64_t next_sequence() const {
    return segments_.empty() ? 1 : segments_.back().sequence + 1;
  }
  Task<Result<void>> fill(Segment& spare);
  Task<Result<void>> let_go(Segment segment);
  Task<Result<void>> write_group(std::vector<Entry> entries);
  void cut_from(std::uint64_t index);
  std::string mark_block() const;
  const Segment& segment_at(const Place& place) const {
    return segments_[place.sequence - segments_.front().sequence];
  }
  std::uint64_t chain_at(std::uint64_t index) const;

  FileSystem& files_;
  EntryLogOptions options_;
  TermLog terms_;
  std::deque<StoredConfiguration> configurations_;
  std::uint64_t base_chain_ = 0;
  std::deque<Segment> segments_;  // consecutive sequences
  std::deque<Place> places_;      // of entry base_index + 1 + i
  std::uint64_t last_group_offset_bytes_ = 0;
  bool is_mark_pending_ = false;   // that of the last group
  std::deque<Segment> spares_;     // no part of the log
  bool is_preparing_ = false;      // one of them
  bool is_spare_refused_ = false;  // there was no room for one, since the last file was begun
};

}  // namespace predastore::raft
