#pragma once

#include <list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sim/disk.h"

namespace predastore::sim {

// One change of a file's content that is not durable.
struct ContentChange {
  enum class Kind : std::uint8_t { write, truncate } kind = Kind::write;
  std::uint64_t offset_bytes = 0;  // truncate: the new size
  std::string bytes;
  bool is_complete = false;  // its call has returned; only then does a sync cover it

  void apply(std::string& content) const;
};

// A file or a directory, as it is in memory and as it is on stable storage.
struct SimDisk::Inode {
  using Entries = std::map<std::string, std::shared_ptr<Inode>, std::less<>>;

  bool is_directory = false;
  std::string content;
  std::string durable_content;
  std::list<std::shared_ptr<ContentChange>> changes;  // since the last sync, in order
  Entries entries;
  Entries durable_entries;
  std::shared_ptr<kv::MemoryDisk> key_value;  // a directory that a KeyValueStore lives in
};

// Names that change together or not at all (a rename is two).
struct SimDisk::NameChange {
  struct Edit {
    std::shared_ptr<Inode> directory;
    std::string name;
    std::shared_ptr<Inode> inode;  // none: the name goes
  };
  std::vector<Edit> edits;

  void apply(Inode::Entries Inode::* entries) const;
};

// Path components; "." and empty ones left out.
std::vector<std::string> split_path(std::string_view path);
std::string parent_path(std::string_view path);
std::string last_component(std::string_view path);

}  // namespace predastore::sim
