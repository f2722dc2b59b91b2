// aestus-cases --cases FILE [--impl NAME]: runs every case line of FILE and writes AESTUS_RESULTS events.
// NAME is an implementation of this processor or "cuda"; without it AESTUS_FORCE_IMPL decides, else the best one.
// Exit: 0 all passed, 1 some failed, 2 bad arguments, case line or an implementation that cannot run here, 3 nothing to
// run or nothing compared. Ends early, without the finish event, when a GPU is lost: a new process must do the rest.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>

#include "base/status.h"
#include "cases/backend.h"
#include "cases/events.h"
#include "cases/verdict.h"

namespace {

using namespace aestus::cases;

enum Exit { kAllPassed = 0, kSomeFailed = 1, kUsage = 2, kNothing = 3 };

struct Options {
    std::string cases;
    std::string impl;
};

Options parse_arguments(int count, char** values) {
    Options options;
    for (int i = 1; i < count; i += 2) {
        const std::string name = values[i];
        if (i + 1 == count) throw aestus::Error(AESTUS_ERR_ARGUMENT, name + " needs a value");
        if (name == "--cases") options.cases = values[i + 1];
        else if (name == "--impl") options.impl = values[i + 1];
        else throw aestus::Error(AESTUS_ERR_ARGUMENT, "unknown argument " + name);
    }
    if (options.cases.empty()) {
        throw aestus::Error(AESTUS_ERR_ARGUMENT, "usage: aestus-cases --cases FILE [--impl NAME|auto]");
    }
    return options;
}

// Every line is checked before the first runs: a broken file tests nothing.
std::vector<CaseLine> parse_all(const std::vector<std::string>& lines) {
    std::vector<CaseLine> cases;
    for (const std::string& line : lines) {
        cases.push_back(parse_case(line));
        if (print_case(cases.back()) != line) throw aestus::Error(AESTUS_ERR_ARGUMENT, "not canonical: " + line);
    }
    return cases;
}

void crash_if_planted([[maybe_unused]] const std::string& name) {
#ifdef AESTUS_FAULT_SEGFAULT
    const char* planted = std::getenv("AESTUS_TEST_CRASH");
    if (planted != nullptr && name == planted) {
        volatile int* nowhere = nullptr;
        *nowhere = 1;
    }
#endif
}

struct Totals {
    int64_t failed = 0;
    int64_t compared = 0;  // elements
};

// False when no later case of this process can be judged.
bool run_case(EventFile& events, const CaseLine& line, Totals& totals) {
    const std::string name = print_case(line);
    events.start(name);
    crash_if_planted(name);
    try {
        const Verdict verdict = judge(line);
        events.end(name, verdict.passed ? "passed" : "failed", verdict.message, verdict.duration_ns,
                   metrics_json(verdict));
        totals.compared += verdict.n;
        totals.failed += verdict.passed ? 0 : 1;
        return !verdict.is_backend_lost;
    } catch (const std::exception& error) {  // out of memory, or a line that no operator takes
        events.end(name, "errored", error.what(), 0, "{}");
        totals.failed += 1;
    }
    return true;
}

int run(const Options& options) {
    use_backend(options.impl);  // a request that cannot be obeyed ends here
    const std::vector<CaseLine> cases = parse_all(read_case_file(options.cases));
    if (cases.empty()) {
        std::fprintf(stderr, "aestus-cases: %s holds no case\n", options.cases.c_str());
        return kNothing;
    }
    EventFile events;
    install_crash_handler(events);
    Totals totals;
    for (const CaseLine& line : cases) {
        if (run_case(events, line, totals)) continue;
        std::fprintf(stderr, "aestus-cases: the device is lost after %s\n", print_case(line).c_str());
        return kSomeFailed;
    }
    events.finish();
    std::fprintf(stderr, "aestus-cases: %lld of %lld passed, %lld elements compared (%s, %s)\n",
                 static_cast<long long>(events.ended() - totals.failed), static_cast<long long>(events.ended()),
                 static_cast<long long>(totals.compared), backend().name(), backend().isa());
    if (totals.failed > 0) return kSomeFailed;
    return totals.compared > 0 ? kAllPassed : kNothing;
}

}  // namespace

int main(int count, char** values) {
    try {
        return run(parse_arguments(count, values));
    } catch (const std::exception& error) {
        std::fprintf(stderr, "aestus-cases: %s\n", error.what());
        return kUsage;
    }
}
