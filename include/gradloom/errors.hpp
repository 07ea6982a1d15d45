#pragma once

#include <stdexcept>
#include <string>

namespace gradloom {

/// Process exit codes, as promised to users of the command line.
enum class ExitCode : int {
  kDone = 0,
  kDefect = 1,    ///< a defect of the program
  kConfig = 2,    ///< command line or config
  kData = 3,      ///< data set
  kFile = 4,      ///< a checkpoint or other file could not be written or read
  kDiverged = 5,  ///< NaN or Inf in loss, gradient or parameters
  kInterrupted = 130,
  kTerminated = 143,
};

/// Base of everything Gradloom throws on purpose. `what()` is one line for a person: what is wrong, where
/// (file, object, row, key), and what to do about it.
class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message, ExitCode code = ExitCode::kDefect)
      : std::runtime_error(message), code_(code) {}
  [[nodiscard]] ExitCode code() const noexcept { return code_; }

 private:
  ExitCode code_;
};

/// The command line or a config file asks for something impossible.
class ConfigError : public Error {
 public:
  explicit ConfigError(const std::string& message) : Error(message, ExitCode::kConfig) {}
};

/// A data set, or a file being imported, does not hold what it must.
class DataError : public Error {
 public:
  explicit DataError(const std::string& message) : Error(message, ExitCode::kData) {}
};

/// The system refused to read or write a file (no room, no permission, I/O error).
class FileError : public Error {
 public:
  explicit FileError(const std::string& message) : Error(message, ExitCode::kFile) {}
};

/// A checkpoint is damaged, foreign, or does not fit the run.
class CheckpointError : public FileError {
 public:
  using FileError::FileError;
};

/// Training produced NaN or Inf.
class DivergenceError : public Error {
 public:
  explicit DivergenceError(const std::string& message) : Error(message, ExitCode::kDiverged) {}
};

}  // namespace gradloom
