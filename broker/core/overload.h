#pragma once

// Helps to visit a variant with a function for each alternative. A visit that leaves an alternative
// out does not compile.

#include <concepts>

namespace bellis {

/// std::visit(Overload{[](const A&) {...}, [](const B&) {...}}, a_or_b)
template <typename... Functions>
struct Overload : Functions... {
  using Functions::operator()...;
};
template <typename... Functions>
Overload(Functions...) -> Overload<Functions...>;  // clang 14 does not deduce it

/// Whether T is one of these types.
template <typename T, typename... Types>
concept OneOf = (std::same_as<T, Types> || ...);

}  // namespace bellis
