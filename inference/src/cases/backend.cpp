#include "cases/backend.h"

#include <cstdlib>
#include <memory>

#include "aestus/aestus_cuda.h"
#include "base/status.h"
#include "kernels/kernels.h"

namespace aestus::cases {
namespace {

// ---- this processor ----------------------------------------------------------------------------------------------

constexpr Backend kProcessor = {
    kernels::implementation,
    kernels::instruction_set,
    kernels::implementation_that_ran,
    kernels::forget_implementation_that_ran,
    true,
    aestus_gemm_f32,
    aestus_qmatmul,
    aestus_dequantize_row,
    aestus_rmsnorm_f32,
    aestus_softmax_f32,
    aestus_rope_f32,
    aestus_attention_f32,
    aestus_swiglu_f32,
    aestus_embedding,
};

// ---- a GPU -------------------------------------------------------------------------------------------------------

struct Close {
    void operator()(aestus_cuda* cuda) const { aestus_cuda_close(cuda); }
};

std::unique_ptr<aestus_cuda, Close> device;
std::string device_isa;
int64_t launches_before = 0;

// The function of the C ABI whose GPU twin is Function: the same arguments, on `device`.
template <auto Function>
struct OnDevice;
template <class... Arguments, aestus_status (*Function)(aestus_cuda*, Arguments...)>
struct OnDevice<Function> {
    static aestus_status call(Arguments... arguments) { return Function(device.get(), arguments...); }
};

const char* cuda_name() { return "cuda"; }
const char* cuda_isa() { return device_isa.c_str(); }

// A launch is the evidence; a CPU kernel in between would be a silent fallback and is told instead.
const char* cuda_that_ran() {
    const char* processor = kernels::implementation_that_ran();
    if (*processor != '\0') return processor;
    return aestus_cuda_launches(device.get()) > launches_before ? cuda_name() : "";
}

void cuda_forget() {
    kernels::forget_implementation_that_ran();
    launches_before = aestus_cuda_launches(device.get());
}

constexpr Backend kCuda = {
    cuda_name,
    cuda_isa,
    cuda_that_ran,
    cuda_forget,
    false,
    OnDevice<aestus_cuda_gemm_f32>::call,
    OnDevice<aestus_cuda_qmatmul>::call,
    OnDevice<aestus_cuda_dequantize_row>::call,
    OnDevice<aestus_cuda_rmsnorm_f32>::call,
    OnDevice<aestus_cuda_softmax_f32>::call,
    OnDevice<aestus_cuda_rope_f32>::call,
    OnDevice<aestus_cuda_attention_f32>::call,
    OnDevice<aestus_cuda_swiglu_f32>::call,
    OnDevice<aestus_cuda_embedding>::call,
};

void open_device() {
    const char* fatbin = std::getenv("AESTUS_CUDA_FATBIN");
    if (fatbin == nullptr || *fatbin == '\0') {
        throw Error(AESTUS_ERR_ARGUMENT,
                    "the implementation cuda needs AESTUS_CUDA_FATBIN, the kernels that inference/cuda/build.py makes");
    }
    aestus_cuda* opened = nullptr;
    const aestus_status status = aestus_cuda_open(fatbin, 0, &opened);
    if (status != AESTUS_OK) throw Error(status, aestus_last_error());
    device.reset(opened);
    device_isa = "sm_" + std::to_string(aestus_cuda_capability(opened));
}

const Backend* in_force = &kProcessor;

}  // namespace

const Backend& backend() { return *in_force; }

void use_backend(const std::string& impl) {
    const std::string wanted = impl.empty() ? kernels::requested_implementation() : impl;
    const bool is_cuda = wanted == "cuda";
    if (is_cuda) open_device();
    // On a GPU the processor still makes the data, whose bits no implementation changes.
    kernels::set_implementation(is_cuda ? "auto" : wanted);
    in_force = is_cuda ? &kCuda : &kProcessor;
}

}  // namespace aestus::cases
