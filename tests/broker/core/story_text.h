#pragma once

// The form of messages in the stories of transcripts/: words in place of JSON.
//
//     release 1:completed want=0                  ["release", {"results": [{"lease": 1, "status":
//                                                  "completed"}], "want": 0}]
//     work                                        ["work", {"blocks": [{"lease": 1, ...
//     | blocks lease=1 read=0+10 write=0+10        ... "read": [[0],[10]], "write": [[0],[10]]}]}]
//
// A word is KEY=VALUE; a value is a bare word, or JSON. A text may continue in the next word:
// KEY="what is " "long". KEY+=VALUE adds to a list. `0,5+10,20` is the ROI with that offset and
// shape.
//
// A line that starts with `|` belongs to the line above: `| KEY words` is one more object of the
// list KEY, `| KEY: words` is the object KEY, and two more spaces after the `|` go a level deeper.
// `| ..` continues the words of the line above.

#include <string>
#include <vector>

#include "tests/broker/core/json.h"

namespace bellis::test {

/// The message [kind, fields] that the lines describe; `lines[0]` begins with the kind.
/// Throws std::runtime_error, which quotes the line, when a line does not have the form above.
Json ParseMessage(const std::vector<std::string>& lines);

/// The lines that describe the message, of at most 120 columns unless a word is longer.
/// ParseMessage turns them back into the message; its fields may be in another order.
std::vector<std::string> FormatMessage(const Json& message);

/// Text in lines of at most 120 columns; those after the first start with `| .. `.
std::vector<std::string> WrapWords(const std::string& text);

}  // namespace bellis::test
