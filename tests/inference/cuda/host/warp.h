// Enough of CUDA C++ to run kernels on the processor: a warp is 32 fibers in lockstep at each exchange.
//
// A block runs warp after warp; the kernels use no shared memory and no block barrier. Lanes that do not all reach the
// same exchange are undefined behaviour on a GPU; here launch() says so.
#pragma once

#include <ucontext.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <vector>

#define __global__
#define __device__
#define __forceinline__ inline

struct Index {
    unsigned x;
};

inline Index threadIdx{0};
inline Index blockIdx{0};
inline Index blockDim{0};
inline Index gridDim{0};

namespace warp {

constexpr unsigned kLanes = 32;
constexpr size_t kStackBytes = 64 * 1024;

struct Lane {
    ucontext_t context;
    std::vector<char> stack = std::vector<char>(kStackBytes);
    bool is_done = false;
};

inline ucontext_t scheduler;
inline std::vector<Lane> lanes(kLanes);
inline unsigned lane_in_flight = 0;
inline unsigned phase = 0;  // sweeps over the lanes; two of them never share a row of `exchanged`
inline float exchanged[2][kLanes];
inline std::function<void()> body;

inline void enter() {
    body();
    lanes[lane_in_flight].is_done = true;
}

// Waits until every lane of the warp is here.
inline void meet() { swapcontext(&lanes[lane_in_flight].context, &scheduler); }

// Lets every lane run to its next exchange or its end; how many ended.
inline unsigned sweep(unsigned first_thread) {
    unsigned done = 0;
    for (lane_in_flight = 0; lane_in_flight < kLanes; ++lane_in_flight) {
        threadIdx.x = first_thread + lane_in_flight;
        swapcontext(&scheduler, &lanes[lane_in_flight].context);
        done += lanes[lane_in_flight].is_done ? 1 : 0;
    }
    phase ^= 1;
    return done;
}

// False when the lanes do not meet.
inline bool run(unsigned first_thread) {
    for (Lane& lane : lanes) {
        getcontext(&lane.context);
        lane.context.uc_stack.ss_sp = lane.stack.data();
        lane.context.uc_stack.ss_size = lane.stack.size();
        lane.context.uc_link = &scheduler;
        lane.is_done = false;
        makecontext(&lane.context, enter, 0);
    }
    unsigned done = 0;
    while (done == 0) done = sweep(first_thread);
    return done == kLanes;
}

inline bool launch(unsigned blocks, unsigned threads, const std::function<void()>& kernel) {
    body = kernel;
    gridDim.x = blocks;
    blockDim.x = threads;
    for (blockIdx.x = 0; blockIdx.x < blocks; ++blockIdx.x) {
        for (unsigned first = 0; first < threads; first += kLanes) {
            if (!run(first)) return false;
        }
    }
    return true;
}

}  // namespace warp

inline float __shfl_xor_sync(unsigned, float value, int distance) {
    float* row = warp::exchanged[warp::phase];
    row[warp::lane_in_flight] = value;
    warp::meet();
    return row[warp::lane_in_flight ^ static_cast<unsigned>(distance)];
}
inline void __syncwarp() { warp::meet(); }

inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __fsqrt_rn(float a) { return std::sqrt(a); }
inline long long __double_as_longlong(double value) {
    long long bits;
    std::memcpy(&bits, &value, sizeof bits);
    return bits;
}
inline double __longlong_as_double(long long bits) {
    double value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}
inline float __int_as_float(int bits) {
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}
