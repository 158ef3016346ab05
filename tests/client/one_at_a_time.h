#pragma once

#include "bellis/worker.h"
#include "tests/client/fake_broker.h"

namespace bellis {

/// The options of a worker of that broker, which asks for one block at a time.
inline WorkerOptions OneAtATime(const FakeBroker& broker) {
  WorkerOptions options;
  options.endpoint = broker.endpoint();
  options.prefetch = 0;
  return options;
}

}  // namespace bellis
