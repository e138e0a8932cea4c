#include <utility>

#include "s3/operations/operations.h"
#include "s3/read_plan.h"

namespace predastore::s3 {
namespace {

// The answer's head leaves with the first byte: an object whose first bytes cannot be had still
// gets a proper error.
class AnswerSink : public object::BodySink {
 public:
  AnswerSink(Call& call, http::ResponseHead head, std::uint64_t size_bytes)
      : call_(call), head_(std::move(head)), size_bytes_(size_bytes) {}

  Task<Result<void>> write(Buffer bytes) override {
    std::vector<Buffer> pieces;
    pieces.push_back(std::move(bytes));
    co_return co_await write_all(std::move(pieces));
  }
  Task<Result<void>> write_all(std::vector<Buffer> pieces) override {
    if (!has_begun_) begin();
    BufferChain chain;
    for (Buffer& piece : pieces) chain.append(std::move(piece));
    const std::size_t size = chain.size();
    Result<void> written = co_await call_.exchange.write(std::move(chain));
    if (written) call_.bytes_out += size;
    co_return written;
  }
  void begin() {
    has_begun_ = true;
    call_.exchange.begin(std::move(head_), size_bytes_);
  }
  bool has_begun() const { return has_begun_; }

 private:
  Call& call_;
  http::ResponseHead head_;
  std::uint64_t size_bytes_;
  bool has_begun_ = false;
};

http::ResponseHead head_of(const Call& call, const ReadPlan& plan) {
  http::ResponseHead head;
  head.status = plan.status;
  head.headers = call.common_headers;
  for (const http::Header& header : plan.headers.entries())
    head.headers.add(header.name, header.value);
  return head;
}

}  // namespace

Task<S3Result<Reply>> get_object(Call& call) {
  PREDA_CO_TRY(std::unique_ptr<object::ObjectReader> reader,
               as_s3(co_await call.objects().get(call.bucket(), call.key())));
  PREDA_CO_TRY(ReadPlan plan, plan_read(reader->record(), call.query, call.headers()));
  Reply reply;
  if (plan.status == 304) {
    reply.status = 304;
    reply.headers = std::move(plan.headers);
    co_return reply;
  }
  AnswerSink sink{call, head_of(call, plan), plan.size_bytes};
  if (plan.size_bytes > 0) {
    const object::ByteRange range{plan.first, plan.first + plan.size_bytes - 1};
    Result<void> sent = co_await reader->send(range, sink);
    if (!sent && !sink.has_begun()) co_return to_s3_error(sent.error());
    if (!sent) {
      // Too late for a status; a clean end would pass for the whole object.
      call.exchange.abort();
      call.log_detail = sent.error().to_string();
    }
  } else {
    sink.begin();
  }
  reply.status = plan.status;
  reply.is_sent = true;
  if (call.log_detail.empty()) {
    Result<void> finished = co_await call.exchange.finish();
    if (!finished) call.log_detail = finished.error().to_string();
  }
  co_return reply;
}

}  // namespace predastore::s3
