#ifndef MADPO_TRAIN_SYSTEM_H
#define MADPO_TRAIN_SYSTEM_H
/* What a run costs: "system" events with memory and time, for viewers and reports. They are
 * measurements: unlike all other events they differ from run to run.
 *
 * One at the end of every stage (field "status": "done"), and from the step loop one beside a step
 * event (field "step"), at most one a second:
 *
 *   device_bytes, device_peak_bytes   buffers held on the device now, and at most in this stage
 *   device_limit_bytes                what may be held there, if known
 *   host_bytes, host_peak_bytes       resident memory of the process now, and at most ever
 *
 * and of the step loop
 *
 *   step_seconds                 the last step, from its beginning to the update of the weights:
 *   forward_seconds, backward_seconds, optimizer_seconds   passes; norm, clipping and update
 *   data_seconds                 the rest of it: packing, uploading, losses
 *   interval_seconds             since the event before, over interval_steps steps, of which
 *   evaluate_seconds, checkpoint_seconds, write_seconds    went to evaluations, to checkpoints, and
 *                                to events, messages and whoever listens to them
 *   kernels/<group>_seconds      device.profile only: device time of the interval by the kernels'
 *                                events; groups below
 *
 * Forward and backward passes are told apart by waiting for the device between them, which is done
 * in such steps only. Inside src/train only. */
#include "train/stage.h"

/* matmul (all products, the head's and adapters' too), attention (with RoPE and the KV cache),
 * norm, head (without its products), optimizer, embedding, elementwise, other */
enum { MADPO_SYSTEM_GROUPS = 8 };

typedef struct madpo_system_kernels {
    double ms[MADPO_SYSTEM_GROUPS];
} madpo_system_kernels;

/* Group of a kernel by its stem (device/profile.h). */
int madpo_system_group(const char *stem);
const char *madpo_system_group_name(int group);
/* Device time by group since the profile was reset; all 0 without device.profile. Waits for the
 * device. */
madpo_status madpo_system_kernels_get(madpo_system_kernels *out, madpo_device *dev,
                                      madpo_error *err) MADPO_MUST_CHECK;

/* Add the memory fields. */
void madpo_system_memory(madpo_device *dev, json_t *fields);
/* The event at the end of a stage. */
madpo_status madpo_system_stage(madpo_stage_context *ctx, const char *stage,
                                madpo_error *err) MADPO_MUST_CHECK;
#endif
