#pragma once

// One event for a BrokerCore, and the work that follows from it.

#include <utility>

#include "broker/core/broker_core.h"

namespace bellis::test {

/// `see` is called after each Step, with what that did in `effects`.
template <class See>
void StepToRest(BrokerCore& core, Instant now, Event event, Effects& effects, See see) {
  core.Step(now, std::move(event), &effects);
  see();
  while (effects.more_work) {
    core.Step(now, TimePassed{}, &effects);
    see();
  }
}

}  // namespace bellis::test
