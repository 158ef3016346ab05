#pragma once

// Nothing is thrown out of libbellis_c: each function runs in Guarded, which turns exceptions and
// Errors into a number, and keeps the sentence for bellis_error().

#include <bellis.h>

#include <new>
#include <string_view>

#include "bellis/result.h"
#include "bellis/worker.h"

namespace bellis::c {

/// Keeps the sentence, and returns the number.
int Fail(int code, std::string_view why) noexcept;
int Fail(const Error& error) noexcept;
/// `what` names the argument that is NULL.
int FailNull(const char* what) noexcept;

template <typename Function>
int Guarded(Function&& function) noexcept {
  try {
    return function();
  } catch (const WorkerError& error) {
    return Fail(Error{error.code(), error.what()});
  } catch (const std::bad_alloc&) {
    return Fail(BELLIS_E_MEMORY, "memory is short");
  } catch (const std::exception& error) {
    return Fail(BELLIS_E_INTERNAL, error.what());
  } catch (...) {
    return Fail(BELLIS_E_INTERNAL, "an unknown exception");
  }
}

}  // namespace bellis::c
