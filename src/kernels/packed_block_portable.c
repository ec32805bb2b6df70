/* Products with several right-hand sides in plain C, vectors of 32 bytes: packed_block_core.h for 4
   doubles and for 8 floats. */
#include "packed_block_impl.h"

#define CORE_TARGET
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

const PackedBlock *const packed_block_portable[2] = {&DoubleBlock, &FloatBlock};
