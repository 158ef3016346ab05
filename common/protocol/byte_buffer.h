#pragma once

// A growing buffer for the bytes of one message, to which msgpack::packer writes. It is reused for
// the next message.

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <span>

namespace bellis::wire {

class ByteBuffer {
 public:
  /// Forgets the bytes. Keeps the memory, unless an unusually large message needed it.
  void Clear() {
    size_ = 0;
    if (capacity_ > kCapacityKept) {
      bytes_.reset();
      capacity_ = 0;
    }
  }

  /// msgpack::packer requires this name. `data` is not null.
  [[gnu::always_inline]] void write(const char* data, size_t size) {
    if (size > capacity_ - size_) [[unlikely]] {
      Grow(size);
    }
    std::memcpy(bytes_.get() + size_, data, size);
    size_ += size;
  }

  std::span<const char> bytes() const { return {bytes_.get(), size_}; }

 private:
  static constexpr size_t kCapacityKept = size_t{2} << 20;

  [[gnu::noinline]] void Grow(size_t size) {
    const size_t capacity = std::max<size_t>({256, 2 * capacity_, size_ + size});
    auto bytes = std::make_unique_for_overwrite<char[]>(capacity);
    if (size_ > 0) std::memcpy(bytes.get(), bytes_.get(), size_);
    bytes_ = std::move(bytes);
    capacity_ = capacity;
  }

  std::unique_ptr<char[]> bytes_;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

}  // namespace bellis::wire
