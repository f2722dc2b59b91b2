// Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC 2011) and the element
// words derived from it. Test vectors: docs/philox.md.
#pragma once

#include <array>
#include <cstdint>

namespace aestus::cases {

using Words = std::array<uint32_t, 4>;

inline Words philox4x32_10(Words counter, uint32_t key0, uint32_t key1) {
    for (int round = 0; round < 10; ++round) {
        const uint64_t product0 = uint64_t{0xD2511F53u} * counter[0];
        const uint64_t product1 = uint64_t{0xCD9E8D57u} * counter[2];
        counter = {static_cast<uint32_t>(product1 >> 32) ^ counter[1] ^ key0, static_cast<uint32_t>(product1),
                   static_cast<uint32_t>(product0 >> 32) ^ counter[3] ^ key1, static_cast<uint32_t>(product0)};
        key0 += 0x9E3779B9u;
        key1 += 0xBB67AE85u;
    }
    return counter;
}

// The words of element `index` (row-major) of input number `tensor` of an operator.
inline Words element_words(uint64_t seed, uint64_t index, uint32_t tensor) {
    return philox4x32_10({static_cast<uint32_t>(index), static_cast<uint32_t>(index >> 32), tensor, 0},
                         static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32));
}

}  // namespace aestus::cases
