// A worker in C++. `bellis run cpp.toml` starts it, with the folder build/release/bin on the PATH.

#include <bellis/worker.h>

#include <iostream>

int main() {
  auto worker = bellis::Worker::FromEnvironment();
  worker.Run([](const bellis::Block& block) {
    std::cout << "hello from block " << block.id() << ": reads " << block.read_roi().ToString()
              << ", writes " << block.write_roi().ToString() << std::endl;
  });
}
