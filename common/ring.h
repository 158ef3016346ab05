#pragma once

// A queue in one piece of memory, which is kept while the queue is used: unlike std::deque, it
// allocates nothing while its length stays within what it has been.

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <utility>
#include <vector>

namespace bellis {

/// T must be default-constructible and movable. Iterators and references are invalid after a change
/// of the queue.
template <typename T>
class Ring {
 public:
  template <typename Owner, typename Value>
  class Iterator {
   public:
    using iterator_category = std::random_access_iterator_tag;
    using value_type = T;
    using difference_type = std::ptrdiff_t;
    using pointer = Value*;
    using reference = Value&;

    Iterator() = default;
    Iterator(Owner* owner, size_t at) : owner_(owner), at_(at) {}
    Value& operator*() const { return (*owner_)[at_]; }
    Value* operator->() const { return &(*owner_)[at_]; }
    Iterator& operator++() { return *this += 1; }
    Iterator& operator--() { return *this += -1; }
    Iterator operator++(int) { return std::exchange(*this, *this + 1); }
    Iterator& operator+=(std::ptrdiff_t n) {
      at_ = static_cast<size_t>(static_cast<std::ptrdiff_t>(at_) + n);
      return *this;
    }
    friend Iterator operator+(Iterator it, std::ptrdiff_t n) { return it += n; }
    friend std::ptrdiff_t operator-(const Iterator& a, const Iterator& b) {
      return static_cast<std::ptrdiff_t>(a.at_) - static_cast<std::ptrdiff_t>(b.at_);
    }
    bool operator==(const Iterator& other) const { return at_ == other.at_; }
    size_t index() const { return at_; }

   private:
    Owner* owner_ = nullptr;
    size_t at_ = 0;
  };
  Ring() = default;
  Ring(const Ring&) = default;
  Ring& operator=(const Ring&) = default;
  Ring(Ring&& other) noexcept { Swap(other); }
  Ring& operator=(Ring&& other) noexcept {
    Ring taken(std::move(other));
    Swap(taken);
    return *this;
  }
  ~Ring() = default;

  using iterator = Iterator<Ring, T>;
  using const_iterator = Iterator<const Ring, const T>;

  bool empty() const { return size_ == 0; }
  size_t size() const { return size_; }
  /// How many elements its memory has room for.
  size_t slots() const { return slots_.size(); }
  T& operator[](size_t i) { return slots_[(first_ + i) & (slots_.size() - 1)]; }
  const T& operator[](size_t i) const { return slots_[(first_ + i) & (slots_.size() - 1)]; }
  T& front() { return (*this)[0]; }
  const T& front() const { return (*this)[0]; }
  T& back() { return (*this)[size_ - 1]; }
  const T& back() const { return (*this)[size_ - 1]; }
  iterator begin() { return {this, 0}; }
  iterator end() { return {this, size_}; }
  const_iterator begin() const { return {this, 0}; }
  const_iterator end() const { return {this, size_}; }

  void push_back(T value) {
    if (size_ == slots_.size()) Resize(std::max(kSlotsMin, 2 * slots_.size()));
    (*this)[size_++] = std::move(value);
  }
  void push_front(T value) {
    if (size_ == slots_.size()) Resize(std::max(kSlotsMin, 2 * slots_.size()));
    first_ = (first_ + slots_.size() - 1) & (slots_.size() - 1);
    ++size_;
    (*this)[0] = std::move(value);
  }
  void pop_front() {
    front() = T();
    first_ = (first_ + 1) & (slots_.size() - 1);
    --size_;
    GiveMemoryBack();
  }
  void pop_back() {
    back() = T();
    --size_;
    GiveMemoryBack();
  }
  /// Cost: linear in the distance to the nearer end.
  void erase(const iterator& at) {
    size_t i = at.index();
    if (i < size_ / 2) {
      for (; i > 0; --i) (*this)[i] = std::move((*this)[i - 1]);
      return pop_front();
    }
    for (; i + 1 < size_; ++i) (*this)[i] = std::move((*this)[i + 1]);
    pop_back();
  }
  /// Removes what meets the condition. Cost: linear in the length.
  template <typename Condition>
  void remove_if(Condition condition) {
    size_t kept = 0;
    for (size_t i = 0; i < size_; ++i) {
      if (condition(std::as_const((*this)[i]))) continue;
      if (kept != i) (*this)[kept] = std::move((*this)[i]);
      ++kept;
    }
    while (size_ > kept) pop_back();
  }
  void clear() { *this = Ring(); }

 private:
  // The number of slots is 0 or a power of two.
  static constexpr size_t kSlotsMin = 8;
  static constexpr size_t kSlotsKept = 1024;

  void Swap(Ring& other) noexcept {
    slots_.swap(other.slots_);
    std::swap(first_, other.first_);
    std::swap(size_, other.size_);
    std::swap(pops_while_short_, other.pops_while_short_);
  }
  /// A queue that was long once does not keep its memory for ever. One that becomes long again and
  /// again does.
  void GiveMemoryBack() {
    if (slots_.size() <= kSlotsKept) return;
    if (size_ >= slots_.size() / 8) {
      pops_while_short_ = 0;
    } else if (++pops_while_short_ > 8 * slots_.size()) {
      Resize(slots_.size() / 2);
    }
  }
  void Resize(size_t slots) {
    std::vector<T> larger(slots);
    for (size_t i = 0; i < size_; ++i) larger[i] = std::move((*this)[i]);
    slots_.swap(larger);
    first_ = 0;
    pops_while_short_ = 0;
  }

  std::vector<T> slots_;
  size_t first_ = 0;
  size_t size_ = 0;
  size_t pops_while_short_ = 0;  // since it was last longer than an eighth of its slots
};

}  // namespace bellis
