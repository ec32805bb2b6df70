/* iid: independent levels, K = I; rows without parents. Levels and labels are the records' own. */
#include "structure_impl.h"

const MeritStructureOps MeritStructure_Iid = {.name = "iid", .form = MERIT_FORM_RECURSION};
