#pragma once

namespace bellis {

// 128-bit integers, for exact products of two 64-bit integers.
__extension__ typedef __int128 Int128;
__extension__ typedef unsigned __int128 UInt128;

}  // namespace bellis
