#ifndef MADPO_MADPO_H
#define MADPO_MADPO_H
/* madpo: Margin-Adaptive DPO on any OpenCL device. The whole public API; plain C11, no OpenCL
 * types. README.md shows a complete program. */
#include "madpo/config.h"
#include "madpo/error.h"
#include "madpo/model.h"
#include "madpo/pairs.h"
#include "madpo/trainer.h"
#include "madpo/version.h"
#endif
