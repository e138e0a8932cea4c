#include "node/s3_certificate.h"

#include <utility>

#include "env/blocking.h"
#include "telemetry/log.h"

namespace predastore::node {
namespace {

http::TlsServerOptions options_with(crypto::CertificatePair pair) {
  http::TlsServerOptions options;
  options.certificate = std::move(pair);
  return options;
}

}  // namespace

S3Certificate::S3Certificate(Environment env, const Config& config)
    : env_(env),
      certificate_file_(config.s3_tls_certificate_file),
      key_file_(config.s3_tls_key_file),
      wake_(env.clock) {}

Task<Result<crypto::CertificatePair>> S3Certificate::read() {
  const auto work = [certificate = certificate_file_,
                     key = key_file_]() -> Result<crypto::CertificatePair> {
    crypto::CertificatePair pair;
    PREDA_TRY(pair.cert_pem, load_text(certificate));
    PREDA_TRY(pair.key_pem, load_text(key));
    return pair;
  };
  co_return co_await run_blocking(env_.blocking, work);
}

Task<Result<http::TlsServerOptions>> S3Certificate::load() {
  PREDA_CO_TRY(seen_, co_await read());
  co_return options_with(seen_);
}

Task<void> S3Certificate::watch(http::Server& server) {
  while (!is_stopping_) {
    if (!is_asked_) (void)co_await wake_.wait_until(env_.clock.now() + kS3CertificateLookEvery);
    if (is_stopping_) co_return;
    is_asked_ = false;
    co_await look(server);
  }
}

Task<void> S3Certificate::look(http::Server& server) {
  auto pair = co_await read();
  if (!pair) {
    // Once a change: an empty pair stands for what could not be read.
    const bool is_known = seen_.cert_pem.empty();
    seen_ = {};
    if (!is_known)
      telemetry::log_warn("cannot read the S3 certificate, the old one stays",
                          {{"error", pair.error().to_string()}});
    co_return;
  }
  if (pair->cert_pem == seen_.cert_pem && pair->key_pem == seen_.key_pem) co_return;
  seen_ = *std::move(pair);
  const Result<void> taken = server.reload_tls(options_with(seen_));
  if (taken)
    telemetry::log_info("load a new S3 certificate", {{"file", certificate_file_}});
  else
    telemetry::log_warn("cannot use the new S3 certificate, the old one stays",
                        {{"file", certificate_file_}, {"error", taken.error().to_string()}});
}

void S3Certificate::look_now() {
  is_asked_ = true;
  wake_.notify_all();
}

void S3Certificate::stop() {
  is_stopping_ = true;
  wake_.notify_all();
}

}  // namespace predastore::node
