// A kernel case as one canonical ASCII line: op.dtype:k=v,k=v,…,seed=n. parse and print are inverse to each other.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace aestus::cases {

struct CaseLine {
    std::string op;
    std::string dtype;
    std::vector<std::pair<std::string, std::string>> values;  // in the order of the line; seed is the last

    const std::string& text(const std::string& key) const;   // throws Error(argument) when absent
    int64_t integer(const std::string& key) const;
    uint64_t seed() const;
};

// Throws Error(argument) with the reason; accepts canonical lines only.
CaseLine parse_case(const std::string& line);
std::string print_case(const CaseLine& line);

// Lines of a case file without comments, blank lines and carriage returns.
std::vector<std::string> read_case_file(const std::string& path);

}  // namespace aestus::cases
