#pragma once

// Any program as a worker: run once per block, told of the block by its environment and its stdin.

#include <string>
#include <vector>

#include "bellis/result.h"
#include "bellis/worker.h"

namespace bellis {

/// The file that `program` names, looked up in PATH where it has no slash, as execvp does.
/// Errors: kNotFound; kIo for one that may not be run.
Result<std::string> FindProgram(const std::string& program);

class BlockCommand {
 public:
  /// Error: as FindProgram, of command[0].
  static Result<BlockCommand> Make(std::vector<std::string> command);

  /// Runs the command for `block` and waits. Its stderr goes to ours. Errors, with what went wrong
  /// in the first line and the end of its stderr after that: it did not exit with code 0; it could
  /// not be run. When this process is interrupted, the command is ended.
  /// It does not outlive this process.
  Status Run(const Block& block) const;

 private:
  BlockCommand(std::string path, std::vector<std::string> command)
      : path_(std::move(path)), command_(std::move(command)) {}

  std::string path_;
  std::vector<std::string> command_;
};

/// "BELLIS_BLOCK_ID=12", "BELLIS_READ_OFFSET=0 -5 10" ...
std::vector<std::string> BlockEnvironment(const Block& block);

/// {"task": "smooth", "id": 12, ..., "read": {"offset": [0], "shape": [10]}, "write": {...}}
std::string BlockJson(const Block& block);

}  // namespace bellis
