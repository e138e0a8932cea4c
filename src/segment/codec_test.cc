#include "segment/codec.h"

#include <gtest/gtest.h>

#include <string>

#include "model/limits.h"

namespace predastore::segment {
namespace {

std::string text_of(std::size_t size) {
  std::string text;
  for (std::uint64_t i = 0; text.size() < size; ++i)
    text += "line " + std::to_string(i * 7919 % 1000) + " of a log, much like the others\n";
  text.resize(size);
  return text;
}

std::string noise_of(std::size_t size) {
  std::string noise(size, '\0');
  std::uint64_t state = 42;
  for (char& byte : noise) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    byte = static_cast<char>(state >> 56);
  }
  return noise;
}

constexpr Codec kCodecs[] = {Codec::raw, Codec::lz4, Codec::snappy, Codec::zstd};

TEST(Codec, text_comes_back_and_is_smaller) {
  for (const Codec codec : kCodecs) {
    for (const std::size_t size : {std::size_t{100}, std::size_t{8191}, kSegmentSizeBytes}) {
      const Buffer logical = Buffer::take(text_of(size));
      const EncodedPayload encoded = encode_payload(codec, logical);
      if (codec == Codec::raw || encoded.codec == Codec::raw) {
        EXPECT_EQ(encoded.stored.data(), logical.data());  // not even copied
      } else {
        EXPECT_EQ(encoded.codec, codec);
        EXPECT_LE(encoded.stored.size(), size - size / 16);
      }
      const auto decoded =
          decode_payload(static_cast<std::uint8_t>(encoded.codec), encoded.stored, size);
      ASSERT_TRUE(decoded) << name_of(codec);
      EXPECT_EQ(decoded->text(), logical.text()) << name_of(codec) << " " << size;
    }
    if (codec != Codec::raw) {
      const auto large = encode_payload(codec, Buffer::take(text_of(kSegmentSizeBytes)));
      EXPECT_EQ(large.codec, codec);
    }
  }
}

TEST(Codec, what_does_not_shrink_by_a_sixteenth_is_stored_raw) {
  for (const Codec codec : kCodecs) {
    for (const std::size_t size :
         {std::size_t{1}, std::size_t{15}, std::size_t{1000}, kSegmentSizeBytes}) {
      const Buffer logical = Buffer::take(noise_of(size));
      const EncodedPayload encoded = encode_payload(codec, logical);
      EXPECT_EQ(encoded.codec, Codec::raw) << name_of(codec) << " " << size;
      EXPECT_EQ(encoded.stored.data(), logical.data());
    }
    // A little less than a sixteenth of zeros at the end of noise.
    std::string nearly = noise_of(kSegmentSizeBytes);
    std::fill(nearly.end() - 3000, nearly.end(), '\0');
    EXPECT_EQ(encode_payload(codec, Buffer::take(nearly)).codec, Codec::raw) << name_of(codec);
  }
}

TEST(Codec, damaged_and_mislabelled_payloads_are_refused_or_harmless) {
  const Buffer logical = Buffer::take(text_of(kSegmentSizeBytes));
  for (const Codec codec : {Codec::lz4, Codec::snappy, Codec::zstd}) {
    const auto number = static_cast<std::uint8_t>(codec);
    const EncodedPayload encoded = encode_payload(codec, logical);
    EXPECT_FALSE(decode_payload(number, encoded.stored, kSegmentSizeBytes - 1));
    EXPECT_FALSE(decode_payload(number, encoded.stored, 0));
    EXPECT_FALSE(decode_payload(number, encoded.stored, std::size_t{1} << 40));
    EXPECT_FALSE(decode_payload(number, Buffer{}, kSegmentSizeBytes));
    for (std::size_t cut = 0; cut < encoded.stored.size(); cut += 97)
      EXPECT_FALSE(decode_payload(number, encoded.stored.slice(0, cut), kSegmentSizeBytes));
  }
  EXPECT_EQ(decode_payload(4, logical, logical.size()).error().code, ErrorCode::Unsupported);
  EXPECT_EQ(decode_payload(0, logical, 5).error().code, ErrorCode::Corruption);
}

TEST(Codec, names_are_those_of_the_configuration) {
  for (const Codec codec : kCodecs) EXPECT_EQ(parse_codec(name_of(codec)), codec);
  EXPECT_FALSE(parse_codec("gzip"));
  EXPECT_FALSE(parse_codec(""));
}

}  // namespace
}  // namespace predastore::segment
