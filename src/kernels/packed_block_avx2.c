/* Products with several right-hand sides with AVX2, vectors of 32 bytes: packed_block_core.h for 4
   doubles and for 8 floats. */
#include "packed_block_impl.h"

#if defined(__x86_64__)
#define CORE_TARGET __attribute__((target("avx2,fma")))
#define CORE_NAME   Double
#define CORE_REAL   double
#define CORE_LANES  4
#define CORE_SINGLE 0
#include "packed_block_core.h"

#define CORE_NAME   Float
#define CORE_REAL   float
#define CORE_LANES  8
#define CORE_SINGLE 1
#include "packed_block_core.h"

const PackedBlock *const packed_block_avx2[2] = {&DoubleBlock, &FloatBlock};
#else
const PackedBlock *const packed_block_avx2[2] = {NULL, NULL};
#endif
