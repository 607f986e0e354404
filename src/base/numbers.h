#ifndef MADPO_BASE_NUMBERS_H
#define MADPO_BASE_NUMBERS_H
/* Numbers in files have a decimal point whatever the user's locale writes. Between _begin and _end
 * this thread reads and prints them so:
 *
 *     madpo_numbers was = madpo_numbers_begin();
 *     x = strtod(text, &end);
 *     madpo_numbers_end(was);
 */
#include <locale.h>

typedef struct madpo_numbers {
    locale_t c, before; /* c is 0 if there was no memory for it: then nothing is changed */
} madpo_numbers;

madpo_numbers madpo_numbers_begin(void);
void madpo_numbers_end(madpo_numbers was);
#endif
