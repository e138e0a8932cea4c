#pragma once

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "env/file.h"
#include "env/sync.h"

// What every FileSystem promises. Included by the test of each implementation, which instantiates
// FileSystemContract with a maker of fixtures.
namespace predastore::testing {

// One file system with an empty directory.
class FileSystemFixture {
 public:
  virtual ~FileSystemFixture() = default;
  virtual FileSystem& files() = 0;
  virtual Clock& clock() = 0;
  virtual Executor executor() = 0;
  virtual std::string directory() = 0;
  // Why this machine cannot have it; such a test is skipped, visibly.
  virtual std::string unavailable() { return {}; }
  // Runs everything until `task` is done.
  virtual void run_task(Task<void> task) = 0;

  template <class T>
  T run(Task<T> task) {
    std::optional<T> value;
    run_task(keep(std::move(task), &value));
    return std::move(*value);
  }

 private:
  template <class T>
  static Task<void> keep(Task<T> task, std::optional<T>* value) {
    value->emplace(co_await std::move(task));
  }
};

struct FileSystemMaker {
  std::string name;
  std::function<std::unique_ptr<FileSystemFixture>()> make;
};
inline std::string name_of_maker(const ::testing::TestParamInfo<FileSystemMaker>& info) {
  return info.param.name;
}

class FileSystemContract : public ::testing::TestWithParam<FileSystemMaker> {
 protected:
  FileSystemContract() : fixture_(GetParam().make()) {}
  void SetUp() override {
    const std::string reason = fixture_->unavailable();
    if (!reason.empty()) GTEST_SKIP() << reason;
  }

  template <class T>
  T run(Task<T> task) {
    return fixture_->run(std::move(task));
  }
  FileSystem& files() { return fixture_->files(); }
  std::string path(const std::string& name) { return fixture_->directory() + "/" + name; }
  std::shared_ptr<File> open(const std::string& name, FileMode mode) {
    auto opened = run(files().open(path(name), mode));
    EXPECT_TRUE(opened.has_value()) << opened.error().to_string();
    return *opened;
  }
  ErrorCode open_error(const std::string& name, FileMode mode) {
    auto opened = run(files().open(path(name), mode));
    EXPECT_FALSE(opened.has_value());
    return opened ? ErrorCode::Internal : opened.error().code;
  }

