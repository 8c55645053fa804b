#include "cuda/stopwatch.h"

#include <algorithm>
#include <memory>

#include "cuda/error.h"

namespace rnm::cuda {
namespace {

// A launch is to last about this long: much longer than the clock's steps of half a microsecond.
constexpr double kLaunchMicroseconds = 1000;
constexpr int kMostRepeats = 20;
// Work that takes long is measured well enough by fewer rounds.
constexpr int kRounds = 9, kRoundsOfLongWork = 3;
constexpr double kLongMicroseconds = 10000;

class Event {
 public:
  Event() { check(cudaEventCreate(&event_), "create an event"); }
  ~Event() { cudaEventDestroy(event_); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  operator cudaEvent_t() const { return event_; }

 private:
  cudaEvent_t event_ = nullptr;
};

// Work that was recorded a number of times. A graph of its own, not the backend's: nothing of it
// changes from launch to launch.
class Recording {
 public:
  Recording(Context& context, const std::function<void()>& work, int repeats) : repeats_(repeats) {
    check(cudaStreamBeginCapture(context.stream(), cudaStreamCaptureModeThreadLocal),
          "begin to record products");
    cudaGraph_t recorded = nullptr;
    try {
      for (int i = 0; i < repeats; ++i) work();
    } catch (...) {
      cudaStreamEndCapture(context.stream(), &recorded);
      if (recorded) cudaGraphDestroy(recorded);
      cudaGetLastError();
      throw;
    }
    check(cudaStreamEndCapture(context.stream(), &recorded), "record products in a graph");
    const cudaError_t status = cudaGraphInstantiate(&executable_, recorded, 0);
    cudaGraphDestroy(recorded);
    check(status, "make a graph of products");
  }
  ~Recording() { cudaGraphExecDestroy(executable_); }
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;

  int repeats() const { return repeats_; }
  void launch(Context& context) const {
    check(cudaGraphLaunch(executable_, context.stream()), "launch products");
  }

 private:
  int repeats_;
  cudaGraphExec_t executable_ = nullptr;
};

template <typename Work>
double elapsed(Context& context, const Work& work) {
  const Event begin, end;
  check(cudaEventRecord(begin, context.stream()), "time products");
  work();
  check(cudaEventRecord(end, context.stream()), "time products");
  check(cudaEventSynchronize(end), "time products");
  float milliseconds = 0;
  check(cudaEventElapsedTime(&milliseconds, begin, end), "time products");
  return 1000.0 * milliseconds;
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace

std::vector<double> microsecondsOf(Context& context,
                                   const std::vector<std::function<void()>>& works) {
  context.requireNoGraph("a measurement");
  std::vector<std::unique_ptr<Recording>> recordings;
  int rounds = kRounds;
  // All of them first: what one of them allocates may move what another has recorded.
  for (const auto& work : works) work();
  for (const auto& work : works) {
    const double once = elapsed(context, work);
    if (once > kLongMicroseconds) rounds = kRoundsOfLongWork;
    const int repeats =
        std::clamp(static_cast<int>(kLaunchMicroseconds / std::max(once, 1.0)), 1, kMostRepeats);
    recordings.push_back(std::make_unique<Recording>(context, work, repeats));
    recordings.back()->launch(context);
  }
  std::vector<std::vector<double>> times(works.size());
  for (int round = 0; round < rounds; ++round) {
    for (size_t i = 0; i < works.size(); ++i) {
      const double all = elapsed(context, [&] { recordings[i]->launch(context); });
      times[i].push_back(all / recordings[i]->repeats());
    }
  }
  std::vector<double> medians;
  for (const auto& each : times) medians.push_back(median(each));
  return medians;
}

}  // namespace rnm::cuda
