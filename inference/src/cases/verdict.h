// Runs one case and judges its output.
#pragma once

#include <string>

#include "cases/problem.h"

namespace aestus::cases {

struct Verdict {
    bool passed = false;
    std::string message;   // why not; "" when passed
    std::string impl;      // the implementation whose code ran
    std::string isa;
    int64_t n = 0;         // elements compared; 0 only for the cases of an empty tensor
    double error_over_bound = 0.0;
    double max_ulp = 0.0;
    double max_abs = 0.0;
    double max_rel = 0.0;
    int64_t where = -1;    // element of the largest error over bound; -1 when all are exact
    int64_t nonfinite = 0;
    std::string digest;    // FNV-1a 64 of the output's bits, NaN payloads made equal
    int64_t duration_ns = 0;
    bool is_backend_lost = false;  // what runs later in this process would tell nothing
};

// Throws Error(argument) for a line that is no case; everything else is a verdict.
Verdict judge(const CaseLine& line);

// FNV-1a 64 over little-endian words; every NaN counts as 0x7fc00000, because its payload differs between processors.
std::string digest_of(const float* values, int64_t count);

}  // namespace aestus::cases
