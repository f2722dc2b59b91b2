#include "cuda/device.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <vector>

#include "base/status.h"

namespace aestus::cuda {
namespace {

constexpr int kCapabilityMajor = 75;      // CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR
constexpr int kCapabilityMinor = 76;      // CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR
constexpr Result kNotFound = 500;         // CUDA_ERROR_NOT_FOUND
constexpr unsigned kBlockThreads = 256;   // as in cuda/kernels/lanes.cuh
constexpr int64_t kOutputsPerBlock = 32;  // groups of eight threads; elementwise kernels stride over the rest
constexpr int64_t kMostBlocks = 65535;    // more work than that is strided over

std::vector<char> read_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file)
        throw Error(AESTUS_ERR_IO,
                    "cannot read the CUDA kernels '" + path + "'; build them with inference/cuda/build.py");
    std::vector<char> bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    if (bytes.empty()) throw Error(AESTUS_ERR_FORMAT, "the CUDA kernels '" + path + "' are an empty file");
    return bytes;
}

}  // namespace

Device::Device(const std::string& fatbin_path, int ordinal) : driver_(Driver::get()) {
    const int devices = driver_.count();
    if (ordinal < 0 || ordinal >= devices)
        throw Error(AESTUS_ERR_ARGUMENT,
                    "no CUDA device " + std::to_string(ordinal) + ": there are " + std::to_string(devices));
    const std::vector<char> image = read_file(fatbin_path);
    driver_.check(driver_.device_get(&device_, ordinal), "cuDeviceGet");
    std::array<char, 256> name{};
    driver_.check(driver_.device_name(name.data(), static_cast<int>(name.size()) - 1, device_), "cuDeviceGetName");
    name_ = name.data();
    int major = 0;
    int minor = 0;
    driver_.check(driver_.device_attribute(&major, kCapabilityMajor, device_), "cuDeviceGetAttribute");
    driver_.check(driver_.device_attribute(&minor, kCapabilityMinor, device_), "cuDeviceGetAttribute");
    capability_ = major * 10 + minor;
    driver_.check(driver_.context_retain(&context_, device_), "cuDevicePrimaryCtxRetain");
    try {
        enter();
        driver_.check(driver_.module_load(&module_, image.data()), "cuModuleLoadData");
    } catch (...) {
        driver_.context_release(device_);
        throw;
    }
}

Device::~Device() {
    // A destructor cannot report; what fails here is freed with the process.
    driver_.context_set(context_);
    driver_.module_unload(module_);
    driver_.context_release(device_);
}

void Device::enter() const { driver_.check(driver_.context_set(context_), "cuCtxSetCurrent"); }

void Device::launch(const char* kernel, int64_t outputs, void** arguments) const {
    if (outputs <= 0) return;
    Function* function = nullptr;
    const Result found = driver_.module_function(&function, module_, kernel);
    if (found == kNotFound) throw Error(AESTUS_ERR_FORMAT, std::string("the CUDA kernels hold no ") + kernel);
    driver_.check(found, kernel);
    const int64_t blocks = std::min(kMostBlocks, (outputs + kOutputsPerBlock - 1) / kOutputsPerBlock);
    driver_.check(driver_.launch(function, static_cast<unsigned>(blocks), 1, 1, kBlockThreads, 1, 1, 0, nullptr,
                                 arguments, nullptr),
                  kernel);
    driver_.check(driver_.synchronize(), kernel);
    ++launches_;
}

Buffer::Buffer(const Device& device, std::size_t bytes) : device_(device), bytes_(bytes) {
    if (bytes == 0) return;
    if (device.driver().allocate(&pointer_, bytes) != 0)
        throw Error(AESTUS_ERR_MEMORY, "the GPU has no " + std::to_string(bytes) + " bytes free");
}

Buffer::Buffer(const Device& device, const void* host, std::size_t bytes) : Buffer(device, bytes) {
    if (bytes != 0) device.driver().check(device.driver().to_device(pointer_, host, bytes), "cuMemcpyHtoD");
}

Buffer::~Buffer() {
    if (pointer_ != 0) device_.driver().release(pointer_);
}

void Buffer::fill(unsigned char byte) const {
    if (bytes_ != 0) device_.driver().check(device_.driver().fill(pointer_, byte, bytes_), "cuMemsetD8");
}

void Buffer::copy_to(void* host) const {
    if (bytes_ != 0) device_.driver().check(device_.driver().to_host(host, pointer_, bytes_), "cuMemcpyDtoH");
}

}  // namespace aestus::cuda
