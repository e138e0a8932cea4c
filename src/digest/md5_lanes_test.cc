#include "digest/md5_lanes.h"

#include <gtest/gtest.h>

#include <random>

#include "digest/hash.h"

namespace predastore::digest {
namespace {

std::string text_of(std::size_t size, std::uint64_t seed) {
  std::mt19937_64 random{seed};
  std::string text(size, '\0');
  for (char& c : text) c = static_cast<char>(random());
  return text;
}

TEST(Md5Lanes, one_stream_is_the_md5_of_every_size_and_cut) {
  for (std::size_t size = 0; size < 260; ++size) {
    const std::string text = text_of(size, size);
    for (const std::size_t cut : {std::size_t{0}, size / 3, size / 2, size}) {
      Md5Stream stream;
      stream.update(as_bytes(text).first(cut));
      stream.update(as_bytes(text).subspan(cut));
      ASSERT_EQ(stream.finish(), md5(text)) << size << " cut at " << cut;
      ASSERT_EQ(stream.finish(), md5("")) << "a stream begins anew";
    }
  }
}

// Streams of all sizes in pieces of all sizes, together in one call and over many.
TEST(Md5Lanes, streams_that_are_hashed_together_are_each_what_they_are_alone) {
  std::mt19937_64 random{7};
  for (int round = 0; round < 400; ++round) {
    const std::size_t count = 1 + random() % 20;
    std::vector<std::string> texts;
    std::vector<Md5Stream> streams(count);
    std::vector<std::size_t> done(count, 0);
    for (std::size_t i = 0; i < count; ++i)
      texts.push_back(text_of(random() % (round % 2 == 0 ? 300 : 20'000), random()));
    while (done != [&] {
      std::vector<std::size_t> sizes;
      for (const std::string& text : texts) sizes.push_back(text.size());
      return sizes;
    }()) {
      std::vector<Md5Work> works;
      for (std::size_t i = 0; i < count; ++i) {
        Md5Work work{&streams[i], {}};
        for (std::size_t pieces = random() % 4; pieces > 0; --pieces) {
          const std::size_t size =
              std::min<std::size_t>(random() % 5000, texts[i].size() - done[i]);
          work.pieces.push_back(as_bytes(texts[i]).subspan(done[i], size));
          done[i] += size;
        }
        works.push_back(std::move(work));
      }
      if (round % 7 == 0)
        update_in_turn(works);
      else
        update_together(works);
    }
    for (std::size_t i = 0; i < count; ++i) ASSERT_EQ(streams[i].finish(), md5(texts[i])) << round;
  }
}

}  // namespace
}  // namespace predastore::digest
