// aestus-unit: GoogleTest whose results also go out as AESTUS_RESULTS events, "Suite.Test" each.
#include <cstdio>

#include <gtest/gtest.h>

#include "base/status.h"
#include "cases/events.h"

namespace {

using aestus::cases::EventFile;

class ResultsListener : public testing::EmptyTestEventListener {
   public:
    explicit ResultsListener(EventFile& events) : events_(events) {}

    void OnTestStart(const testing::TestInfo& test) override { events_.start(name_of(test)); }

    void OnTestEnd(const testing::TestInfo& test) override {
        const testing::TestResult& result = *test.result();
        const char* outcome = result.Failed() ? "failed" : result.Skipped() ? "skipped" : "passed";
        std::string message;
        for (int i = 0; i < result.total_part_count(); ++i) {
            const testing::TestPartResult& part = result.GetTestPartResult(i);
            if (part.passed()) continue;
            if (!message.empty()) message += "\n";
            message += part.message();
        }
        constexpr int64_t kNanosecondsPerMillisecond = 1000000;
        events_.end(name_of(test), outcome, message, result.elapsed_time() * kNanosecondsPerMillisecond, "{}");
    }

   private:
    static std::string name_of(const testing::TestInfo& test) {
        return std::string(test.test_suite_name()) + "." + test.name();
    }
    EventFile& events_;
};

}  // namespace

int main(int count, char** values) {
    testing::InitGoogleTest(&count, values);
    if (testing::GTEST_FLAG(list_tests)) return RUN_ALL_TESTS();
    try {
        EventFile events;
        aestus::cases::install_crash_handler(events);
        testing::UnitTest::GetInstance()->listeners().Append(new ResultsListener(events));  // gtest owns it
        const int failed = RUN_ALL_TESTS();
        events.finish();
        constexpr int kNothing = 3;
        return events.ended() == 0 ? kNothing : failed;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "aestus-unit: %s\n", error.what());
        return 2;
    }
}
