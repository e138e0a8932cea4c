#pragma once

namespace predastore::cli {

// What the process tells its caller; docs/operations.md has the table for users.
inline constexpr int kExitOk = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitConfig = 3;
inline constexpr int kExitNotFound = 4;
inline constexpr int kExitUnreachable = 6;
inline constexpr int kExitDegraded = 10;
inline constexpr int kExitUnavailable = 11;
inline constexpr int kExitInterrupted = 130;

}  // namespace predastore::cli
