// Event lines by unbuffered writes: what was written survives any death of the process.
#include "cases/events.h"

#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#if defined(_WIN32)
#define WIN32_LEAN_AND_MEAN
#include <io.h>
#include <windows.h>
#else
#include <unistd.h>
#endif

#include "base/status.h"

namespace aestus::cases {
namespace {

// What the crash handler may touch: plain memory prepared before, no allocation.
constexpr size_t kNameBytes = 8192;
char in_flight[kNameBytes];  // JSON string of the case in flight, or null
int crash_file = 1;

void write_bytes(int file, const char* bytes, size_t count) {
    while (count > 0) {
#if defined(_WIN32)
        const auto written = _write(file, bytes, static_cast<unsigned>(count));
#else
        const auto written = ::write(file, bytes, count);
#endif
        if (written <= 0) return;
        bytes += written;
        count -= static_cast<size_t>(written);
    }
}

void set_in_flight(const std::string& json) {
    const bool fits = json.size() < kNameBytes;
    std::memcpy(in_flight, fits ? json.c_str() : "null", fits ? json.size() + 1 : 5);
}

void write_crash(const char* signal) {
    const char* parts[] = {"{\"event\":\"crash\",\"signal\":\"", signal, "\",\"name\":", in_flight, "}\n"};
    for (const char* part : parts) write_bytes(crash_file, part, std::strlen(part));
}

#if defined(_WIN32)

LONG WINAPI on_exception(EXCEPTION_POINTERS* info) {
    switch (info->ExceptionRecord->ExceptionCode) {
        case EXCEPTION_ACCESS_VIOLATION: write_crash("SIGSEGV"); break;
        case EXCEPTION_STACK_OVERFLOW: write_crash("SIGSEGV"); break;
        case EXCEPTION_ILLEGAL_INSTRUCTION: write_crash("SIGILL"); break;
        case EXCEPTION_INT_DIVIDE_BY_ZERO: write_crash("SIGFPE"); break;
        case EXCEPTION_DATATYPE_MISALIGNMENT: write_crash("SIGBUS"); break;
        default: write_crash("UNKNOWN"); break;
    }
    // Ends here: without a debugger the default would open a window and wait.
    TerminateProcess(GetCurrentProcess(), info->ExceptionRecord->ExceptionCode);
    return EXCEPTION_EXECUTE_HANDLER;
}

void on_abort(int) {
    write_crash("SIGABRT");
    TerminateProcess(GetCurrentProcess(), 3);
}

#else

const char* name_of(int signal) {
    switch (signal) {
        case SIGSEGV: return "SIGSEGV";
        case SIGBUS: return "SIGBUS";
        case SIGFPE: return "SIGFPE";
        case SIGILL: return "SIGILL";
        case SIGABRT: return "SIGABRT";
        default: return "UNKNOWN";
    }
}

// SA_RESETHAND restored the default action: raising again kills with the same signal.
void on_signal(int signal) {
    write_crash(name_of(signal));
    std::raise(signal);
}

#endif

int open_results(const char* path) {
#if defined(_WIN32)
    return _open(path, _O_WRONLY | _O_CREAT | _O_APPEND | _O_BINARY, 0644);
#else
    return ::open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
#endif
}

// JSON has no NaN and no infinity: those go out as strings.
std::string json_number(double value) {
    if (std::isnan(value)) return "\"nan\"";
    if (std::isinf(value)) return value > 0 ? "\"inf\"" : "\"-inf\"";
    char text[40];
    std::snprintf(text, sizeof text, "%.9g", value);
    return text;
}

}  // namespace

std::string json_string(const std::string& text) {
    std::string out = "\"";
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (byte < 0x20 || byte >= 0x7f) {
            char escaped[8];
            std::snprintf(escaped, sizeof escaped, "\\u%04x", byte);
            out += escaped;
        } else {
            out += c;
        }
    }
    return out + "\"";
}

std::string metrics_json(const Verdict& verdict) {
    std::string out = "{\"impl\":" + json_string(verdict.impl);
    out += ",\"isa\":" + json_string(verdict.isa);
    out += ",\"n\":" + std::to_string(verdict.n);
    out += ",\"error_over_bound\":" + json_number(verdict.error_over_bound);
    out += ",\"max_ulp\":" + json_number(verdict.max_ulp);
    out += ",\"max_abs\":" + json_number(verdict.max_abs);
    out += ",\"max_rel\":" + json_number(verdict.max_rel);
    out += ",\"where\":" + std::to_string(verdict.where);
    out += ",\"nonfinite\":" + std::to_string(verdict.nonfinite);
    return out + ",\"digest\":" + json_string(verdict.digest) + "}";
}

EventFile::EventFile() : file_(1) {
    if (const char* path = std::getenv("AESTUS_RESULTS"); path != nullptr && *path != '\0') {
        file_ = open_results(path);
        if (file_ < 0) throw Error(AESTUS_ERR_IO, std::string("cannot append to AESTUS_RESULTS=") + path);
    }
    set_in_flight("null");
}

EventFile::~EventFile() {
#if defined(_WIN32)
    if (file_ != 1) _close(file_);
#else
    if (file_ != 1) ::close(file_);
#endif
}

void EventFile::write(const std::string& line) { write_bytes(file_, line.data(), line.size()); }

void EventFile::start(const std::string& name) {
    set_in_flight(json_string(name));
    write("{\"event\":\"start\",\"name\":" + json_string(name) + "}\n");
}

void EventFile::end(const std::string& name, const std::string& outcome, const std::string& message,
                    int64_t duration_ns, const std::string& metrics) {
    ended_ += 1;
    set_in_flight("null");
    write("{\"event\":\"end\",\"name\":" + json_string(name) + ",\"outcome\":\"" + outcome + "\",\"message\":" +
          json_string(message) + ",\"duration_ns\":" + std::to_string(duration_ns) + ",\"metrics\":" + metrics + "}\n");
}

void EventFile::finish() { write("{\"event\":\"finish\",\"count\":" + std::to_string(ended_) + "}\n"); }

void install_crash_handler(const EventFile&) {
    if (const char* path = std::getenv("AESTUS_RESULTS"); path != nullptr && *path != '\0') {
        crash_file = open_results(path);
    }
#if defined(_WIN32)
    SetErrorMode(SEM_FAILCRITICALERRORS | SEM_NOGPFAULTERRORBOX);
    SetUnhandledExceptionFilter(on_exception);
    std::signal(SIGABRT, on_abort);
#else
    // An own stack, so that a stack overflow can be told, too.
    static char stack[64 * 1024];
    stack_t alternate{};
    alternate.ss_sp = stack;
    alternate.ss_size = sizeof stack;
    sigaltstack(&alternate, nullptr);
    struct sigaction action {};
    action.sa_handler = on_signal;
    action.sa_flags = static_cast<int>(SA_RESETHAND | SA_NODEFER | SA_ONSTACK);
    for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) sigaction(signal, &action, nullptr);
#endif
}

}  // namespace aestus::cases
