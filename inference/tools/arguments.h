// Command-line arguments of the tools: `--name value` and `--name` flags, nothing else.
#pragma once

#include <charconv>
#include <cstdint>
#include <cstdio>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/status.h"

namespace aestus::tools {

class Arguments {
 public:
  /// Throws Error (ARGUMENT) on a name that is in neither set, a missing value or a repetition.
  Arguments(int argc, char** argv, const std::set<std::string>& valued,
            const std::set<std::string>& flags) {
    for (int i = 1; i < argc; ++i) {
      const std::string name = argv[i];
      const bool takes_value = valued.count(name) != 0;
      if (!takes_value && flags.count(name) == 0) refuse("unknown argument " + name);
      if (takes_value && i + 1 == argc) refuse(name + " needs a value");
      if (!values_.emplace(name, takes_value ? argv[++i] : "").second)
        refuse(name + " is given twice");
    }
  }

  bool has(const std::string& name) const { return values_.count(name) != 0; }

  std::string text(const std::string& name) const {
    if (!has(name)) refuse(name + " is required");
    return values_.at(name);
  }
  std::string text_or(const std::string& name, const std::string& fallback) const {
    return has(name) ? values_.at(name) : fallback;
  }
  int64_t number_or(const std::string& name, int64_t fallback, int64_t lowest,
                    int64_t highest) const {
    if (!has(name)) return fallback;
    const std::string& text = values_.at(name);
    int64_t number = 0;
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (problem != std::errc() || end != text.data() + text.size() || number < lowest ||
        number > highest)
      refuse(name + " is '" + text + "', expected is an integer from " + std::to_string(lowest) +
             " to " + std::to_string(highest));
    return number;
  }

  [[noreturn]] static void refuse(const std::string& problem) {
    throw Error(AESTUS_ERR_ARGUMENT, problem);
  }

 private:
  std::map<std::string, std::string> values_;
};

/// Exit codes of the tools: 2 for a wrong request or input, 1 for a failure while working.
inline int exit_code_of(aestus_status status) {
  const bool input = status == AESTUS_ERR_ARGUMENT || status == AESTUS_ERR_IO ||
                     status == AESTUS_ERR_FORMAT || status == AESTUS_ERR_UNSUPPORTED;
  return input ? 2 : 1;
}

/// Run a tool's `body`; one line on standard error when it fails.
template <typename Body>
int run_tool(const char* name, const char* usage, const Body& body) {
  try {
    body();
    return 0;
  } catch (const Error& error) {
    std::fprintf(stderr, "%s: error: %s\n", name, error.what());
    if (error.status() == AESTUS_ERR_ARGUMENT) std::fprintf(stderr, "%s", usage);
    return exit_code_of(error.status());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: error: %s\n", name, error.what());
    return 1;
  }
}

}  // namespace aestus::tools
