// Drives a fuzz target without libFuzzer, so that every compiler and every CI run can: replays the
// corpus, then a bounded number of seeded mutations of it. The same arguments give the same inputs.
//
//   fuzz_X [--runs=N] [--seed=S] [FILE|DIRECTORY...]
//
// With clang and -DPREDASTORE_LIBFUZZER=ON the same targets are built with libFuzzer instead.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using Input = std::vector<std::uint8_t>;
constexpr std::size_t kInputMaxBytes = 64 * 1024;

Input load(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return Input(std::istreambuf_iterator<char>(file), {});
}

class Mutator {
 public:
  Mutator(std::vector<Input> corpus, std::uint64_t seed)
      : corpus_(std::move(corpus)), generator_(seed) {}

  Input next() {
    Input input = pick();
    for (std::uint64_t steps = 1 + below(4); steps > 0; --steps) mutate(input);
    if (input.size() > kInputMaxBytes) input.resize(kInputMaxBytes);
    return input;
  }

 private:
  std::uint64_t below(std::uint64_t bound) { return bound == 0 ? 0 : generator_() % bound; }
  const Input& pick() { return corpus_[below(corpus_.size())]; }

  void mutate(Input& input) {
    const std::size_t at = below(input.size() + 1);
    const auto position = input.begin() + static_cast<std::ptrdiff_t>(at);
    switch (below(7)) {
      case 0:  // flip a bit
        if (at < input.size()) input[at] ^= static_cast<std::uint8_t>(1U << below(8));
        break;
      case 1:  // another byte, often one that numbers break at
        if (at < input.size()) input[at] = kEdges[below(std::size(kEdges))];
        break;
      case 2: input.insert(position, static_cast<std::uint8_t>(below(256))); break;
      case 3: input.resize(at); break;
      case 4: {  // remove a run
        const std::size_t count = std::min<std::size_t>(input.size() - at, below(16));
        input.erase(position, position + static_cast<std::ptrdiff_t>(count));
        break;
      }
      case 5: {  // splice a piece of another input
        const Input& other = pick();
        const std::size_t from = below(other.size() + 1);
        const std::size_t count = std::min<std::size_t>(other.size() - from, below(64));
        const auto first = other.begin() + static_cast<std::ptrdiff_t>(from);
        const Input piece(first, first + static_cast<std::ptrdiff_t>(count));
        input.insert(position, piece.begin(), piece.end());
        break;
      }
      default:  // a number of eight bytes at its edge
        for (std::size_t i = at; i < input.size() && i < at + 8; ++i) input[i] = 0xFF;
    }
  }

  static constexpr std::uint8_t kEdges[] = {0, 1, 0x0A, 0x0D, 0x20, 0x3A, 0x7F, 0x80, 0xFE, 0xFF};
  std::vector<Input> corpus_;
  std::mt19937_64 generator_;
};

}  // namespace

int main(int argc, char** argv) {
  std::uint64_t runs = 10000;
  std::uint64_t seed = 1;
  std::vector<Input> corpus;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument.starts_with("--runs=")) {
      runs = std::stoull(argument.substr(7));
    } else if (argument.starts_with("--seed=")) {
      seed = std::stoull(argument.substr(7));
    } else if (std::filesystem::is_directory(argument)) {
      std::vector<std::filesystem::path> paths;
      for (const auto& entry : std::filesystem::directory_iterator(argument))
        paths.push_back(entry.path());
      std::ranges::sort(paths);
      for (const auto& path : paths) corpus.push_back(load(path));
    } else {
      corpus.push_back(load(argument));
    }
  }
  const std::size_t files = corpus.size();
  for (const Input& input : corpus) LLVMFuzzerTestOneInput(input.data(), input.size());
  if (corpus.empty()) corpus.emplace_back();
  Mutator mutator(std::move(corpus), seed);
  for (std::uint64_t i = 0; i < runs; ++i) {
    const Input input = mutator.next();
    LLVMFuzzerTestOneInput(input.data(), input.size());
  }
  std::cout << "replayed " << files << " files, ran " << runs << " mutations\n";
}
