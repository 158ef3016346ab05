#pragma once

// JSON in which fields keep their order, as messages show them.

#include <nlohmann/json.hpp>

namespace bellis::test {

using Json = nlohmann::ordered_json;

}  // namespace bellis::test
