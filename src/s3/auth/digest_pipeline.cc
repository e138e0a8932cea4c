#include "s3/auth/digest_pipeline.h"

#include "env/sync.h"

namespace predastore::s3 {

// While `is_busy`, only the batch touches anything but `is_busy` and `done`.
struct DigestPipeline::State {
  State(Clock& clock, DigestPlan plan) : done(clock), signer(std::move(plan.chunk_signer)) {
    if (plan.payload_sha256) payload.emplace();
    if (plan.md5) md5.emplace();
    if (plan.checksum != ChecksumAlgorithm::none) checksum.emplace(plan.checksum);
    if (signer) chunk.emplace();
  }

  Signal done;
  bool is_busy = false;
  bool is_chunk_bad = false;
  std::optional<ChunkSigner> signer;
  std::optional<digest::Sha256> payload;
  std::optional<digest::Sha256> chunk;
  std::optional<digest::Md5> md5;
  std::optional<ChecksumState> checksum;
};

DigestPipeline::DigestPipeline(Environment env, std::size_t aside_bytes, DigestPlan plan)
    : env_(env), aside_bytes_(aside_bytes) {
  is_idle_ = !plan.payload_sha256 && !plan.md5 && plan.checksum == ChecksumAlgorithm::none &&
             !plan.chunk_signer;
  state_ = std::make_shared<State>(env.clock, std::move(plan));
}

void DigestPipeline::run(State& state, const std::vector<DigestStep>& steps) {
  for (const DigestStep& step : steps) {
    if (state.payload) state.payload->update(step.bytes);
    if (state.md5) state.md5->update(step.bytes);
    if (state.checksum) state.checksum->update(step.bytes);
    if (!state.chunk) continue;
    state.chunk->update(step.bytes);
    if (step.chunk_signature.empty() || state.is_chunk_bad) continue;
    const std::string expected = state.signer->sign_chunk(state.chunk->finish());
    state.is_chunk_bad = !digest::constant_time_equal(expected, step.chunk_signature);
  }
}

Task<void> DigestPipeline::settle() {
  const std::shared_ptr<State> state = state_;
  while (state->is_busy) co_await state->done.wait();
}

Task<bool> DigestPipeline::submit(std::vector<DigestStep> steps) {
  if (is_idle_) co_return true;
  co_await settle();
  if (state_->is_chunk_bad) co_return false;
  std::size_t size_bytes = 0;
  for (const DigestStep& step : steps) size_bytes += step.bytes.size();
  if (size_bytes < aside_bytes_) {
    run(*state_, steps);
    co_return !state_->is_chunk_bad;
  }
  state_->is_busy = true;
  auto work = [state = state_, batch = std::move(steps)] { run(*state, batch); };
  auto done = [state = state_] {
    state->is_busy = false;
    state->done.notify_all();
  };
  env_.blocking.submit(env_.executor, std::move(work), std::move(done));
  co_return true;
}

Task<bool> DigestPipeline::finish() {
  co_await settle();
  co_return !state_->is_chunk_bad;
}

std::string DigestPipeline::payload_sha256() { return state_->payload->finish(); }
std::string DigestPipeline::md5() { return state_->md5->finish(); }
std::string DigestPipeline::checksum() { return state_->checksum->finish(); }
std::string DigestPipeline::sign_trailer(std::string_view sha256) {
  return state_->signer->sign_trailer(sha256);
}

}  // namespace predastore::s3
