/* The C locale's numbers for one thread; see numbers.h. */
#include "base/numbers.h"

madpo_numbers madpo_numbers_begin(void)
{
    madpo_numbers was = {newlocale(LC_NUMERIC_MASK, "C", (locale_t)0), (locale_t)0};

    if (was.c)
        was.before = uselocale(was.c);
    return was;
}

void madpo_numbers_end(madpo_numbers was)
{
    if (!was.c)
        return;
    uselocale(was.before);
    freelocale(was.c);
}
