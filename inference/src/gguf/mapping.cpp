// A whole file mapped read-only into memory, on POSIX and Windows.
#include "gguf/mapping.h"

#include <limits>

#include "base/status.h"

#ifdef _WIN32
#ifndef NOMINMAX
#define NOMINMAX
#endif
#include <windows.h>
#else
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#endif

namespace aestus {
namespace {

[[noreturn]] void refuse(const std::string& path, const char* act, const std::string& reason) {
  throw Error(AESTUS_ERR_IO, path + ": cannot " + act + ": " + reason);
}

}  // namespace

#ifdef _WIN32

namespace {

struct Handle {
  HANDLE value = nullptr;
  ~Handle() {
    if (value != nullptr && value != INVALID_HANDLE_VALUE) CloseHandle(value);
  }
};

std::string last_reason() { return "Windows error " + std::to_string(GetLastError()); }

std::wstring widened(const std::string& path) {
  const int count = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path.data(),
                                        static_cast<int>(path.size()), nullptr, 0);
  if (count <= 0) refuse(path, "open", "the path is empty or not UTF-8");
  std::wstring wide(static_cast<size_t>(count), L'\0');
  MultiByteToWideChar(CP_UTF8, 0, path.data(), static_cast<int>(path.size()), wide.data(), count);
  return wide;
}

}  // namespace

Mapping::Mapping(const std::string& path) {
  Handle file;
  file.value = CreateFileW(widened(path).c_str(), GENERIC_READ, FILE_SHARE_READ, nullptr,
                           OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, nullptr);
  if (file.value == INVALID_HANDLE_VALUE) refuse(path, "open", last_reason());
  LARGE_INTEGER bytes;
  if (!GetFileSizeEx(file.value, &bytes)) refuse(path, "measure", last_reason());
  if (bytes.QuadPart == 0) refuse(path, "map", "the file is empty");
  // A view keeps its section alive, so both handles may close when this function ends.
  Handle section;
  section.value = CreateFileMappingW(file.value, nullptr, PAGE_READONLY, 0, 0, nullptr);
  if (section.value == nullptr) refuse(path, "map", last_reason());
  const void* view = MapViewOfFile(section.value, FILE_MAP_READ, 0, 0, 0);
  if (view == nullptr) refuse(path, "map", last_reason());
  data_ = static_cast<const uint8_t*>(view);
  size_ = static_cast<size_t>(bytes.QuadPart);
}

Mapping::~Mapping() {
  if (data_ != nullptr) UnmapViewOfFile(data_);
}

#else

namespace {

struct Descriptor {
  int value = -1;
  ~Descriptor() {
    if (value >= 0) close(value);
  }
};

}  // namespace

Mapping::Mapping(const std::string& path) {
  Descriptor file;
  file.value = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file.value < 0) refuse(path, "open", std::strerror(errno));
  struct stat status;
  if (fstat(file.value, &status) != 0) refuse(path, "measure", std::strerror(errno));
  if (!S_ISREG(status.st_mode)) refuse(path, "map", "not a regular file");
  if (status.st_size == 0) refuse(path, "map", "the file is empty");
  if (static_cast<uint64_t>(status.st_size) > std::numeric_limits<size_t>::max())
    refuse(path, "map", "the file exceeds the address space");
  size_ = static_cast<size_t>(status.st_size);
  void* view = mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.value, 0);
  if (view == MAP_FAILED) refuse(path, "map", std::strerror(errno));
  data_ = static_cast<const uint8_t*>(view);
}

Mapping::~Mapping() {
  if (data_ != nullptr) munmap(const_cast<uint8_t*>(data_), size_);
}

#endif

}  // namespace aestus
