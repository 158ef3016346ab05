#pragma once

// BELLIS_API marks what the shared library exports: the classes and functions of these headers.
// Everything else in libbellis is compiled with hidden visibility. The mark changes nothing in a
// static library. Users need not write it.

#define BELLIS_API __attribute__((visibility("default")))
