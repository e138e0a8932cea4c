#include <gtest/gtest.h>

#include "base/buffer.h"
#include "base/codec.h"
#include "base/result.h"
#include "base/text.h"

namespace predastore {
namespace {

Result<int> half(int value) {
  if (value % 2 != 0) return make_error(ErrorCode::InvalidArgument, "odd");
  return value / 2;
}
Result<int> quarter(int value) {
  PREDA_TRY(int once, half(value));
  PREDA_TRY(int twice, half(once));
  return twice;
}

TEST(Result, try_passes_values_on_and_errors_out) {
  EXPECT_EQ(*quarter(8), 2);
  const Result<int> failed = quarter(6);
  ASSERT_FALSE(failed.has_value());
  EXPECT_EQ(failed.error().code, ErrorCode::InvalidArgument);
  EXPECT_EQ(failed.error().to_string(), "InvalidArgument: odd");
}

TEST(Buffer, slices_share_the_memory_of_the_whole) {
  const Buffer whole = Buffer::copy_of("predastore");
  const Buffer part = whole.slice(5, 5);
  EXPECT_EQ(part.text(), "store");
  EXPECT_EQ(part.data(), whole.data() + 5);
  BufferChain chain{whole.slice(0, 5)};
  chain.append(part);
  EXPECT_EQ(chain.flatten().text(), "predastore");
}

TEST(Codec, a_decoder_reads_what_the_encoder_wrote_and_never_past_the_end) {
  Encoder encoder;
  encoder.le(std::uint16_t{0x1234})
      .be(std::uint32_t{0xA0B0C0D0})
      .string("key")
      .le(~std::uint64_t{0});
  const std::string bytes = encoder.str();
  Decoder decoder{as_bytes(bytes)};
  EXPECT_EQ(decoder.le<std::uint16_t>(), 0x1234);
  EXPECT_EQ(decoder.be<std::uint32_t>(), 0xA0B0C0D0U);
  EXPECT_EQ(decoder.string(), "key");
  EXPECT_EQ(decoder.le<std::uint64_t>(), ~std::uint64_t{0});
  EXPECT_TRUE(decoder.finished());
  EXPECT_EQ(decoder.le<std::uint8_t>(), 0);
  EXPECT_FALSE(decoder.ok());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    Decoder cut{as_bytes(bytes).first(size)};
    cut.le<std::uint16_t>();
    cut.be<std::uint32_t>();
    cut.string();
    cut.le<std::uint64_t>();
    EXPECT_FALSE(cut.ok()) << size;
  }
}

TEST(Text, hex_and_base64_of_rfc_4648_and_nothing_else) {
  EXPECT_EQ(to_hex(as_bytes("\x01\xAB")), "01ab");
  EXPECT_EQ(*from_hex("01aB"), "\x01\xAB");
  EXPECT_FALSE(from_hex("0").has_value());
  EXPECT_FALSE(from_hex("0g").has_value());
  const char* vectors[][2] = {
      {"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foobar", "Zm9vYmFy"}};
  for (auto& [plain, coded] : vectors) {
    EXPECT_EQ(to_base64(as_bytes(plain)), coded);
    EXPECT_EQ(*from_base64(coded), plain);
  }
  for (const char* bad : {"Z", "Zg=", "Zh==", "Zg==Zg==", "Z===", "Zm9v\n", "=m9v"})
    EXPECT_FALSE(from_base64(bad).has_value()) << bad;
}

}  // namespace
}  // namespace predastore
