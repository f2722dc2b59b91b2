// The implementation in NEON intrinsics for aarch64.
#include "kernels/table.h"

namespace aestus::kernels {

const Table* neon_table() { return nullptr; }

}  // namespace aestus::kernels
