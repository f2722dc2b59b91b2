// Byte-pair merging of one word.
#include "tokenizer/merger.h"

#include <algorithm>

namespace aestus {
namespace {

constexpr int32_t kEnd = -1;

}  // namespace

void Merger::consider(int32_t left) {
  if (left == kEnd) return;
  const Symbol& symbol = symbols_[static_cast<size_t>(left)];
  if (symbol.next == kEnd) return;
  const int32_t right_id = symbols_[static_cast<size_t>(symbol.next)].id;
  const Vocabulary::Merge* merge = vocabulary_.find_merge(symbol.id, right_id);
  if (merge == nullptr) return;
  heap_.push_back({merge->rank, left, symbol.id, right_id, merge->merged});
  std::push_heap(heap_.begin(), heap_.end());
}

void Merger::encode(std::string_view word, std::vector<int32_t>* ids) {
  symbols_.clear();
  heap_.clear();
  for (const char c : word) {
    const int32_t id = vocabulary_.byte_token(static_cast<uint8_t>(c));
    if (id == kNoToken) continue;
    const auto index = static_cast<int32_t>(symbols_.size());
    symbols_.push_back({id, index - 1, index + 1});
  }
  if (symbols_.empty()) return;
  symbols_.back().next = kEnd;
  for (int32_t i = 0; i < static_cast<int32_t>(symbols_.size()); ++i) consider(i);
  while (!heap_.empty()) {
    std::pop_heap(heap_.begin(), heap_.end());
    const Candidate best = heap_.back();
    heap_.pop_back();
    Symbol& left = symbols_[static_cast<size_t>(best.left)];
    if (left.id != best.left_id || left.next == kEnd) continue;
    Symbol& right = symbols_[static_cast<size_t>(left.next)];
    if (right.id != best.right_id) continue;
    left.id = best.merged;
    right.id = kNoToken;
    left.next = right.next;
    if (left.next != kEnd) symbols_[static_cast<size_t>(left.next)].previous = best.left;
    consider(left.previous);
    consider(best.left);
  }
  for (int32_t i = 0; i != kEnd; i = symbols_[static_cast<size_t>(i)].next)
    ids->push_back(symbols_[static_cast<size_t>(i)].id);
}

}  // namespace aestus
