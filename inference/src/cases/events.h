// The events of a native executable: one flushed JSON line each, in the file named by AESTUS_RESULTS, else on stdout.
//
//   {"event":"start","name":CASE}
//   {"event":"end","name":CASE,"outcome":"passed|failed|skipped|errored","message":TEXT,"duration_ns":N,"metrics":{…}}
//   {"event":"crash","signal":"SIGSEGV","name":CASE|null}
//   {"event":"finish","count":N}
#pragma once

#include <cstdint>
#include <string>

#include "cases/verdict.h"

namespace aestus::cases {

class EventFile {
   public:
    // Opens the file of AESTUS_RESULTS for appending; throws Error(io) when that fails.
    EventFile();
    ~EventFile();
    EventFile(const EventFile&) = delete;
    EventFile& operator=(const EventFile&) = delete;

    void start(const std::string& name);
    void end(const std::string& name, const std::string& outcome, const std::string& message, int64_t duration_ns,
             const std::string& metrics_json);
    void finish();
    int64_t ended() const { return ended_; }

   private:
    void write(const std::string& line);
    int file_;
    int64_t ended_ = 0;
};

std::string json_string(const std::string& text);
std::string metrics_json(const Verdict& verdict);

// Writes a crash event with the name of the case in flight when this process dies of a fatal signal (on Windows: an
// unhandled exception), then dies of it.
void install_crash_handler(const EventFile& events);

}  // namespace aestus::cases
