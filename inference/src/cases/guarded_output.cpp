// Margins of inputs.
#include "cases/guarded_output.h"

namespace aestus::cases {

std::vector<uint8_t> with_margins(const void* bytes, size_t count) {
    std::vector<uint8_t> framed(count + 2 * kMargin, kUnwritten);
    if (count > 0) std::memcpy(framed.data() + kMargin, bytes, count);
    return framed;
}

}  // namespace aestus::cases
