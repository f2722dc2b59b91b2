// Parser and printer of case lines.
#include "cases/case_line.h"

#include <fstream>

#include "base/status.h"

namespace aestus::cases {
namespace {

[[noreturn]] void refuse(const std::string& line, const std::string& why) {
    throw Error(AESTUS_ERR_ARGUMENT, "case line '" + line + "': " + why);
}

bool is_word(const std::string& text) {
    if (text.empty()) return false;
    for (const char c : text) {
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_')) return false;
    }
    return true;
}

bool is_digits(const std::string& text) {
    return !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
}

// Digits only are an integer and must be canonical: no leading zero, below 2^63.
bool is_value(const std::string& text) {
    if (!is_word(text)) return false;
    if (!is_digits(text)) return true;
    if (text.size() > 1 && text[0] == '0') return false;
    return text.size() < 19 || (text.size() == 19 && text <= "9223372036854775807");
}

std::pair<std::string, std::string> parse_pair(const std::string& line, const std::string& pair) {
    const size_t equals = pair.find('=');
    if (equals == std::string::npos) refuse(line, "'" + pair + "' has no '='");
    const std::string key = pair.substr(0, equals);
    const std::string value = pair.substr(equals + 1);
    if (!is_word(key)) refuse(line, "key '" + key + "' is not [a-z0-9_]+");
    if (!is_value(value)) refuse(line, "value '" + value + "' of " + key + " is not canonical");
    return {key, value};
}

}  // namespace

const std::string& CaseLine::text(const std::string& key) const {
    for (const auto& [name, value] : values) {
        if (name == key) return value;
    }
    refuse(print_case(*this), "key " + key + " is missing");
}

int64_t CaseLine::integer(const std::string& key) const {
    const std::string& value = text(key);
    if (!is_digits(value)) refuse(print_case(*this), key + " is not an integer");
    return std::stoll(value);
}

uint64_t CaseLine::seed() const { return static_cast<uint64_t>(integer("seed")); }

CaseLine parse_case(const std::string& line) {
    const size_t colon = line.find(':');
    if (colon == std::string::npos) refuse(line, "no ':' after op.dtype");
    const std::string head = line.substr(0, colon);
    const size_t dot = head.find('.');
    CaseLine parsed;
    parsed.op = head.substr(0, dot);
    parsed.dtype = dot == std::string::npos ? "" : head.substr(dot + 1);
    if (!is_word(parsed.op) || !is_word(parsed.dtype)) refuse(line, "'" + head + "' is not op.dtype");
    size_t begin = colon + 1;
    while (begin <= line.size()) {
        const size_t comma = line.find(',', begin);
        const size_t end = comma == std::string::npos ? line.size() : comma;
        auto pair = parse_pair(line, line.substr(begin, end - begin));
        for (const auto& earlier : parsed.values) {
            if (earlier.first == pair.first) refuse(line, "key " + pair.first + " appears twice");
        }
        parsed.values.push_back(std::move(pair));
        begin = end + 1;
    }
    if (parsed.values.empty() || parsed.values.back().first != "seed") refuse(line, "the last key is not seed");
    if (!is_digits(parsed.values.back().second)) refuse(line, "seed is not an integer");
    return parsed;
}

std::string print_case(const CaseLine& line) {
    std::string text = line.op + "." + line.dtype;
    char separator = ':';
    for (const auto& [key, value] : line.values) {
        text += separator + key + "=" + value;
        separator = ',';
    }
    return text;
}

std::vector<std::string> read_case_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) throw Error(AESTUS_ERR_IO, "cannot read " + path);
    std::vector<std::string> lines;
    for (std::string line; std::getline(file, line);) {
        while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
        if (!line.empty() && line[0] != '#') lines.push_back(line);
    }
    return lines;
}

}  // namespace aestus::cases
