// How Aestus reports failure: C++ inside throws Error, the C ABI turns it into a status and a thread-local text.
#pragma once

#include <new>
#include <stdexcept>
#include <string>
#include <utility>

#include "aestus/aestus.h"

namespace aestus {

class Error : public std::runtime_error {
   public:
    Error(aestus_status status, const std::string& text) : std::runtime_error(text), status_(status) {}
    aestus_status status() const noexcept { return status_; }

   private:
    aestus_status status_;
};

// Remembers `text` for aestus_last_error() of this thread and hands `status` back.
aestus_status report(aestus_status status, const char* text) noexcept;

// `what` completes the sentence "argument error: …".
inline void require(bool holds, const char* what) {
    if (!holds) throw Error(AESTUS_ERR_ARGUMENT, what);
}

// Runs `body` at the C boundary: no exception leaves it.
template <class Body>
aestus_status guarded(Body&& body) noexcept {
    try {
        std::forward<Body>(body)();
        return AESTUS_OK;
    } catch (const Error& error) {
        return report(error.status(), error.what());
    } catch (const std::bad_alloc&) {
        return report(AESTUS_ERR_MEMORY, "out of memory");
    } catch (const std::exception& error) {
        return report(AESTUS_ERR_INTERNAL, error.what());
    } catch (...) {
        return report(AESTUS_ERR_INTERNAL, "unknown exception");
    }
}

}  // namespace aestus
