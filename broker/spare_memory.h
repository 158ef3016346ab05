#pragma once

// A reserve of memory for when no other memory is left.
//
// The code that makes a large allocation (for a job's masks or schedule) handles its failure. A
// small allocation that fails anywhere else would end the process. So when an allocation fails,
// this reserve is given back to the system first: the large allocation still fails, but the small
// ones that report the failure succeed.

namespace bellis {

/// Sets up the reserve for this process (std::set_new_handler). Must be called once, by main().
void KeepSpareMemory();

/// Sets the reserve aside again, if it was given back and there is enough memory. Otherwise the
/// cost is almost nothing.
void RefillSpareMemory();

}  // namespace bellis
