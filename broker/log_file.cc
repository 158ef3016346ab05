#include "broker/log_file.h"

#include <fcntl.h>
#include <spdlog/sinks/base_sink.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <mutex>
#include <utility>

#include "common/files/private_file.h"

namespace bellis {
namespace {

std::atomic<unsigned> reopenings_asked{0};

class FileSink : public spdlog::sinks::base_sink<std::mutex> {
 public:
  FileSink(std::string path, Fd file)
      : path_(std::move(path)), file_(std::move(file)), reopenings_(reopenings_asked.load()) {}

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    if (const unsigned asked = reopenings_asked.load(); asked != reopenings_) {
      reopenings_ = asked;
      Result<Fd> file = OpenLogFile(path_, O_WRONLY | O_CREAT);
      if (file.ok()) file_ = std::move(*file);
    }
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    for (size_t at = 0; at < line.size();) {
      const ssize_t bytes = write(file_.get(), line.data() + at, line.size() - at);
      if (bytes < 0 && errno == EINTR) continue;
      if (bytes <= 0) return;  // the disk is full: the line is lost, but the broker goes on
      at += static_cast<size_t>(bytes);
    }
  }
  void flush_() override {}

 private:
  const std::string path_;
  Fd file_;
  unsigned reopenings_;
};

}  // namespace

Result<std::shared_ptr<spdlog::sinks::sink>> LogFileSink(const std::string& path) {
  Result<Fd> file = OpenLogFile(path, O_WRONLY | O_CREAT);
  if (!file.ok()) return file.error();
  return std::shared_ptr<spdlog::sinks::sink>(std::make_shared<FileSink>(path, std::move(*file)));
}

void ReopenLogFiles() { reopenings_asked.fetch_add(1); }

}  // namespace bellis
