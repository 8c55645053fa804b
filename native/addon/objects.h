// The classes that JavaScript sees. Each holds a core object, which ends with its device.
#pragma once

#include <napi.h>

#include <memory>
#include <vector>

#include "addon/open_device.h"
#include "core/backend.h"
#include "core/matmul.h"
#include "cpu/blas_peer.h"
#include "cpu/nm_matrix.h"

namespace rnm::addon {

class DeviceObject : public Napi::ObjectWrap<DeviceObject> {
 public:
  static constexpr napi_type_tag kTag = {0x726e6d2d74643300ull, 1};
  static constexpr const char* kName = "a device";
  static Napi::Function define(Napi::Env env);
  // (name, threads, isa, precision, sparse, dataGradient, weightGradient, cacheFolder)
  explicit DeviceObject(const Napi::CallbackInfo& info);
  const std::shared_ptr<OpenDevice>& shared() const { return device_; }

 private:
  void close(const Napi::CallbackInfo& info);
  Napi::Value info(const Napi::CallbackInfo& info);
  Napi::Value sparseChoices(const Napi::CallbackInfo& info);
  void fill(const Napi::CallbackInfo& info);
  void fillNormal(const Napi::CallbackInfo& info);
  void normalize(const Napi::CallbackInfo& info);
  void smooth(const Napi::CallbackInfo& info);
  void smoothNormal(const Napi::CallbackInfo& info);
  void tdTarget(const Napi::CallbackInfo& info);
  void mseGradient(const Napi::CallbackInfo& info);
  void tdGradient(const Napi::CallbackInfo& info);
  void polyak(const Napi::CallbackInfo& info);
  void together(const Napi::CallbackInfo& info);
  std::vector<float> low_, high_;  // of the last smoothing
  std::shared_ptr<OpenDevice> device_;
};

class MatrixObject : public Napi::ObjectWrap<MatrixObject> {
 public:
  static constexpr napi_type_tag kTag = {0x726e6d2d74643300ull, 2};
  static constexpr const char* kName = "a matrix";
  static Napi::Function define(Napi::Env env);
  // (device, rows, columns)
  explicit MatrixObject(const Napi::CallbackInfo& info);
  const std::shared_ptr<Matrix>& shared() const { return matrix_.shared(); }

 private:
  void upload(const Napi::CallbackInfo& info);
  void download(const Napi::CallbackInfo& info);
  void release(const Napi::CallbackInfo& info);
  size_t elements(const Napi::CallbackInfo& info) const;
  Made<Matrix> matrix_;
};

class NetworkObject : public Napi::ObjectWrap<NetworkObject> {
 public:
  static constexpr napi_type_tag kTag = {0x726e6d2d74643300ull, 3};
  static constexpr const char* kName = "a network";
  static Napi::Function define(Napi::Env env);
  // (device, specification)
  explicit NetworkObject(const Napi::CallbackInfo& info);
  Network& network() const { return *network_; }

 private:
  void forward(const Napi::CallbackInfo& info);
  void backward(const Napi::CallbackInfo& info);
  void adam(const Napi::CallbackInfo& info);
  void polyak(const Napi::CallbackInfo& info);
  void copyFrom(const Napi::CallbackInfo& info);
  Napi::Value updateMasks(const Napi::CallbackInfo& info);
  void scaleDormant(const Napi::CallbackInfo& info);
  Napi::Value followMasks(const Napi::CallbackInfo& info);
  Napi::Value divergence(const Napi::CallbackInfo& info);
  Napi::Value largestWeight(const Napi::CallbackInfo& info);
  Napi::Value largestMoment(const Napi::CallbackInfo& info);
  Napi::Value idleUnits(const Napi::CallbackInfo& info);
  void read(const Napi::CallbackInfo& info);
  void write(const Napi::CallbackInfo& info);
  Napi::Value adamSteps(const Napi::CallbackInfo& info);
  void setAdamSteps(const Napi::CallbackInfo& info);
  Napi::Value bytes(const Napi::CallbackInfo& info);
  void release(const Napi::CallbackInfo& info);
  Made<Network> network_;
};

class ReplayObject : public Napi::ObjectWrap<ReplayObject> {
 public:
  static constexpr napi_type_tag kTag = {0x726e6d2d74643300ull, 4};
  static constexpr const char* kName = "a replay buffer";
  static Napi::Function define(Napi::Env env);
  // (device, capacity, observations, actions)
  explicit ReplayObject(const Napi::CallbackInfo& info);

