// Comparison of an output with its reference, element by element.
#include "cases/verdict.h"

#include <chrono>
#include <cmath>
#include <cstdio>

#include "base/status.h"
#include "cases/backend.h"
#include "cases/guarded_output.h"
#include "math/half.h"

namespace aestus::cases {
namespace {

enum class Class { finite, nan, plus_infinity, minus_infinity };

template <class T>
Class class_of(T value) {
    if (std::isnan(value)) return Class::nan;
    if (std::isinf(value)) return value > 0 ? Class::plus_infinity : Class::minus_infinity;
    return Class::finite;
}

// Position of a finite f32 on the number line, so that neighbours differ by one.
int64_t ordinal(float value) {
    const uint32_t bits = math::bits_of(value);
    const int64_t magnitude = bits & 0x7fffffffu;
    return (bits >> 31) != 0 ? -magnitude : magnitude;
}

std::string text_of(double value) {
    char text[40];
    std::snprintf(text, sizeof text, "%.9g", value);
    return text;
}

void fail(Verdict& verdict, int64_t i, float computed, const Expected& expected, const char* why) {
    if (!verdict.message.empty()) return;  // the first one is told
    verdict.message = "element " + std::to_string(i) + ": got " + text_of(static_cast<double>(computed)) +
                      ", expected " + text_of(expected.value) + " within " + text_of(expected.bound) + ": " + why;
}

void compare_finite(Verdict& verdict, int64_t i, float computed, const Expected& expected, bool is_exact) {
    const double error = std::fabs(static_cast<double>(computed) - expected.value);
    const double ratio = error == 0.0 ? 0.0 : error / expected.bound;
    if (ratio > verdict.error_over_bound) {
        verdict.error_over_bound = ratio;
        verdict.where = i;
    }
    const int64_t ulp = std::llabs(ordinal(computed) - ordinal(static_cast<float>(expected.value)));
    verdict.max_ulp = std::fmax(verdict.max_ulp, static_cast<double>(ulp));
    verdict.max_abs = std::fmax(verdict.max_abs, error);
    if (expected.value != 0.0) verdict.max_rel = std::fmax(verdict.max_rel, error / std::fabs(expected.value));
    if (is_exact && error != 0.0)
        fail(verdict, i, computed, expected, "the data are exact, so the result must be equal");
    if (!(ratio <= 1.0)) fail(verdict, i, computed, expected, "error above bound");
}

void compare(Verdict& verdict, const Problem& problem, const float* y) {
    for (int64_t i = 0; i < problem.outputs; ++i) {
        const Expected expected = problem.expect(i);
        verdict.n += 1;
        if (!std::isfinite(y[i])) verdict.nonfinite += 1;
        if (class_of(y[i]) != class_of(expected.value)) {
            fail(verdict, i, y[i], expected, "NaN or infinity differs");
        } else if (class_of(y[i]) == Class::finite) {
            compare_finite(verdict, i, y[i], expected, problem.is_exact);
        }
    }
}

void require_intact(Verdict& verdict, const GuardedOutput& output) {
    if (!output.is_intact()) verdict.message = "wrote outside of the output: a guard band changed";
}

// The implementation asked for must be the one whose code ran; for an empty output no code needs to run.
void require_impl(Verdict& verdict, bool is_empty) {
    verdict.impl = backend().that_ran();
    if (is_empty && verdict.impl.empty()) verdict.impl = backend().name();
    verdict.isa = backend().isa();
    if (verdict.impl != backend().name()) {
        verdict.message = "asked for " + std::string(backend().name()) + ", but ran '" + verdict.impl + "'";
    }
}

}  // namespace

std::string digest_of(const float* values, int64_t count) {
    uint64_t hash = 0xcbf29ce484222325u;
    for (int64_t i = 0; i < count; ++i) {
        const uint32_t bits = std::isnan(values[i]) ? 0x7fc00000u : math::bits_of(values[i]);
        for (int shift = 0; shift < 32; shift += 8) hash = (hash ^ ((bits >> shift) & 0xffu)) * 0x100000001b3u;
    }
    char text[17];
    std::snprintf(text, sizeof text, "%08x%08x", static_cast<unsigned>(hash >> 32), static_cast<unsigned>(hash));
    return text;
}

Verdict judge(const CaseLine& line) {
    const Problem problem = make_problem(line);
    GuardedOutput output(problem.outputs);
    Verdict verdict;
    backend().forget();
    const auto begin = std::chrono::steady_clock::now();
    try {
        problem.run(output.data());
    } catch (const Error& error) {
        verdict.message = std::string("the kernel refused: ") + error.what();
        verdict.is_backend_lost = error.status() == AESTUS_ERR_INTERNAL && !backend().survives_errors;
        return verdict;
    }
    const auto elapsed = std::chrono::steady_clock::now() - begin;
    verdict.duration_ns = std::chrono::duration_cast<std::chrono::nanoseconds>(elapsed).count();
    require_impl(verdict, problem.outputs == 0);
    require_intact(verdict, output);
    compare(verdict, problem, output.data());
    verdict.digest = digest_of(output.data(), output.size());
    if (verdict.n != problem.outputs) verdict.message = "not every element was compared";
    verdict.passed = verdict.message.empty();
    return verdict;
}

}  // namespace aestus::cases
