#pragma once

// Gives one event to a BrokerCore, and runs the follow-up work to its end.

#include <utility>

#include "broker/core/broker_core.h"

namespace bellis::test {

/// Calls `see` after each Step, whose effects are then in `effects`.
template <class See>
void StepToRest(BrokerCore& core, Instant now, Event event, Effects& effects, See see) {
  core.Step(now, std::move(event), &effects);
  see();
  while (effects.more_work) {
    core.Step(now, TimePassed{}, &effects);
    see();
  }
  core.CheckInvariants();
}

}  // namespace bellis::test
