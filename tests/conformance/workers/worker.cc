// A worker of the C++ library that can be slow and can fail, as checks ask of it.

#include <bellis/worker.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <thread>

namespace {

int Number(const char* name) {
  const char* text = std::getenv(name);
  return text == nullptr ? 0 : std::atoi(text);
}

}  // namespace

int main() {
  try {
    auto worker = bellis::Worker::FromEnvironment();
    worker.Run([](const bellis::Block&) {
      std::this_thread::sleep_for(std::chrono::milliseconds(Number("BELLIS_CONFORMANCE_MS")));
      const int size = Number("BELLIS_CONFORMANCE_ERROR_BYTES");
      if (size > 0) throw std::runtime_error(std::string(static_cast<size_t>(size), 'x'));
    });
  } catch (const bellis::WorkerError& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
