// The one conversion of CUDA's header of this name that the kernels use, for the processor.
#pragma once

#include "math/half.h"

struct __half {
    unsigned short bits;
};

inline float __half2float(__half value) { return aestus::math::half_to_float(value.bits); }
