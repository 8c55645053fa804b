#include "cuda/choice_cache.h"

#include <unistd.h>

#include <atomic>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <locale>
#include <sstream>

namespace rnm::cuda {
namespace {

namespace fs = std::filesystem;

// The first line: it changes with what the file says, or how it is measured.
constexpr const char* kTitle = "rnm-td3 measured product 3";
constexpr const char* kEnd = "end";

// FNV-1a: names of files only, which say in full whose they are.
std::string hashOf(const std::string& text) {
  uint64_t hash = 0xcbf29ce484222325ull;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;
  std::ostringstream out;
  out.imbue(std::locale::classic());
  out << std::hex << hash;
  return out.str();
}

// An attribute of an algorithm; a dash if it is not known.
std::string textOf(std::optional<int> attribute) {
  return attribute ? std::to_string(*attribute) : "-";
}

void read(std::istream& file, std::optional<int>& attribute) {
  std::string text;
  file >> text;
  if (text == "-") return;
  std::istringstream number(text);
  int value = 0;
  if (number >> value && number.eof()) {
    attribute = value;
  } else {
    file.setstate(std::ios::failbit);
  }
}

std::string textOf(const std::string& machine, const std::string& product,
                   const MeasuredProduct& m) {
  std::ostringstream out;
  out.imbue(std::locale::classic());
  out.precision(9);
  out << kTitle << '\n' << machine << '\n' << product << '\n';
  const SparseAlgorithm& a = m.algorithm;
  out << "algorithm " << textOf(a.id) << ' ' << textOf(a.splitK) << ' ' << textOf(a.splitMode)
      << ' ' << textOf(a.splitBuffers) << '\n';
  out << "one " << m.one.dense << ' ' << m.one.sparse << '\n';
  out << "all " << m.all.dense << ' ' << m.all.sparse << '\n' << kEnd << '\n';
  return out.str();
}

bool isTime(double microseconds) { return std::isfinite(microseconds) && microseconds > 0; }

std::optional<MeasuredProduct> parse(std::istream& file, const std::string& machine,
                                     const std::string& product) {
  file.imbue(std::locale::classic());
  std::string line;
  for (const std::string& expected : {std::string(kTitle), machine, product}) {
    if (!std::getline(file, line) || line != expected) return std::nullopt;
  }
  MeasuredProduct m;
  std::string names[4];
  file >> names[0];
  for (auto* each : {&m.algorithm.id, &m.algorithm.splitK, &m.algorithm.splitMode,
                     &m.algorithm.splitBuffers}) {
    read(file, *each);
  }
  file >> names[1] >> m.one.dense >> m.one.sparse >> names[2] >> m.all.dense >> m.all.sparse >>
      names[3];
  const bool whole = file && names[0] == "algorithm" && names[1] == "one" && names[2] == "all" &&
                     names[3] == kEnd;
  const bool times = isTime(m.one.dense) && isTime(m.one.sparse) && isTime(m.all.dense) &&
                     isTime(m.all.sparse);
  if (!whole || !times) return std::nullopt;
  return m;
}

// A name that no other thread or process takes.
std::string besideOf(const std::string& file) {
  static std::atomic<unsigned> count{0};
  return file + "." + std::to_string(getpid()) + "." + std::to_string(++count) + ".tmp";
}

bool writeFile(const std::string& file, const std::string& text) {
  std::ofstream out(file, std::ios::binary | std::ios::trunc);
  out << text;
  out.close();
  return static_cast<bool>(out);
}

}  // namespace

ChoiceCache::ChoiceCache(std::string folder, std::string machine)
    : folder_(std::move(folder)), machine_(std::move(machine)) {}

std::string ChoiceCache::fileOf(const std::string& product) const {
  return folder_ + "/sparse-" + hashOf(machine_ + '\n' + product) + ".txt";
}

std::optional<MeasuredProduct> ChoiceCache::find(const std::string& product) const {
  if (folder_.empty()) return std::nullopt;
  std::ifstream file(fileOf(product), std::ios::binary);
  if (!file) return std::nullopt;
  return parse(file, machine_, product);
}

// A file appears whole or not at all. Where there is one it stays, so that every process that
// measured at the same time goes on with the same; one that cannot be read is replaced.
MeasuredProduct ChoiceCache::keep(const std::string& product,
                                  const MeasuredProduct& measured) const {
  if (folder_.empty()) return measured;
  std::error_code failed;
  fs::create_directories(folder_, failed);
  const std::string file = fileOf(product), beside = besideOf(file);
  if (writeFile(beside, textOf(machine_, product, measured))) {
    fs::create_hard_link(beside, file, failed);
    if (failed && !find(product)) fs::rename(beside, file, failed);
  }
  fs::remove(beside, failed);
  return find(product).value_or(measured);
}

void ChoiceCache::forget(const std::string& product) const {
  std::error_code failed;
  if (!folder_.empty()) fs::remove(fileOf(product), failed);
}

}  // namespace rnm::cuda