 private:
  void add(const Napi::CallbackInfo& info);
  void sample(const Napi::CallbackInfo& info);
  void read(const Napi::CallbackInfo& info);
  Napi::Value size(const Napi::CallbackInfo& info);
  void release(const Napi::CallbackInfo& info);
  Made<Replay> replay_;
};

// A recording of calls; see Graph of the contract.
class GraphObject : public Napi::ObjectWrap<GraphObject> {
 public:
  static constexpr napi_type_tag kTag = {0x726e6d2d74643300ull, 6};
  static constexpr const char* kName = "a graph";
  static Napi::Function define(Napi::Env env);
  // (device); `supported` says whether the device has graphs
  explicit GraphObject(const Napi::CallbackInfo& info);

 private:
  Napi::Value supported(const Napi::CallbackInfo& info);
  void beginCapture(const Napi::CallbackInfo& info);
  void endCapture(const Napi::CallbackInfo& info);
  void cancel(const Napi::CallbackInfo& info);
  Napi::Value current(const Napi::CallbackInfo& info);
  Napi::Value nodes(const Napi::CallbackInfo& info);
  void beginRefresh(const Napi::CallbackInfo& info);
  void launch(const Napi::CallbackInfo& info);
  void release(const Napi::CallbackInfo& info);
  Graph& graph() const;
  Made<Graph> graph_;
  bool supported_;
};

// One sparse matrix on the host, for people who want the data structure itself.
class NmMatrixObject : public Napi::ObjectWrap<NmMatrixObject> {
 public:
  static constexpr napi_type_tag kTag = {0x726e6d2d74643300ull, 5};
  static constexpr const char* kName = "an N:M matrix";
  static Napi::Function define(Napi::Env env);
  // (dense weights, outputs, inputs, n, m, mask shape)
  explicit NmMatrixObject(const Napi::CallbackInfo& info);

 private:
  Napi::Value values(const Napi::CallbackInfo& info);
  Napi::Value columns(const Napi::CallbackInfo& info);
  Napi::Value transposed(const Napi::CallbackInfo& info);
  Napi::Value materialize(const Napi::CallbackInfo& info);
  Napi::Value stored(const Napi::CallbackInfo& info);
  void assign(const Napi::CallbackInfo& info);
  Napi::Value updateMask(const Napi::CallbackInfo& info);
  Napi::Value divergence(const Napi::CallbackInfo& info);
  Napi::Value bytes(const Napi::CallbackInfo& info);
  std::unique_ptr<cpu::NmMatrix> matrix_;
};

// One matrix product of cuSPARSELt or cuBLASLt.
class MatmulObject : public Napi::ObjectWrap<MatmulObject> {
 public:
  static Napi::Function define(Napi::Env env);
  // (device, specification)
  explicit MatmulObject(const Napi::CallbackInfo& info);

 private:
  void write(const Napi::CallbackInfo& info);
  void read(const Napi::CallbackInfo& info);
  void prune(const Napi::CallbackInfo& info);
  Napi::Value pruned(const Napi::CallbackInfo& info);
  void compress(const Napi::CallbackInfo& info);
  void search(const Napi::CallbackInfo& info);
  void run(const Napi::CallbackInfo& info);
  Napi::Value time(const Napi::CallbackInfo& info);
  Napi::Value info(const Napi::CallbackInfo& info);
  void release(const Napi::CallbackInfo& info);
  Matmul& open() const;
  std::unique_ptr<Matmul> matmul_;  // null once it is released
};

// Matrix products of a library that may be installed, for benchmarks.
class BlasPeerObject : public Napi::ObjectWrap<BlasPeerObject> {
 public:
  static Napi::Function define(Napi::Env env);
  // (library, names to look under)
  explicit BlasPeerObject(const Napi::CallbackInfo& info);

 private:
  Napi::Value name(const Napi::CallbackInfo& info);
  void run(const Napi::CallbackInfo& info);
  std::unique_ptr<cpu::BlasPeer> peer_;
};

// The device that is an argument.
const std::shared_ptr<OpenDevice>& deviceAt(const Napi::CallbackInfo& info, size_t index);

// What CUDA finds on this machine: (emulated).
Napi::Value cudaReport(const Napi::CallbackInfo& info);

// The machine's measured peak, for benchmarks.
Napi::Value machinePeak(const Napi::CallbackInfo& info);

}  // namespace rnm::addon
