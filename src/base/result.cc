#include "base/result.h"

namespace predastore {

std::string_view name_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::NotFound: return "NotFound";
    case ErrorCode::AlreadyExists: return "AlreadyExists";
    case ErrorCode::InvalidArgument: return "InvalidArgument";
    case ErrorCode::Conflict: return "Conflict";
    case ErrorCode::NotLeader: return "NotLeader";
    case ErrorCode::StaleEpoch: return "StaleEpoch";
    case ErrorCode::Unavailable: return "Unavailable";
    case ErrorCode::TimedOut: return "TimedOut";
    case ErrorCode::Cancelled: return "Cancelled";
    case ErrorCode::Corruption: return "Corruption";
    case ErrorCode::NoSpace: return "NoSpace";
    case ErrorCode::Io: return "Io";
    case ErrorCode::Unauthorized: return "Unauthorized";
    case ErrorCode::Unsupported: return "Unsupported";
    case ErrorCode::Internal: return "Internal";
  }
  return "Internal";
}

std::string Error::to_string() const {
  std::string text{name_of(code)};
  if (!detail.empty()) text.append(": ").append(detail);
  return text;
}

}  // namespace predastore
