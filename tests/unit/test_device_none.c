/* No OpenCL driver at all (run with OCL_ICD_VENDORS=/nonexistent): a scan finds nothing, opening
 * says what to install. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/error.h"
#include "device/device.h"

#include <string.h>

static void test_scan(void **state)
{
    madpo_device_list list;
    madpo_error err = MADPO_ERROR_INIT;

    (void)state;
    assert_int_equal(madpo_device_list_scan(&list, &err), MADPO_OK);
    assert_int_equal(list.n, 0);
    madpo_device_list_dispose(&list);
}

static void test_open(void **state)
{
    static const char *const selects[] = {"auto", "gpu", "0", "anything"};
    madpo_device_options options;

    (void)state;
    madpo_device_options_defaults(&options);
    for (size_t i = 0; i < sizeof selects / sizeof selects[0]; i++) {
        madpo_error err = MADPO_ERROR_INIT;
        madpo_device *dev;

        options.select = selects[i];
        assert_int_equal(madpo_device_open(&dev, &options, &err), MADPO_ERR_DEVICE);
        assert_null(dev);
        assert_string_equal(err.message,
                            "no OpenCL platform found: install an OpenCL driver (Debian: "
                            "pocl-opencl-icd for CPUs, mesa-opencl-icd, nvidia-opencl-icd or "
                            "intel-opencl-icd)");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_scan), cmocka_unit_test(test_open)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