  std::unique_ptr<FileSystemFixture> fixture_;
};

inline constexpr FileMode kCreate{.write = true, .create = true};
inline constexpr FileMode kCreateNew{.write = true, .create = true, .exclusive = true};

TEST_P(FileSystemContract, a_file_holds_what_was_written) {
  const auto file = open("a", kCreateNew);
  BufferChain chain;
  for (int i = 0; i < 1500; ++i) chain.append(Buffer::copy_of(std::to_string(i % 10)));
  ASSERT_TRUE(run(file->preallocate(1 << 20)).has_value());
  ASSERT_TRUE(run(file->write(5, chain)).has_value());
  ASSERT_TRUE(run(file->sync()).has_value());
  EXPECT_EQ(run(file->size_bytes()).value(), 1505u);
  EXPECT_EQ(run(file->read(5, 12)).value().text(), "012345678901");
  EXPECT_EQ(run(file->read(0, 5)).value().text(), std::string_view("\0\0\0\0\0", 5));
  EXPECT_EQ(run(file->read(1503, 1000)).value().text(), "89");
  EXPECT_TRUE(run(file->read(1505, 10)).value().empty());
  EXPECT_TRUE(run(file->read(1 << 20, 10)).value().empty());
}

TEST_P(FileSystemContract, a_write_replaces_what_was_there) {
  const auto file = open("a", kCreate);
  ASSERT_TRUE(run(file->write(0, Buffer::copy_of("0123456789"))).has_value());
  ASSERT_TRUE(run(file->write(3, Buffer::copy_of("xyz"))).has_value());
  EXPECT_EQ(run(file->read(0, 100)).value().text(), "012xyz6789");
  const auto again = open("a", FileMode{});
  EXPECT_EQ(run(again->read(0, 100)).value().text(), "012xyz6789");
}

TEST_P(FileSystemContract, a_file_can_be_cut_and_extended) {
  const auto file = open("a", kCreate);
  ASSERT_TRUE(run(file->write(0, Buffer::copy_of("0123456789"))).has_value());
  ASSERT_TRUE(run(file->truncate(4)).has_value());
  ASSERT_TRUE(run(file->truncate(6)).has_value());
  EXPECT_EQ(run(file->read(0, 100)).value().text(), std::string_view("0123\0\0", 6));
}

TEST_P(FileSystemContract, opening_says_what_is_not_there_and_what_is) {
  EXPECT_EQ(open_error("a", FileMode{}), ErrorCode::NotFound);
  EXPECT_EQ(open_error("no/directory", kCreate), ErrorCode::NotFound);
  open("a", kCreate);
  open("a", kCreate);
  EXPECT_EQ(open_error("a", kCreateNew), ErrorCode::AlreadyExists);
}

TEST_P(FileSystemContract, direct_files_take_aligned_writes_and_any_read) {
  const auto file = open("d", FileMode{.write = true, .create = true, .direct = true});
  MutableBuffer block = MutableBuffer::aligned(8192);
  for (std::size_t i = 0; i < block.size(); ++i) block.data()[i] = static_cast<std::byte>(i);
  ASSERT_TRUE(run(file->write(4096, BufferChain{std::move(block).freeze()})).has_value());
  ASSERT_TRUE(run(file->sync()).has_value());
  EXPECT_EQ(run(file->read(4097, 3)).value().text(), "\x01\x02\x03");
}

TEST_P(FileSystemContract, a_removed_file_can_still_be_used_by_who_has_it_open) {
  const auto file = open("a", kCreate);
  ASSERT_TRUE(run(file->write(0, Buffer::copy_of("kept"))).has_value());
  ASSERT_TRUE(run(files().remove(path("a"))).has_value());
  EXPECT_EQ(open_error("a", FileMode{}), ErrorCode::NotFound);
  EXPECT_EQ(run(file->read(0, 10)).value().text(), "kept");
  EXPECT_EQ(run(files().remove(path("a"))).error().code, ErrorCode::NotFound);
}

TEST_P(FileSystemContract, a_name_is_replaced_by_renaming) {
  for (const char* text : {"a", "b"}) {
    const auto file = open(text, kCreate);
    ASSERT_TRUE(run(file->write(0, Buffer::copy_of(text))).has_value());
  }
  ASSERT_TRUE(run(files().rename(path("a"), path("b"))).has_value());
  EXPECT_EQ(open_error("a", FileMode{}), ErrorCode::NotFound);
  EXPECT_EQ(run(read_file(files(), path("b"), 10)).value().text(), "a");
  EXPECT_EQ(run(files().rename(path("a"), path("c"))).error().code, ErrorCode::NotFound);
  EXPECT_EQ(run(files().list(fixture_->directory())).value(), (std::vector<std::string>{"b"}));
}

TEST_P(FileSystemContract, directories_are_made_listed_and_removed) {
  ASSERT_TRUE(run(files().create_directories(path("x/y/z"))).has_value());
  ASSERT_TRUE(run(files().create_directories(path("x/y/z"))).has_value());
  ASSERT_TRUE(run(write_file_durably(files(), path("x/b"), Buffer::copy_of("1"))).has_value());
  ASSERT_TRUE(
      run(write_file_durably(files(), path("x/a"), Buffer::copy_of("old one"))).has_value());
  ASSERT_TRUE(run(write_file_durably(files(), path("x/a"), Buffer::copy_of("new"))).has_value());
  EXPECT_EQ(run(files().list(path("x"))).value(), (std::vector<std::string>{"a", "b", "y"}));
  EXPECT_EQ(run(read_file(files(), path("x/a"), 100)).value().text(), "new");
  EXPECT_EQ(run(read_file(files(), path("x/a"), 2)).error().code, ErrorCode::InvalidArgument);
  EXPECT_FALSE(run(files().remove(path("x"))).has_value());  // not empty
  ASSERT_TRUE(run(files().sync_directory(path("x"))).has_value());
  ASSERT_TRUE(run(files().remove_tree(path("x"))).has_value());
  ASSERT_TRUE(run(files().remove_tree(path("x"))).has_value());
  EXPECT_EQ(run(files().list(path("x"))).error().code, ErrorCode::NotFound);
  EXPECT_FALSE(run(files().sync_directory(path("x"))).has_value());
  const SpaceInfo space = run(files().space(fixture_->directory())).value();
  EXPECT_GE(space.capacity_bytes, space.free_bytes);
}

TEST_P(FileSystemContract, reads_beside_a_write_see_each_byte_old_or_new) {
  const auto file = open("a", kCreate);
  ASSERT_TRUE(run(file->write(0, Buffer::copy_of(std::string(100'000, 'o')))).has_value());
  auto beside = [](std::shared_ptr<File> shared) -> Task<Result<void>> {
    PREDA_CO_TRY(const Buffer read, co_await shared->read(0, 100'000));
    if (read.size() != 100'000 || read.text().find_first_not_of("on") != std::string_view::npos)
      co_return make_error(ErrorCode::Corruption, "neither old nor new");
    co_return Result<void>{};
  };
  auto both = [&](std::shared_ptr<File> shared) -> Task<Result<void>> {
    TaskGroup group(fixture_->executor(), fixture_->clock());
    group.spawn(shared->write(0, Buffer::copy_of(std::string(100'000, 'n'))));
    for (int i = 0; i < 5; ++i) group.spawn(beside(shared));
    co_return co_await group.join();
  };
  EXPECT_TRUE(run(both(file)).has_value());
  EXPECT_EQ(run(file->read(0, 1)).value().text(), "n");
}

}  // namespace predastore::testing
