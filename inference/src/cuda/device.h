// One GPU with the kernels of the fatbin loaded, and device memory that frees itself.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "cuda/driver.h"

namespace aestus::cuda {

class Device {
   public:
    /// Retains the device's primary context and loads the fatbin; throws Error.
    Device(const std::string& fatbin_path, int ordinal);
    ~Device();
    Device(const Device&) = delete;
    Device& operator=(const Device&) = delete;

    const std::string& name() const noexcept { return name_; }
    int capability() const noexcept { return capability_; }
    int64_t launches() const noexcept { return launches_; }
    const Driver& driver() const noexcept { return driver_; }

    /// Makes this device's context the calling thread's.
    void enter() const;

    /// Launches `kernel` over `outputs` units of work and waits; arguments are taken by address as the driver wants.
    template <class... Arguments>
    void run(const char* kernel, int64_t outputs, Arguments... arguments) const {
        std::array<void*, sizeof...(Arguments)> addresses{static_cast<void*>(&arguments)...};
        launch(kernel, outputs, addresses.data());
    }

   private:
    void launch(const char* kernel, int64_t outputs, void** arguments) const;

    const Driver& driver_;
    DeviceId device_ = 0;
    Context* context_ = nullptr;
    Module* module_ = nullptr;
    std::string name_;
    int capability_ = 0;
    mutable int64_t launches_ = 0;
};

/// Device memory of one array; empty arrays take no memory and are the null pointer.
class Buffer {
   public:
    Buffer(const Device& device, std::size_t bytes);
    /// A copy of `bytes` bytes of host memory.
    Buffer(const Device& device, const void* host, std::size_t bytes);
    ~Buffer();
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;

    DevicePointer pointer() const noexcept { return pointer_; }
    void fill(unsigned char byte) const;
    void copy_to(void* host) const;

   private:
    const Device& device_;
    std::size_t bytes_;
    DevicePointer pointer_ = 0;
};

}  // namespace aestus::cuda
