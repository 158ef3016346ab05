#pragma once

// The orders in which the ready blocks of a job's tasks are leased.

#include <vector>

#include "bellis/job_spec.h"

namespace bellis {

/// The order of each task. In a serial job it is strict (fifo).
inline std::vector<Order> OrdersOf(const JobSpec& job) {
  std::vector<Order> orders;
  for (const TaskSpec& task : job.tasks) {
    orders.push_back(job.serial ? Order::kFifo : task.order);
  }
  return orders;
}

}  // namespace bellis
