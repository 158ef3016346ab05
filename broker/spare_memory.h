#pragma once

// Memory that is kept aside for when there is none.
//
// What is large and fails (the masks of a job, its schedule) is refused where it is asked for. What
// is small and fails anywhere else would end the process. So when an allocation fails, these
// megabytes are given back to the system first: the large one fails all the same, and what tells of
// it succeeds.

namespace bellis {

/// From now on, for this process: std::set_new_handler. To be called once, by its main().
void KeepSpareMemory();

/// Keeps some aside again, if it was given back and there is some. Cost: next to none otherwise.
void RefillSpareMemory();

}  // namespace bellis
