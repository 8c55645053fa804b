#include <stdexcept>

#include "addon/arguments.h"
#include "addon/objects.h"

namespace rnm::addon {

Napi::Function MatrixObject::define(Napi::Env env) {
  return DefineClass(env, "Matrix",
                     {InstanceMethod<&MatrixObject::upload>("upload"),
                      InstanceMethod<&MatrixObject::download>("download"),
                      InstanceMethod<&MatrixObject::release>("release")});
}

MatrixObject::MatrixObject(const Napi::CallbackInfo& info)
    : ObjectWrap(info),
      matrix_(info.Env(), deviceAt(info, 0), kName,
              deviceAt(info, 0)->backend().matrix(intAt(info, 1), intAt(info, 2))) {
  info.This().As<Napi::Object>().TypeTag(&kTag);
}

// Arguments: array, first column, number of columns.
size_t MatrixObject::elements(const Napi::CallbackInfo& info) const {
  const int first = intAt(info, 1), count = intAt(info, 2);
  if (first < 0 || count < 1 || count > matrix_->columns() - first) {
    throw std::invalid_argument("Expected the columns to lie within the matrix");
  }
  return static_cast<size_t>(matrix_->rows()) * count;
}

void MatrixObject::upload(const Napi::CallbackInfo& info) {
  matrix_->upload(floatsAt(info, 0, elements(info)), intAt(info, 1), intAt(info, 2));
}

void MatrixObject::download(const Napi::CallbackInfo& info) {
  matrix_->download(floatsAt(info, 0, elements(info)), intAt(info, 1), intAt(info, 2));
}

void MatrixObject::release(const Napi::CallbackInfo&) { matrix_.release(); }

}  // namespace rnm::addon
