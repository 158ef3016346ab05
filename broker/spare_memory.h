#pragma once

// A reserve of memory for when there is none left.
//
// A large allocation that fails (a job's masks, its schedule) is handled where it is made. A small
// one that fails anywhere else would end the process. So when an allocation fails, these megabytes
// are given back to the system first: the large one still fails, and the small ones that report it
// succeed.

namespace bellis {

/// From now on, for this process: std::set_new_handler. To be called once, by its main().
void KeepSpareMemory();

/// Keeps some aside again, if it was given back and there is some. Cost: next to none otherwise.
void RefillSpareMemory();

}  // namespace bellis
