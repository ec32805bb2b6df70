/* Products with several right-hand sides with AVX-512, vectors of 64 bytes: packed_block_core.h for
   8 doubles and for 16 floats. */
#include "packed_block_impl.h"

#if defined(__x86_64__)
#define CORE_TARGET __attribute__((target("avx512f,avx512dq")))
#define CORE_NAME   Double
#define CORE_REAL   double
#define CORE_LANES  8
#define CORE_SINGLE 0
#include "packed_block_core.h"

#define CORE_NAME   Float
#define CORE_REAL   float
#define CORE_LANES  16
#define CORE_SINGLE 1
#include "packed_block_core.h"

const PackedBlock *const packed_block_avx512[2] = {&DoubleBlock, &FloatBlock};
#else
const PackedBlock *const packed_block_avx512[2] = {NULL, NULL};
#endif
