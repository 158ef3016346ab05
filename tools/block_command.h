#pragma once

// Runs any program as a worker: once per block, with the block in its environment and on its stdin.

#include <span>
#include <string>
#include <vector>

#include "bellis/result.h"
#include "bellis/worker.h"

namespace bellis {

/// The file that `program` names, looked up in PATH if it has no slash, as execvp does. Errors:
/// kNotFound; kIo if it may not be run.
Result<std::string> FindProgram(const std::string& program);

class BlockCommand {
 public:
  /// Error: that of FindProgram for command[0].
  static Result<BlockCommand> Make(std::vector<std::string> command);

  /// Runs the command for `block`, and waits for its end. Its stderr is copied to ours. Error: the
  /// command did not exit with code 0, or could not be run; the first line says what went wrong,
  /// and the end of its stderr follows. If this process is interrupted, the command is ended. The
  /// command does not outlive this process.
  Status Run(const Block& block) const;
  /// Runs the command once for all of `blocks`, which are on its stdin as JSON, one a line; its
  /// environment has BELLIS_TASK, and their number as BELLIS_BLOCKS. Errors: as Run. Requires
  /// blocks.
  Status RunForAll(std::span<const BlockHandle> blocks) const;

 private:
  Status RunWith(const std::string& input_text, std::vector<std::string> variables) const;

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
