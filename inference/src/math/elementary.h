// exp, log, pow, sine and cosine in double, from additions and multiplications only.
//
// libm differs between glibc, Wine's CRT and aarch64 in the last bits; these do not, because each operation is one
// IEEE operation in a fixed order (no contraction). Arguments come from f32 values, so an error far below 2^-24 is
// enough; each function states its own. All functions have internal linkage on purpose: a translation unit compiled
// for AVX2 must not lend its copy to the others.
#pragma once

#include <cstdint>
#include <cstring>

namespace aestus::math {

static inline uint64_t bits_of(double value) {
    uint64_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline double from_bits(uint64_t bits) {
    double value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

// Adding and subtracting 1.5 * 2^52 rounds to an integer; the low mantissa bits of the sum hold that integer.
constexpr double kRoundMagic = 6755399441055744.0;
constexpr double kLog2E = 1.4426950408889634;
// ln 2 in two parts; the upper has 32 bits, so its product with |n| < 2^11 is exact (fdlibm's split).
constexpr double kLn2High = 6.93147180369123816490e-01;
constexpr double kLn2Low = 1.90821492927058770002e-10;
constexpr double kExpMin = -708.0;  // exp(-708) = 3e-308 and exp(709) = 8e307 are the ends of normal doubles: as f32
constexpr double kExpMax = 709.0;   // they are 0 and infinity, which is what the clamps below amount to

// exp(x) of an x that came from an f32. Taylor series of degree 9 on |r| <= ln2/2: truncation 0.3466^10/10! < 7e-12
// relative. Below kExpMin it stays 3e-308, above kExpMax 8e307, at infinity it is infinity; NaN stays NaN (its low 12
// bits are 0, so the shift adds nothing). No branches, so that a loop over it vectorises.
static inline double exp64(double x) {
    const double below_max = x > kExpMax ? kExpMax : x;
    const double excess = x > kExpMax ? x : 0.0;  // too small to change 8e307, or infinity
    const double clamped = below_max < kExpMin ? kExpMin : below_max;
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
    return from_bits(bits_of(p) + (bits_of(shifted) << 52)) + excess;
}

// exp(x) for |x| < 700 with Taylor degree 13: truncation 0.3466^14/14! < 5e-18, so a few ulp of double.
static inline double exp64_accurate(double x) {
    const double shifted = x * kLog2E + kRoundMagic;
    const double n = shifted - kRoundMagic;
    const double r = (x - n * kLn2High) - n * kLn2Low;
    double p = 1.0;
    for (int i = 13; i >= 1; --i) p = p * (r / i) + 1.0;
    return from_bits(bits_of(p) + (bits_of(shifted) << 52));
}

// ln x for normal x > 0: x = 2^e * m, m in [sqrt(1/2), sqrt 2), ln m = 2 artanh((m-1)/(m+1)) by its series.
// |s| < 0.1716, truncation s^24/25 < 1e-19.
static inline double log64(double x) {
    constexpr uint64_t kMantissa = (uint64_t{1} << 52) - 1;
    const uint64_t bits = bits_of(x);
    int64_t exponent = static_cast<int64_t>(bits >> 52) - 1023;
    double m = from_bits((bits & kMantissa) | (uint64_t{1023} << 52));
    if (m > 1.4142135623730951) {
        m = m * 0.5;
        exponent += 1;
    }
    const double s = (m - 1.0) / (m + 1.0);
    const double s2 = s * s;
    double series = 0.0;
    for (int odd = 23; odd >= 1; odd -= 2) series = series * s2 + 1.0 / odd;
    const double e = static_cast<double>(exponent);
    return e * kLn2High + (2.0 * s * series + e * kLn2Low);
}

// x^y for normal x > 0 and |y ln x| < 700; relative error about |y ln x| * 2^-52.
static inline double pow64(double x, double y) { return exp64_accurate(y * log64(x)); }

struct SineCosine {
    double sine;
    double cosine;
};

// Sine and cosine for |x| < 2^20. Reduction by pi/2 in three parts of 33 bits (fdlibm), Taylor series on |r| <= pi/4:
// truncation below 1e-16 absolute.
static inline SineCosine sincos64(double x) {
    constexpr double kTwoOverPi = 0.63661977236758134308;
    constexpr double kPio2A = 1.57079632673412561417e+00;
    constexpr double kPio2B = 6.07710050630396597660e-11;
    constexpr double kPio2C = 2.02226624879595063154e-21;
    const double shifted = x * kTwoOverPi + kRoundMagic;
    const double n = shifted - kRoundMagic;
    const double r = ((x - n * kPio2A) - n * kPio2B) - n * kPio2C;
    const double r2 = r * r;
    double sine = 1.0;
    double cosine = 1.0;
    for (int i = 16; i >= 2; i -= 2) {
        sine = 1.0 - sine * (r2 / (i * (i + 1)));
        cosine = 1.0 - cosine * (r2 / (i * (i - 1)));
    }
    sine = sine * r;
    switch (bits_of(shifted) & 3) {
        case 0: return {sine, cosine};
        case 1: return {cosine, -sine};
        case 2: return {-sine, -cosine};
        default: return {-cosine, sine};
    }
}

}  // namespace aestus::math
