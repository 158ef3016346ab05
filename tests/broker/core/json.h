#pragma once

// JSON objects whose fields keep the order that they have in messages.

#include <nlohmann/json.hpp>

namespace bellis::test {

using Json = nlohmann::ordered_json;

}  // namespace bellis::test
