#ifndef MADPO_DEVICE_NATIVE_H
#define MADPO_DEVICE_NATIVE_H
/* OpenCL handles of a device, for code that calls an OpenCL library (CLBlast). Everything else uses
 * device/launch.h. All handles are borrowed. */
#include "device/buffer.h"

#include <CL/cl.h>

cl_device_id madpo_device_native_id(const madpo_device *dev);
cl_context madpo_device_native_context(const madpo_device *dev);
cl_command_queue madpo_device_native_queue(const madpo_device *dev);
cl_mem madpo_buffer_native(const madpo_buffer *buffer); /* NULL gives NULL */

/* Count (and, where profiling is on, time) a library call made on the queue under `label`. `event`
 * is the call's event, moved to the device, or NULL. */
madpo_status madpo_device_native_launched(madpo_device *dev, const char *label, cl_event event,
                                          madpo_error *err) MADPO_MUST_CHECK;
/* Record a failed OpenCL or library call, as the device's own calls do. */
madpo_status madpo_device_native_error(madpo_error *err, int code, const char *what);

#endif
