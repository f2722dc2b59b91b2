// exp in double from additions and multiplications: the device twin of exp64 in src/math/elementary.h.
//
// The same operations in the same order give the same bits as the CPU; -fmad=false keeps them apart. Taylor degree 9 on
// |r| <= ln2/2 truncates below 7e-12 relative, far under the 2^-24 of the f32 that is made of it.
#pragma once

#include <cstdint>

namespace aestus::cuda {

__device__ __forceinline__ double exp64(double x) {
    constexpr double kRoundMagic = 6755399441055744.0;  // 1.5 * 2^52: adding it rounds to an integer
    constexpr double kLog2E = 1.4426950408889634;
    constexpr double kLn2High = 6.93147180369123816490e-01;
    constexpr double kLn2Low = 1.90821492927058770002e-10;
    constexpr double kExpMin = -708.0;
    constexpr double kExpMax = 709.0;
    double clamped = x < kExpMin ? kExpMin : x;
    clamped = clamped > kExpMax ? kExpMax : clamped;
    const double shifted = clamped * kLog2E + kRoundMagic;
    const double n = shifted - kRoundMagic;
    const double r = (clamped - n * kLn2High) - n * kLn2Low;
    double p = 1.0 / 362880.0;
    p = p * r + 1.0 / 40320.0;
    p = p * r + 1.0 / 5040.0;
    p = p * r + 1.0 / 720.0;
    p = p * r + 1.0 / 120.0;
    p = p * r + 1.0 / 24.0;
    p = p * r + 1.0 / 6.0;
    p = p * r + 0.5;
    p = p * r + 1.0;
    p = p * r + 1.0;
    const auto scaled = static_cast<uint64_t>(__double_as_longlong(p)) +
                        (static_cast<uint64_t>(__double_as_longlong(shifted)) << 52);
    double result = __longlong_as_double(static_cast<long long>(scaled));
    result = x < kExpMin ? 0.0 : result;
    result = x > kExpMax ? __longlong_as_double(0x7ff0000000000000LL) : result;
    return x != x ? x : result;
}

}  // namespace aestus::cuda
